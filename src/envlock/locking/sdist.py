"""Builds the wheel of an sdist in a build root, so that the same bytes come out wherever it is done."""

from __future__ import annotations

import importlib.resources
import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from envlock.errors import UsageError
from envlock.formats.sdist import EPOCH, unpack_sdist
from envlock.formats.sha256 import file_sha256
from envlock.locking import build_environment, built_wheel
from envlock.model import records
from envlock.model.artifact import Build, Requirement, Sdist
from envlock.model.edges import Process, Progress, Sandbox
from envlock.model.platform import Platform

PLACE = "/build"
"""Where the work folder is inside the root; compilers write paths below it into what they make."""
ENVIRONMENT = {
    "HOME": f"{PLACE}/home",
    "LC_ALL": "C.UTF-8",
    "PATH": f"{PLACE}/environment/bin:/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": f"{PLACE}/environment/lib",
    "SOURCE_DATE_EPOCH": str(EPOCH),
    "TZ": "UTC",
}
_LEGACY_REQUIRES = ["setuptools>=40.8.0"]  # PEP 517, with pip's floor; that backend asks for wheel itself
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_TAIL_LINES = 25
_LOG_LIMIT = 1 << 26
"""Bytes that one hook may say."""
_TAIL_BYTES = 1 << 14
_ANSWER_LIMIT = 1 << 20

_Version = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$")]

Requires = Callable[[Sequence[str]], tuple[list[Requirement], list[Path]]]
"""Resolves PEP 508 build requirements to exact wheels at hand, as of the lock's cutoff."""


class BuiltWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel at hand that was built of an sdist."""

    path: Path
    name: str
    sha256: str
    size: int
    build: Build


class _BuildSystem(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The table [build-system] of a pyproject.toml (PEP 518, PEP 517)."""

    requires: list[str]
    build_backend: str = _LEGACY_BACKEND
    backend_path: list[str] = []


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `data/in_root/run_hook.py` writes."""

    result: str | list[str]
    python: _Version
    glibc: _Version
    machine: str


def build_wheel(
    sdist: Path,
    *,
    name: str,
    version: str,
    root: Path,
    sandbox: Sandbox,
    requires: Requires,
    interpreter: str,
    destination: Path,
    progress: Progress,
    base: Path | None = None,
    twice: bool = False,
) -> BuiltWheel:
    """Build the wheel of `sdist` inside `root` and put it, checked, below `destination`.

    `base` is the root that the wheel is to run in (`root` itself where it is None): each library it needs must be
    there. With `twice` it is built a second time, and must come out the same. The log stays in `destination` as
    `<name>-<version>.log`. Raises UsageError (`build-failed`, `bad-pyproject`, `wheel-unfit`, `not-reproducible`),
    IntegrityError (`bad-sdist`, `build-requirement`), and what the sandbox raises.
    """
    destination.mkdir(parents=True, exist_ok=True)
    workshop = _Workshop(f"{name} {version}", sdist, root, sandbox, interpreter, destination / f"{name}-{version}.log")
    workshop.log.write_bytes(b"")
    with progress.task(f"Resolving the build of {name} {version}"):
        exact, wheels = workshop.requirements(requires)

    def build() -> tuple[Path, str]:
        with workshop.bench(exact, wheels) as bench:
            answer = bench.call("build_wheel", f"{PLACE}/out", None, None)
            wheel = bench.wheel(answer)
            built_wheel.check(
                wheel,
                name=name,
                version=version,
                python=answer.python,
                glibc=answer.glibc,
                platform=Platform.of_machine(answer.machine),
                base=base or root,
            )
            return _keep(wheel, destination)

    with progress.task(f"Building {name} {version}"):
        path, sha256 = build()
        again = build()[1] if twice else sha256
    if again != sha256:
        raise UsageError(
            "not-reproducible",
            f"{name} {version} came out differently when it was built a second time.",
            where=sdist.name,
            expected=f"sha256 {sha256}",
            found=f"sha256 {again}",
            hint="Lock a version that has a wheel, or give a wheel of your own by find-links.",
        )
    source = Sdist(name=sdist.name, size=sdist.stat().st_size, sha256=file_sha256(sdist))
    build_inputs = Build(sdist=source, requires=tuple(sorted(exact, key=lambda requirement: requirement.name)))
    return BuiltWheel(path=path, name=path.name, sha256=sha256, size=path.stat().st_size, build=build_inputs)


@dataclass(frozen=True)
class _Workshop:
    """What all steps of one build share."""

    label: str
    sdist: Path
    root: Path
    sandbox: Sandbox
    interpreter: str
    log: Path

    def requirements(self, resolve: Requires) -> tuple[list[Requirement], list[Path]]:
        """Return the wheels that the build requires: what pyproject.toml names, and what its backend asks for."""
        with tempfile.TemporaryDirectory(dir=self.log.parent, prefix=".sdist-") as folder:
            named = _build_system(unpack_sdist(self.sdist, Path(folder, "source")), self.label).requires
        _refuse_urls(named, self.label)
        exact, wheels = resolve(named)
        with self.bench(exact, wheels) as bench:
            asked = bench.call("get_requires_for_build_wheel", None).result
        if isinstance(asked, str):
            raise self.failure("its backend asks for a text instead of a list of requirements")
        _refuse_urls(asked, self.label)
        return resolve([*named, *asked]) if asked else (exact, wheels)

    @contextmanager
    def bench(self, requirements: Sequence[Requirement], wheels: Sequence[Path]) -> Iterator[_Bench]:
        """Lay out a new work folder: the source as it was published, what the build requires, a home."""
        # The build may leave folders without write permission, or with more than their owner's files.
        with tempfile.TemporaryDirectory(dir=self.log.parent, prefix=".build-", ignore_cleanup_errors=True) as folder:
            work = Path(folder)
            for part in ("home", "out"):
                (work / part).mkdir()
                (work / part).chmod(0o755)
            source = unpack_sdist(self.sdist, work / "source")
            build_environment.install(requirements, wheels, work / "environment", interpreter=self.interpreter)
            yield _Bench(self, work, f"{PLACE}/source/{source.name}", _build_system(source, self.label))

    def failure(self, why: str) -> UsageError:
        """Return the error of a build, with the end of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").rstrip().splitlines()[-_TAIL_LINES:]
        return UsageError(
            "build-failed",
            f"{self.label} could not be built from its source distribution: {why}.",
            where=str(self.log),
            found="\n".join(lines),
            hint="Add what it needs to the recipe's build-packages, or lock a version that has a wheel.",
        )


