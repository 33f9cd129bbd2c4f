"""Facts are read off the locked artifacts: names, versions, tags, and what frameworks say of their builds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from envlock.adapters.cache import Cache
from envlock.locking.accelerators import minimum_driver, model_entry, named_by, release_of
from envlock.locking.build_info import BuildInfo, parse_build_info
from envlock.locking.facts import facts_of
from envlock.locking.glibc import glibc_of
from envlock.locking.opening import Opening
from envlock.locking.select import Selected
from envlock.model.artifact import Wheel
from envlock.model.edges import NoProgress, Task
from envlock.model.hardware import Facts
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from tests.unit.wheels import make_wheel

AMD64, ARM64, MACOS = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("macos", "arm64")

# As the wheels on the index have them.
TENSORFLOW_25 = b"""\
# Copyright 2020 The TensorFlow Authors. All Rights Reserved.
\"\"\"Auto-generated module providing information about the build.\"\"\"
from __future__ import absolute_import

import collections

build_info = collections.OrderedDict([('cpu_compiler', '/usr/bin/gcc-5'), ('cuda_compute_capabilities', \
['sm_35', 'sm_50', 'sm_60', 'sm_70', 'sm_75', 'compute_80']), ('cuda_version', '11.2'), ('cudnn_version', '8'), \
('is_cuda_build', True), ('is_rocm_build', False), ('is_tensorrt_build', True)])
"""
TENSORFLOW_CPU = b"""\
import collections
build_info = collections.OrderedDict([('is_cuda_build', False), ('is_rocm_build', False)])
"""
TENSORFLOW_22 = (
    b"is_rocm_build = False\nis_cuda_build = True\n\ncuda_version_number = '10'\ncudnn_version_number = '7'\n"
)
TENSORFLOW_WINDOWS = b"build_info = collections.OrderedDict([('cuda_version', '64_112'), ('cudnn_version', '64_8')])\n"
TORCH_213 = b"""\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '2.13.0+cu130'
debug = False
cuda: Optional[str] = '13.0'
git_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'
hip: Optional[str] = None
rocm: Optional[str] = None
"""
TORCH_CPU = b"__version__ = '2.0.0'\ndebug = False\ncuda = None\nhip = None\n"
TORCH_ROCM = b"__version__ = '2.5.0+rocm6.2'\ncuda = None\nhip = '6.2.41133-dd7f95766'\n"
PADDLE = b"full_version = '2.6.2'\ncuda_version     = '11.8'\ncudnn_version    = '8.6.0'\ndef show():\n    pass\n"
LIBRARY = b"\x7fELF\0sm_90\0" + b"noise\0" * 300000 + b"\0sm_75 sm_80 sm_90\0sm_75 sm_80\0gfx942\0" + bytes(1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            TENSORFLOW_25,
            BuildInfo(cuda="11.2", cudnn="8", targets=("sm_35", "sm_50", "sm_60", "sm_70", "sm_75", "compute_80")),
        ),
        (TENSORFLOW_CPU, BuildInfo()),
        (TENSORFLOW_22, BuildInfo(cuda="10", cudnn="7")),
        (TENSORFLOW_WINDOWS, BuildInfo(cuda="11.2", cudnn="8")),
        (TORCH_213, BuildInfo(cuda="13.0")),
        (TORCH_CPU, BuildInfo()),
        (TORCH_ROCM, BuildInfo(rocm="6.2")),
        (PADDLE, BuildInfo(cuda="11.8", cudnn="8.6.0")),
        (
            b"cuda_compute_capabilities = ['8.0', '9.0', 'what']",
            BuildInfo(targets=("sm_80", "sm_90", "compute_80", "compute_90")),
        ),
        (b"cuda = __import__('os').system('false')", BuildInfo()),
        (b"cuda = 12", BuildInfo()),
        (b"build_info = dict([1, 2])", BuildInfo()),
        (b"build_info = dict({[]: 1})", BuildInfo()),
        (b"not python at all (", BuildInfo()),
        (b"\xff\xfe\0", BuildInfo()),
        (b"x = " + b"(" * 5000, BuildInfo()),
        (b"", BuildInfo()),
    ],
)
def test_build_information(text: bytes, expected: BuildInfo) -> None:
    """Literals are read, nothing is executed, and what cannot be read says nothing."""
    assert parse_build_info(text) == expected


class Ranges:
    """Serves wheels of a folder by ranges, and counts."""

    def __init__(self, folder: Path, *, ranges: bool = True) -> None:
        self.folder = folder
        self.ranges = ranges
        self.asked: list[str] = []

    def get(self, url: str, *, limit: int) -> bytes:
        raise NotImplementedError

    def get_range(self, url: str, start: int, end: int) -> bytes:
        if not self.ranges:
            raise LookupError
        self.asked.append(url)
        return (self.folder / url.rpartition("/")[2]).read_bytes()[start:end]

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        self.asked.append(f"whole {url}")
        destination.write_bytes((self.folder / url.rpartition("/")[2]).read_bytes())


class Index:
    """A folder of wheels, resolved and read."""

    def __init__(self, folder: Path) -> None:
        (folder / "wheels").mkdir(parents=True)
        (folder / "cache").mkdir()
        self.folder = folder / "wheels"
        self.downloads = Ranges(self.folder)
        self.artifacts = Cache(folder / "cache")

    def wheel(
        self, name: str, version: str, files: dict[str, bytes] | None = None, tag: str = "py3-none-any"
    ) -> Selected:
        path = make_wheel(self.folder, name.replace("-", "_"), version, files, tag=tag)
        raw = path.read_bytes()
        return Selected(
            package=name,
            version=version,
            kind="wheel",
            name=path.name,
            url=f"https://example.com/{path.name}",
            path=None,
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
            upload_time=None,
        )

    def facts(self, *rows: Selected, previous: Lock | None = None) -> Facts:
        return self.facts_by_platform({AMD64: rows}, previous)

    def facts_by_platform(self, resolutions: dict[Platform, Sequence[Selected]], previous: Lock | None = None) -> Facts:
        return facts_of(
            resolutions,
            previous=previous,
            opening=Opening(self.downloads, self.artifacts, NoProgress()),
        )


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def locked(facts: Facts, *rows: Selected) -> Lock:
    packages = [
        Package(
            name=row.package,
            version=row.version,
            wheels=(Wheel(name=row.name, size=1, sha256=row.sha256, contents="0" * 64, record="0" * 64, url=row.url),),
        )
        for row in rows
    ]
    return Lock(
        env="gpu",
        python="3.9",
        platforms=(AMD64,),
        packages=tuple(packages),
        frameworks=(),
        as_of=None,
        facts=facts,
    )


def test_tensorflow_by_ranges(index: Index) -> None:
    """Two requests read what TensorFlow was built for."""
    files = {"tensorflow/python/platform/build_info.py": TENSORFLOW_25, "tensorflow/big.so": bytes(range(256)) * 40000}
    row = index.wheel("tensorflow", "2.5.0", files, "cp39-cp39-manylinux2010_x86_64")
    found = index.facts(row)
    assert found == Facts(
        cuda="11.2",
        cudnn="8",
        gpu_targets=("sm_35", "sm_50", "sm_60", "sm_70", "sm_75", "compute_80"),
        minimum_driver="450.80.02",
        minimum_glibc="2.12",
        sources={
            "cuda": "tensorflow 2.5.0",
            "cudnn": "tensorflow 2.5.0",
            "gpu-targets": "tensorflow 2.5.0",
            "minimum-driver": "CUDA 11.2 of tensorflow 2.5.0",
            "minimum-glibc": "tensorflow 2.5.0",
        },
    )
    assert len(index.downloads.asked) <= 2


def test_torch_library(index: Index) -> None:
    """The list of architectures is the longest one in torch's library; a single name is none."""
    files = {"torch/version.py": TORCH_213, "torch/lib/libtorch_python.so": LIBRARY}
    found = index.facts(index.wheel("torch", "2.13.0", files))
    assert (found.cuda, found.gpu_targets, found.minimum_driver) == ("13.0", ("sm_75", "sm_80", "sm_90"), "580.65.06")


