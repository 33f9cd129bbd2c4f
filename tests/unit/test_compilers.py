"""Which interpreter compiles an image's bytecode, and what is said where none can."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.model.artifact import Deb
from envlock.model.lock import Base, BaseImage, BaseManifest, ImageConfig, Lock
from envlock.model.platform import Platform
from envlock.operations import compilers
from envlock.operations.compilers import open_compiler, twins
from tests.unit.edges import edges_with

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
MAC = Platform("macos", "arm64")


def deb(name: str, version: str, architecture: str) -> Deb:
    """A package of which only name, version and architecture matter."""
    return Deb(
        name=name,
        version=version,
        architecture=architecture,
        archive="debian",
        path=f"pool/{name}_{version}_{architecture}.deb",
        size=1,
        sha256="0" * 64,
    )


def base(*packages: Deb, image: BaseImage | None = None) -> Base:
    """A base with Python 3.11.2."""
    return Base(
        recipe=None if image else "some",
        image=image,
        distribution="debian-12",
        interpreter="/usr/bin/python3.11",
        python="3.11.2",
        glibc="2.36",
        solver="closure",
        effects=(),
        suites=(),
        packages=packages,
    )


BOTH = base(
    deb("python3.11-minimal", "3.11.2-6", "amd64"),
    deb("libssl3", "3.0", "amd64"),
    deb("python3.11-minimal", "3.11.2-6+b1", "arm64"),
    deb("libssl3", "3.1", "arm64"),
)
APART = base(deb("python3.11-minimal", "3.11.2-6", "amd64"), deb("python3.11-minimal", "3.11.2-7", "arm64"))
PULLED = base(
    image=BaseImage(
        reference="registry.example.com/python:3.11",
        manifests=(
            BaseManifest(platform="linux/amd64", digest=f"sha256:{'a' * 64}"),
            BaseManifest(platform="linux/arm64", digest=f"sha256:{'b' * 64}"),
        ),
    )
)


@pytest.mark.parametrize(
    ("where", "platform", "machine", "expected"),
    [
        (BOTH, ARM, AMD, [AMD, ARM]),
        (BOTH, AMD, AMD, [AMD, ARM]),
        (BOTH, ARM, None, [ARM, AMD]),
        (APART, ARM, AMD, [ARM]),
        (PULLED, ARM, AMD, [AMD, ARM]),
    ],
)
def test_twins(where: Base, platform: Platform, machine: Platform | None, expected: list[Platform]) -> None:
    """This machine's interpreter before an emulated one; only of the same source version, whatever else differs."""
    assert twins(where, (ARM, MAC, AMD), platform, machine) == expected


class Machine:
    """A sandbox where roots of one architecture run; their interpreter says what it is told to."""

    def __init__(
        self, runs: Platform | None, says: str = "cpython 3.11.2", refusal: EnvlockError | None = None
    ) -> None:
        self.runs, self.says, self.refusal = runs, says, refusal

    def start(
        self, root: Path, argv: Sequence[str], *, environment: Mapping[str, str], binds: Any = None
    ) -> subprocess.Popen[bytes]:
        if self.refusal or root.name != str(self.runs).replace("/", "-"):
            raise self.refusal or UnverifiableError("foreign-architecture", "It cannot run on this machine.")
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", self.says], stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.fixture(autouse=True)
def _roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Roots are folders named after their platform."""

    def root(_: object, platform: Platform, __: object, **___: object) -> Path:
        return tmp_path / str(platform).replace("/", "-")

    monkeypatch.setattr(compilers, "unpacked_root", root)
    monkeypatch.setattr(compilers, "layered_root", root)


def opened(
    where: Base,
    platform: Platform,
    sandbox: Machine,
    platforms: tuple[Platform, ...] = (AMD, ARM),
    machine: Platform | None = AMD,
) -> str:
    """Open a compiler and return the name of the root it is in."""

    @contextmanager
    def compiler(root: Path, interpreter: str) -> Iterator[str]:
        assert interpreter == where.interpreter
        yield root.name

    lock = Lock(
        env="some",
        python="3.11",
        platforms=platforms,
        packages=(),
        frameworks=(),
        as_of=None,
        base=where,
        image=ImageConfig(),
    )
    edges = edges_with(sandbox=sandbox, compiler=compiler, machine=machine)
    with open_compiler(lock, platform, edges) as found:
        return str(found)


def saying(text: str) -> str:
    return f"import sys; sys.stdout.write({text!r})"


@pytest.mark.parametrize("where", [BOTH, PULLED])
def test_this_machines_interpreter_compiles_for_the_other(where: Base) -> None:
    """Of packages and of an image alike."""
    assert opened(where, ARM, Machine(AMD, saying("cpython 3.11.2"))) == "linux-amd64"


def test_an_emulator_or_a_remote_engine_counts(tmp_path: Path) -> None:
    """Where this machine's platform does not run, the image's own may."""
    assert opened(BOTH, ARM, Machine(ARM, saying("cpython 3.11.2"))) == "linux-arm64"


def test_another_version_is_refused() -> None:
    """What is locked is what compiles."""
    with pytest.raises(IntegrityError) as caught:
        opened(PULLED, AMD, Machine(AMD, saying("cpython 3.11.9")))
    assert (caught.value.reference, caught.value.expected, caught.value.found) == (
        "other-interpreter",
        "cpython 3.11.2",
        "cpython 3.11.9",
    )


def test_an_interpreter_that_does_not_start() -> None:
    """What it said is told, and how to do without."""
    with pytest.raises(UsageError) as caught:
        opened(BOTH, AMD, Machine(AMD, "import sys; sys.exit('no libssl')"))
    assert (caught.value.reference, caught.value.found) == ("base-interpreter-failed", "exit status 1\nno libssl")
    assert "bytecode = false" in caught.value.hint


@pytest.mark.parametrize(
    ("where", "platforms", "way"),
    [
        (BOTH, (ARM,), 'Add "linux/amd64" to the platforms of some'),
        (APART, (AMD, ARM), "envlock lock --os"),
    ],
)
def test_no_interpreter_runs_here(where: Base, platforms: tuple[Platform, ...], way: str) -> None:
    """Every way out is named: this machine's platform, that machine, layers by digest, no bytecode."""
    with pytest.raises(UnverifiableError) as caught:
        opened(where, ARM, Machine(None), platforms)
    assert caught.value.reference == "foreign-architecture"
    for each in (way, "Build on linux/arm64", "envlock.sum", "bytecode = false"):
        assert each in caught.value.hint


def test_where_namespaces_are_forbidden() -> None:
    """The sandbox's own way out, and layers by digest."""
    refusal = UnverifiableError("no-namespaces", "No isolated root.", hint="Start a Docker Engine.")
    with pytest.raises(UnverifiableError) as caught:
        opened(BOTH, AMD, Machine(AMD, refusal=refusal))
    assert caught.value.hint.startswith("Start a Docker Engine. Or build where it runs")