@dataclass(frozen=True)
class _Bench:
    """One work folder, and the commands that run with it mounted at `PLACE`."""

    workshop: _Workshop
    work: Path
    source: str
    system: _BuildSystem

    def call(self, hook: str, *arguments: str | None) -> _Answer:
        """Call a hook of the backend; UsageError (`build-failed`) with the end of the log where it fails."""
        request = {
            "hook": hook,
            "arguments": arguments,
            "source": self.source,
            "backend": self.system.build_backend,
            "backend_path": self.system.backend_path,
            "answer": f"{PLACE}/answer.json",
        }
        shop = self.workshop
        script = importlib.resources.files("envlock").joinpath("data/in_root/run_hook.py").read_text("utf-8")
        process = shop.sandbox.start(
            shop.root,
            [shop.interpreter, "-c", script, json.dumps(request)],
            environment=ENVIRONMENT,
            binds={PLACE: self.work},
        )
        try:
            status = _record(process, shop.log)
        finally:
            process.kill()
            process.wait()
        if status is None:
            raise shop.failure(f"{hook} said more than {_LOG_LIMIT >> 20} MiB, and was ended")
        if status != 0:
            raise shop.failure(f"{hook} ended with status {status}")
        try:
            return records.from_json(_read(self.work / "answer.json"), _Answer)
        except (OSError, msgspec.DecodeError) as error:
            raise shop.failure(f"{hook} left no answer ({error})") from None

    def wheel(self, answer: _Answer) -> Path:
        """Return the wheel that the backend says it made, a plain file."""
        made = sorted(entry.name for entry in os.scandir(self.work / "out") if entry.is_file(follow_symlinks=False))
        if made != [answer.result]:
            raise self.workshop.failure(f"it should have made one wheel, and made {', '.join(made) or 'none'}")
        return self.work / "out" / made[0]


def _build_system(source: Path, label: str) -> _BuildSystem:
    try:
        table = tomllib.loads((source / "pyproject.toml").read_text("utf-8")).get("build-system")
        return _BuildSystem(requires=_LEGACY_REQUIRES) if table is None else records.convert(table, _BuildSystem)
    except FileNotFoundError:
        return _BuildSystem(requires=_LEGACY_REQUIRES)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(
            "bad-pyproject",
            f"The pyproject.toml of {label} cannot be read.",
            where=f"{source.name}/pyproject.toml",
            found=str(error),
            hint="Lock another version of the package.",
        ) from None


def _refuse_urls(requirements: Sequence[str], label: str) -> None:
    """Refuse what is no release of an index: a URL may lead a resolver anywhere, variables of this machine in it."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            if Requirement(text).url is None:
                continue
        except InvalidRequirement:
            pass
        raise UsageError(
            "bad-pyproject",
            f"{label} asks to be built with what is no release of an index.",
            where="build-system.requires",
            expected="a project, extras, versions and markers (PEP 508)",
            found=repr(text),
            hint="Lock another version of the package.",
        )


def _record(process: Process, log: Path) -> int | None:
    """Copy what a process says to the log until it ends; return its exit status, or None where it says too much.

    run_hook.py sends everything to stdout, so that stderr holds what the interpreter says before and after it, which
    is less than a pipe takes.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.close()
    left = _LOG_LIMIT
    with log.open("ab") as file, process.stdout, process.stderr:
        for stream in (process.stdout, process.stderr):
            while chunk := stream.read(1 << 16):
                if len(chunk) > left:
                    return None
                left -= len(chunk)
                file.write(chunk)
    return process.wait()


def _read(path: Path) -> bytes:
    """Read a small file of the work folder; a hostile build may have left a link in its place, or gigabytes."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(_ANSWER_LIMIT)


def _keep(wheel: Path, destination: Path) -> tuple[Path, str]:
    sha256 = file_sha256(wheel)
    kept = destination / sha256[:16] / wheel.name
    kept.parent.mkdir(exist_ok=True)
    wheel.chmod(0o644)
    return wheel.replace(kept), sha256