def test_libraries_before_build_information(index: Index) -> None:
    """What NVIDIA's wheels say goes before what the framework was built for, whatever order they come in."""
    rows = [
        index.wheel("tensorflow", "2.5.0", {"tensorflow/python/platform/build_info.py": TENSORFLOW_25}),
        index.wheel("nvidia-cuda-runtime-cu11", "11.8.89"),
        index.wheel("nvidia-cudnn-cu11", "8.9.6.50"),
        index.wheel("nvidia-nccl-cu11", "2.19.3"),
    ]
    found = index.facts(*rows)
    assert found == index.facts(*reversed(rows))
    assert (found.cuda, found.cudnn, found.nccl) == ("11.8", "8.9.6.50", "2.19.3")
    assert found.sources["cuda"] == "nvidia-cuda-runtime-cu11 11.8.89"
    assert found.gpu_targets[0] == "sm_35"


def test_cpu_wheels_have_no_accelerator_facts(index: Index) -> None:
    """No CUDA in TensorFlow's CPU build; torch +cpu is not even opened."""
    row = index.wheel("tensorflow-cpu", "2.6.0", {"tensorflow/python/platform/build_info.py": TENSORFLOW_CPU})
    assert index.facts(row) == Facts()
    index.downloads.asked.clear()
    assert index.facts(index.wheel("torch", "2.13.0+cpu", {"torch/version.py": TORCH_213})) == Facts()
    assert index.downloads.asked == []


