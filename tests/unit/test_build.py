"""Images of small wheels on an empty base: layers, caches, envlock.sum, and that nothing but the lock decides."""

from __future__ import annotations

import gzip
import importlib.metadata
import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.oci import Layout, parse_config
from envlock.formats.wheel import open_wheel
from envlock.image.layout import write_layout
from envlock.image.oci import Image
from envlock.image.sums import read_sums
from envlock.image.wheel_layer import write_wheel_layer
from envlock.model.lock import ImageConfig, Settings
from envlock.model.platform import Platform
from envlock.operations.build import build
from tests.unit.images import AMD64, FakeCompiler, lock_of, materials
from tests.unit.wheels import make_wheel

SCRIPTS = b"[console_scripts]\ntwo = two:main\n"
SITE = "opt/venv/lib/python3.9/site-packages"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """A large wheel and two small ones, one of them with a file that both have."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    big = {"big/__init__.py": b"import big.blob\n", "big/weights.bin": os.urandom(2 << 20), "big/bad.py": b"!"}
    shared = {"space/__init__.py": b"# shared\n"}
    return [
        make_wheel(folder, "big", "2.0", big, stored=frozenset({"big/weights.bin"})),
        make_wheel(folder, "one", "1.0", shared | {"one.py": b"x = 1\n"}),
        make_wheel(folder, "two", "1.0", shared | {"two.py": b"", "two-1.0.dist-info/entry_points.txt": SCRIPTS}),
    ]


def names(image: Image, number: int) -> list[str]:
    layer = image.platforms[0].layers[number]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(image.files[layer.digest].read_bytes()))) as archive:
        return archive.getnames()


def unpacked(image: Image, folder: Path) -> Path:
    for layer in image.platforms[0].layers:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(image.files[layer.digest].read_bytes()))) as archive:
            archive.extractall(folder, filter="tar")
    return folder


def test_the_layers_are_those_of_the_spec(tmp_path: Path, wheels: list[Path]) -> None:
    """Base, virtual environment, large wheels, the rest, lock; bytecode after the files, wheel by wheel."""
    compiler = FakeCompiler()
    lock_file = lock_of(wheels)
    image = build(lock_file, materials=materials(tmp_path, wheels, compiler))
    assert names(image, 0) == []
    assert names(image, 1)[0] == "opt/venv"
    parents = ["opt/venv", "opt/venv/lib", "opt/venv/lib/python3.9", SITE]
    metadata = ["INSTALLER", "METADATA", "RECORD", "WHEEL"]
    assert names(image, 2) == [
        *parents,
        f"{SITE}/big-2.0.dist-info",
        *(f"{SITE}/big-2.0.dist-info/{name}" for name in metadata),
        f"{SITE}/big",
        f"{SITE}/big/__init__.py",
        f"{SITE}/big/bad.py",
        f"{SITE}/big/weights.bin",
        f"{SITE}/big/__pycache__",
        f"{SITE}/big/__pycache__/__init__.cpython-39.pyc",
    ]
    assert names(image, 3) == [
        "opt/venv",
        "opt/venv/bin",
        "opt/venv/bin/two",
        *parents[1:],
        f"{SITE}/one-1.0.dist-info",
        *(f"{SITE}/one-1.0.dist-info/{name}" for name in metadata),
        f"{SITE}/one.py",
        f"{SITE}/space",
        f"{SITE}/space/__init__.py",
        f"{SITE}/two-1.0.dist-info",
        *(f"{SITE}/two-1.0.dist-info/{name}" for name in [*metadata, "entry_points.txt"]),
        f"{SITE}/two.py",
        f"{SITE}/__pycache__",
        f"{SITE}/__pycache__/one.cpython-39.pyc",
        f"{SITE}/space/__pycache__",
        f"{SITE}/space/__pycache__/__init__.cpython-39.pyc",
        f"{SITE}/__pycache__/two.cpython-39.pyc",
    ]
    assert names(image, 4) == ["opt/envlock", "opt/envlock/pylock.demo.toml"]
    assert sorted(compiler.calls) == [
        [],
        [f"/{SITE}/big/__init__.py", f"/{SITE}/big/bad.py"],
        [f"/{SITE}/one.py", f"/{SITE}/space/__init__.py"],
        [f"/{SITE}/two.py"],
    ]
    root = unpacked(image, tmp_path / "root")
    assert (root / "opt/envlock/pylock.demo.toml").read_bytes() == lock_file.raw


def test_what_is_installed_is_what_its_metadata_says(tmp_path: Path, wheels: list[Path]) -> None:
    """importlib.metadata finds every distribution; each file has the hash and size of RECORD."""
    root = unpacked(build(lock_of(wheels), materials=materials(tmp_path, wheels)), tmp_path / "root")
    found = list(importlib.metadata.distributions(path=[str(root / SITE)]))
    assert sorted((d.name, d.version, d.read_text("INSTALLER")) for d in found) == [
        ("big", "2.0", "envlock\n"),
        ("one", "1.0", "envlock\n"),
        ("two", "1.0", "envlock\n"),
    ]
    for distribution in found:
        for file in distribution.files or ():
            path = Path(str(file.locate()))
            assert path.is_file()
            if file.name != "RECORD":
                assert file.hash is not None
                assert file.size == path.stat().st_size


def test_the_configuration_says_what_runs(tmp_path: Path, wheels: list[Path]) -> None:
    """Environment from the settings, command, labels, history: a function of the lock."""
    lock_file = lock_of(wheels, settings=Settings(threads=8, env={"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0"}))
    image = build(lock_file, materials=materials(tmp_path, wheels))
    config = parse_config(image.platforms[0].config.raw, "config")
    assert config.config is not None
    assert config.config.env == (
        "LANG=C.UTF-8",
        "MKL_NUM_THREADS=8",
        "OMP_NUM_THREADS=2",
        "OPENBLAS_NUM_THREADS=8",
        "PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONHASHSEED=0",
        "TF_NUM_INTEROP_THREADS=8",
        "TF_NUM_INTRAOP_THREADS=8",
        "VIRTUAL_ENV=/opt/venv",
    )
    assert (config.config.cmd, config.config.entrypoint) == (("python",), None)
    assert config.labels == {
        "dev.envlock.env": "demo",
        "dev.envlock.lock.digest": f"sha256:{lock_file.digest}",
        "dev.envlock.spec": "1",
    }
    assert [row.comment for row in config.history or ()] == [
        "empty, 0 Debian packages",
        "virtual environment of Python 3.9.2",
        "big 2.0",
        "one 1.0, two 1.0",
        "lock of demo",
    ]


def test_an_entrypoint_replaces_the_command(tmp_path: Path, wheels: list[Path]) -> None:
    """As the manifest's image table says."""
    lock_file = lock_of(wheels, image=ImageConfig(entrypoint=("python", "-m", "one"), bytecode=False))
    compiler = FakeCompiler()
    image = build(lock_file, materials=materials(tmp_path, wheels, compiler))
    config = parse_config(image.platforms[0].config.raw, "config").config
    assert config is not None
    assert (config.cmd, config.entrypoint) == (None, ("python", "-m", "one"))
    assert compiler.calls == []


