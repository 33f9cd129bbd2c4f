"""Facts of real wheels on the index: what their names say, and what range requests read of them."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest
from uv import find_uv_bin

from envlock.adapters.cache import Cache
from envlock.adapters.http import Http
from envlock.errors import UsageError
from envlock.locking.facts import facts_of
from envlock.locking.hardware import check_hardware
from envlock.locking.opening import Opening
from envlock.locking.select import Selected, select
from envlock.model.edges import NoProgress, Task
from envlock.model.hardware import Facts, parse_hardware
from envlock.model.lock import Lock
from envlock.model.platform import Platform

pytestmark = pytest.mark.network

AMD64 = Platform("linux", "amd64")


class Counted:
    """The HTTP client, counting what it is asked."""

    def __init__(self) -> None:
        self.http = Http()
        self.requests = 0
        self.bytes = 0

    def get(self, url: str, *, limit: int) -> bytes:
        return self.http.get(url, limit=limit)

    def get_range(self, url: str, start: int, end: int) -> bytes:
        data = self.http.get_range(url, start, end)
        self.requests += 1
        self.bytes += len(data)
        return data

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        raise AssertionError("a whole wheel is asked for")


def resolved(requirement: str, python: str, *options: str) -> list[Selected]:
    """Return what uv resolves, with nothing of this machine's settings but its indexes."""
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml", "--no-build"]
    command += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", *options, "-"]
    done = subprocess.run(command, input=requirement, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return select(tomllib.loads(done.stdout)["packages"], python=python, platform=AMD64, glibc="2.28")


@pytest.fixture
def downloads() -> Counted:
    return Counted()


def facts(rows: list[Selected], downloads: Counted, cache: Path) -> Facts:
    return facts_of({AMD64: rows}, previous=None, opening=Opening(downloads, Cache(cache), NoProgress()))


def lock_of(found: Facts, **accelerator: object) -> Lock:
    """Return a lock of these facts for one class."""
    table = {"accelerator": {"kind": "nvidia", **accelerator}}
    return Lock(
        env="gpu",
        python="3.11",
        platforms=(AMD64,),
        packages=(),
        frameworks=(),
        as_of=None,
        hardware={"gpu": parse_hardware("gpu", table, "envlock.toml")},
        facts=found,
    )


def test_tensorflow_25(downloads: Counted, tmp_path: Path) -> None:
    """TensorFlow 2.5.0 says CUDA 11.2 and cuDNN 8, in two requests of a 454 MB wheel."""
    found = facts(resolved("tensorflow==2.5.0", "3.9", "--no-deps"), downloads, tmp_path)
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
    assert downloads.requests <= 2
    based = msgspec.structs.replace(lock_of(found, models=["A100", "V100"], driver=">=450.80.02"), cuda="base")
    check_hardware(based)


def test_torch_of_cuda_13(downloads: Counted, tmp_path: Path) -> None:
    """The torch set brings CUDA 13: an older driver and GPUs without code of their own contradict it."""
    found = facts(resolved("torch==2.13.0", "3.11"), downloads, tmp_path)
    assert (found.cuda, found.minimum_driver) == ("13.0", "580.65.06")
    assert found.sources["cuda"].startswith("nvidia-cuda-runtime 13.0.")
    assert found.cudnn is not None
    assert found.nccl is not None
    assert found.gpu_targets == ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
    assert downloads.bytes < 16 << 20
    check_hardware(lock_of(found, models=["A100", "H100"], driver=">=580"))
    with pytest.raises(UsageError, match="hardware") as caught:
        check_hardware(lock_of(found, models=["V100"], driver=">=535"))
    for side in ("V100 (7.0)", "sm_75", "driver >=535", "nvidia-cuda-runtime 13.0", ">=580.65.06"):
        assert side in caught.value.found


def test_cpu_build(downloads: Counted, tmp_path: Path) -> None:
    """TensorFlow's CPU build asks for no GPU."""
    found = facts(resolved("tensorflow-cpu==2.6.0", "3.9", "--no-deps"), downloads, tmp_path)
    assert found == Facts(minimum_glibc="2.12", sources={"minimum-glibc": "tensorflow-cpu 2.6.0"})
    with pytest.raises(UsageError) as caught:
        check_hardware(lock_of(found))
    assert caught.value.found == "no locked package was built for CUDA"