def test_amd(index: Index) -> None:
    """ROCm is told by the version, or by the HIP that torch was built with."""
    assert index.facts(index.wheel("torch", "2.5.0+rocm6.2.4", {"x.py": b""})).rocm == "6.2"
    assert index.facts(index.wheel("torch", "2.5.0", {"torch/version.py": TORCH_ROCM})).rocm == "6.2"
    assert index.facts(index.wheel("tensorflow-rocm", "2.13.0.570", {"x.py": b""})).rocm == "5.7"


def test_relock_reads_nothing_again(index: Index) -> None:
    """Facts of unchanged wheels stay; another wheel, or another platform, is read."""
    row = index.wheel("torch", "2.13.0", {"torch/version.py": TORCH_213}, "cp311-cp311-manylinux_2_28_x86_64")
    plain = index.wheel("six", "1.16.0")
    found = index.facts(row, plain)
    index.downloads.asked.clear()
    assert index.facts(row, previous=locked(found, row, plain)) == found
    assert index.downloads.asked == []
    other = index.wheel("torch", "2.12.0", {"torch/version.py": TORCH_213.replace(b"13.0'", b"12.8'")})
    assert index.facts(other, previous=locked(found, row)).cuda == "12.8"
    both: dict[Platform, Sequence[Selected]] = {AMD64: [row], ARM64: [row]}
    index.downloads.asked.clear()
    index.facts_by_platform(both, locked(found, row))
    assert index.downloads.asked


def test_glibc_is_told_anew_on_relock(index: Index) -> None:
    """Any package may raise it, also one that no other fact comes from."""
    row = index.wheel("torch", "2.13.0", {"torch/version.py": TORCH_CPU}, "cp311-cp311-manylinux_2_28_x86_64")
    found = index.facts(row)
    newer = index.wheel("new", "1.0", tag="py3-none-manylinux_2_34_x86_64")
    again = index.facts(row, newer, previous=locked(found, row))
    assert (again.minimum_glibc, again.sources) == ("2.34", {"minimum-glibc": "new 1.0"})


def test_platforms(index: Index) -> None:
    """A fact that holds on one platform alone says so; macOS has neither CUDA nor glibc."""
    cuda = index.wheel("torch", "2.5.1", {"torch/version.py": TORCH_213}, "cp311-cp311-manylinux1_x86_64")
    cpu = index.wheel("torch", "2.5.1", {"torch/version.py": TORCH_CPU}, "cp311-cp311-manylinux2014_aarch64")
    mac = index.wheel("torch", "2.5.1", {"torch/version.py": TORCH_213}, "cp311-none-macosx_11_0_arm64")
    found = index.facts_by_platform({AMD64: [cuda], ARM64: [cpu], MACOS: [mac]})
    assert (found.cuda, found.sources["cuda"]) == ("13.0", "torch 2.5.1 on linux/amd64")
    assert (found.minimum_glibc, found.sources["minimum-glibc"]) == ("2.17", "torch 2.5.1")
    assert not any("macosx" in url for url in index.downloads.asked)