def test_the_digest_depends_on_the_lock_alone(
    tmp_path: Path, wheels: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cold and warm caches, any number of threads, umask, time zone and locale."""
    lock_file = lock_of(wheels)
    digests = set()
    for number, jobs in enumerate((1, 4, 4)):
        folder = tmp_path / str(min(number, 1))
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("TZ", f"Etc/GMT+{number}")
        monkeypatch.setenv("LC_ALL", "C")
        umask = os.umask(0o077 if number else 0o022)
        try:
            image = build(lock_file, materials=materials(folder, wheels), jobs=jobs)
        finally:
            os.umask(umask)
        digests.add(image.index.descriptor.digest)
    assert len(digests) == 1


def test_warm_caches_need_no_wheel_and_no_compiler(tmp_path: Path, wheels: list[Path]) -> None:
    """envlock.sum knows the image, the cache has its layers: nothing is opened."""
    lock_file = lock_of(wheels)
    first = build(lock_file, materials=materials(tmp_path, wheels))
    compiler = FakeCompiler()
    second = build(lock_file, materials=materials(tmp_path, [], compiler))
    assert (second, compiler.calls) == (first, [])


def test_a_damaged_cache_is_built_again_and_said(tmp_path: Path, wheels: list[Path]) -> None:
    """A flipped byte, a lost blob, a note that cannot be read."""
    lock_file = lock_of(wheels)
    image = build(lock_file, materials=materials(tmp_path, wheels))
    big, small, lock = (image.files[layer.digest] for layer in image.platforms[0].layers[2:])
    blob = bytearray(big.read_bytes())
    blob[1 << 20] ^= 1
    big.write_bytes(blob)
    small.unlink()
    (lock.parent / "layer.json").write_bytes(b"{")
    said: list[str] = []
    assert build(lock_file, materials=materials(tmp_path, wheels), warn=said.append) == image
    assert sorted(said) == [
        "The cached layer of big 2.0 is damaged; it is built again.",
        "The cached layer of lock of demo is damaged; it is built again.",
        "The cached layer of one 1.0, two 1.0 is damaged; it is built again.",
    ]


def test_another_digest_than_envlock_sum_says_is_an_integrity_error(tmp_path: Path, wheels: list[Path]) -> None:
    """Whatever the cache holds: it is rebuilt before the verdict."""
    lock_file = lock_of(wheels)
    image = build(lock_file, materials=materials(tmp_path, wheels))
    digest = image.platforms[0].layers[2].digest
    sums = tmp_path / "envlock.sum"
    sums.write_text(sums.read_text().replace(digest, f"sha256:{'0' * 64}"))
    before = sums.read_bytes()
    with pytest.raises(IntegrityError) as caught:
        build(lock_file, materials=materials(tmp_path, wheels))
    assert caught.value.reference == "sums-mismatch"
    assert caught.value.what.startswith("big 2.0: ")
    assert digest in caught.value.found
    assert sums.read_bytes() == before


def test_envlock_sum_grows_by_union(tmp_path: Path, wheels: list[Path]) -> None:
    """Two locks share the layers that are the same."""
    build(lock_of(wheels), materials=materials(tmp_path, wheels))
    first = read_sums(tmp_path / "envlock.sum")
    build(lock_of(wheels[:1]), materials=materials(tmp_path, wheels))
    second = read_sums(tmp_path / "envlock.sum")
    assert first.layers.items() <= second.layers.items()
    assert len(second.layers) == len(first.layers) + 1
    assert len(second.images) == 2


def test_wheels_that_hold_other_bytes_for_a_path_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    """Both are named."""
    wheels = [make_wheel(tmp_path, name, files={"shared.py": name.encode()}) for name in ("one", "two")]
    with pytest.raises(UsageError) as caught:
        build(lock_of(wheels), materials=materials(tmp_path, wheels))
    assert caught.value.reference == "file-conflict"
    assert caught.value.what == (
        f"one-1.0-py3-none-any.whl and two-1.0-py3-none-any.whl both install /{SITE}/shared.py, with different content."
    )
    assert not (tmp_path / "layers").exists()


def test_a_pyc_that_a_wheel_brings_stays(tmp_path: Path) -> None:
    """RECORD vouches for it; ours would be another file at the same path."""
    wheel = make_wheel(tmp_path, files={"demo.py": b"x\n", "__pycache__/demo.cpython-39.pyc": b"theirs"})
    root = unpacked(build(lock_of([wheel]), materials=materials(tmp_path, [wheel])), tmp_path / "root")
    assert (root / SITE / "__pycache__/demo.cpython-39.pyc").read_bytes() == b"theirs"


class BrokenCompiler(FakeCompiler):
    """Ends in the middle."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Answer once."""
        for answer in super().compile(sources):
            yield answer
            raise self.error


@pytest.mark.parametrize("error", [UnverifiableError("no-namespaces", "No."), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_no_thread_and_nothing_half_written(
    tmp_path: Path, wheels: list[Path], error: BaseException
) -> None:
    """And the next one works."""
    threads = threading.active_count()
    lock_file = lock_of(wheels)
    with pytest.raises(type(error)):
        build(lock_file, materials=materials(tmp_path, wheels, BrokenCompiler(error)))
    assert threading.active_count() == threads
    left = [path for path in (tmp_path / "layers").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.name for path in left} <= {"blob", "layer.json"}
    assert not (tmp_path / "envlock.sum").exists()
    assert build(lock_file, materials=materials(tmp_path, wheels)).platforms


def test_a_compiler_that_fails_ends_the_layer_and_a_splice_that_fails_ends_the_compiler(tmp_path: Path) -> None:
    """Neither waits for the other for ever."""
    wheel = make_wheel(tmp_path, files={f"m{n}.py": b"x\n" for n in range(50)})
    blob = bytearray(wheel.read_bytes())
    with open_wheel(wheel) as opened:
        entry = next(entry for entry in opened.entries if entry.name == "m0.py")
        start = entry.header_offset + 30 + len(entry.name)
    blob[start] ^= 0xFF
    wheel.write_bytes(blob)
    with open_wheel(wheel) as opened, pytest.raises(IntegrityError):
        write_wheel_layer(tmp_path / "layer", [opened], "3.9", compiler=FakeCompiler())
    assert not (tmp_path / "layer").exists()


def test_a_lock_without_an_image_is_told_how_to_get_one(tmp_path: Path, wheels: list[Path]) -> None:
    """Exit code 2, before anything is opened."""
    with pytest.raises(UsageError) as caught:
        build(lock_of(wheels, image=None), materials=materials(tmp_path, []))
    assert caught.value.reference == "no-image"


def test_an_image_has_a_manifest_for_each_platform(tmp_path: Path, wheels: list[Path]) -> None:
    """Sorted; layers that are the same are built once."""
    both = (AMD64, Platform("linux", "arm64"))
    image = build(lock_of(wheels, platforms=both), materials=materials(tmp_path, wheels))
    write_layout(tmp_path / "oci", image)
    layout = Layout(tmp_path / "oci")
    assert [str(platform.platform) for platform in image.platforms] == ["linux/amd64", "linux/arm64"]
    for platform in image.platforms:
        descriptor = layout.image(platform.platform)
        assert descriptor.digest == platform.manifest.descriptor.digest
        manifest = layout.manifest(descriptor)
        assert layout.config(manifest).architecture == platform.platform.architecture
        for layer in manifest.layers:
            layout.verify(layer)
    assert image.platforms[0].layers[1] == image.platforms[1].layers[1]