def test_no_ranges(index: Index) -> None:
    """Where the index serves no ranges the wheel is fetched whole, and a wheel at hand is read there."""
    index.downloads.ranges = False
    row = index.wheel("torch", "2.13.0", {"torch/version.py": TORCH_213})
    assert index.facts(row).cuda == "13.0"
    assert index.downloads.asked == [f"whole https://example.com/{row.name}"]
    assert index.facts(row).cuda == "13.0"
    assert len(index.downloads.asked) == 1


def test_find_links(index: Index) -> None:
    """A wheel of a folder is read where it is."""
    row = index.wheel("torch", "2.13.0", {"torch/version.py": TORCH_213})
    local = msgspec.structs.replace(row, url=None, size=None, path=str(index.folder / row.name))
    assert index.facts(local).cuda == "13.0"
    assert index.downloads.asked == []


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("torch", "2.1.0+cu118", ("cuda", "11.8")),
        ("torch", "1.9.0+cu92", ("cuda", "9.2")),
        ("torch", "2.13.0+cu130", ("cuda", "13.0")),
        ("jaxlib", "0.4.7+cuda11.cudnn82", ("cuda", "11")),
        ("jax-cuda12-plugin", "0.10.0", ("cuda", "12")),
        ("cupy-cuda12x", "13.3.0", ("cuda", "12")),
        ("mxnet-cu112", "1.9.1", ("cuda", "11.2")),
        ("jax-rocm60-plugin", "0.5.0", ("rocm", "6.0")),
        ("jax-rocm7-plugin", "0.8.0", ("rocm", "7")),
        ("torch", "2.13.0", None),
        ("torch", "2.13.0+cpu", None),
        ("numpy", "1.26.4+cu118", None),
    ],
)
def test_named(name: str, version: str, expected: tuple[str, str] | None) -> None:
    """Names and local versions say which CUDA or ROCm a build is for."""
    assert named_by(name, version) == expected


@pytest.mark.parametrize(
    ("cuda", "driver"),
    [
        ("13.0", "580.65.06"),
        ("12.8", "525.60.13"),
        ("12", "525.60.13"),
        ("11.2", "450.80.02"),
        ("10.1", "418.39"),
        ("99.0", None),
    ],
)
def test_minimum_driver(cuda: str, driver: str | None) -> None:
    """NVIDIA's tables: one driver for each major version since 11."""
    assert minimum_driver(cuda) == driver


def test_releases() -> None:
    """Major and minor, from whatever form; words are no release."""
    assert [release_of(text, "cuda") for text in ("12.8.90", "112", "64_112", "10", "False")] == [
        "12.8", "11.2", "11.2", "10", None,
    ]  # fmt: skip


def test_models() -> None:
    """A product is found by whole words, the longest name first."""
    table = {"L4": "l4", "L40": "l40", "RTX 6000": "old", "RTX 6000 Ada": "ada", "A100": "a100"}
    models = ["L40", "NVIDIA L4", "rtx 6000 ada", "Quadro RTX 6000", "A100-SXM4-40GB", "A1000", "B200"]
    assert [model_entry(model, table) for model in models] == ["l40", "l4", "ada", "old", "a100", None, None]


@pytest.mark.parametrize(
    ("name", "glibc"),
    [
        ("x-1-cp39-cp39-manylinux2010_x86_64.whl", "2.12"),
        ("x-1-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "2.17"),
        ("x-1-cp39-cp39-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", "2.27"),
        ("x-1-cp39-cp39-manylinux1_i686.whl", None),
        ("x-1-cp39-cp39-linux_x86_64.whl", None),
        ("x-1-py3-none-any.whl", None),
    ],
)
def test_glibc_of_tags(name: str, glibc: str | None) -> None:
    """The oldest glibc that any tag of the wheel allows."""
    assert glibc_of(name, AMD64) == glibc
