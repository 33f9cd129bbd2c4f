"""`envlock report`: what is installed, on which machine, with which settings, and nothing that says whose it is."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from envlock import __version__
from envlock.errors import one_line
from envlock.formats.dist_info import is_known_installer
from envlock.formats.startup import VIRTUALENV_PTH
from envlock.model.edges import Machines, NoProgress, Progress, TargetInterpreter, Task
from envlock.model.observation import DirectUrl, Distribution, Environment, File, Interpreter, Variables
from envlock.model.redaction import redacted, unnamed
from envlock.model.report import Checkout, Installed, LockedAs, Report, Source, Startup
from envlock.model.unknown import Unknown
from envlock.observe.environment import observe_environment
from envlock.verify.claim import claim_of
from envlock.verify.installed_contents import installed_contents

_Record = TypeVar("_Record", bound=msgspec.Struct)
_CHUNK = 1 << 20
_STARTUP_LIMIT = 1 << 20
_CUSTOMIZE = ("sitecustomize", "usercustomize")
_CUSTOMIZED = re.compile(r"(site|user)customize(/__init__)?(\.[^/]+)?\.(py|pyc|so|pyd)")
_UNWATCHED = NoProgress()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where a report is made: what of it belongs into the report, and the names that do not."""

    now: datetime
    machine: Machines | None = None
    variables: Variables | None = None
    """Of `model.factors`, which takes out of them what is private beside names."""
    checkout: Checkout | Unknown | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Data files and folders, by the names that the report gives them."""
    lock: LockedAs | None = None
    names: tuple[str, ...] = ()
    """Of this machine and its user, which no report holds."""
    progress: Progress = _UNWATCHED


def report_on(target: Path, interpreter: TargetInterpreter, scene: Scene, *, full: bool) -> Report:
    """Observe a virtual environment, or the environment of an interpreter, and this machine.

    `full` hashes every installed file. Raises UsageError (`no-target`, `no-input`).
    """
    observation = observe_environment(target, interpreter, full=full, progress=scene.progress, compiled=False)
    environment = observation.environment
    if isinstance(environment, Environment):
        python, startup = environment.interpreter, tuple(_startup(environment))
        distributions: tuple[Installed, ...] | Unknown = tuple(_installed(environment))
    else:
        python = distributions = environment or Unknown(reason="It was not observed.")
        startup = ()
    report = Report(
        envlock=__version__,
        created=scene.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        full=full,
        interpreter=python,
        distributions=distributions,
        startup=startup,
        variables=scene.variables,
        machine=scene.machine() if scene.machine is not None else None,
        checkout=scene.checkout,
        inputs=dict(_hashed(scene)),
        lock=scene.lock,
    )
    return _without(report, scene.names)


def input_names(texts: Iterable[str], folder: Path) -> dict[str, Path]:
    """Return data files by the names that a report gives them: relative to the project's folder, else their own."""
    found = {}
    for text in texts:
        path = (folder / text).absolute()
        inside = path.is_relative_to(folder.absolute()) and ".." not in path.parts
        found[path.relative_to(folder.absolute()).as_posix() if inside else path.name] = path
    return found


def _installed(environment: Environment) -> Iterator[Installed]:
    """Yield the distributions that are imported, sorted by name."""
    for _, distributions in sorted(environment.imported().items()):
        for each in distributions:
            yield Installed(
                name=each.name,
                version=each.version,
                installer=_installer(each.installer),
                source=_source(each),
                contents=installed_contents(each, environment),
                problem=each.problem,
            )


def _installer(text: str) -> str:
    return text if not text or is_known_installer(text.encode()) else "another"


def _source(distribution: Distribution) -> Source | None:
    if distribution.folder.endswith(".egg-link"):
        return Source(kind="directory", editable=True)
    url: DirectUrl | None = distribution.direct_url
    if url is None:
        return None
    if url.vcs:
        return Source(kind="vcs", editable=url.editable)
    archive = not url.editable and (url.sha256 != "" or url.url.endswith((".whl", ".zip", ".gz", ".bz2", ".xz")))
    digest = url.sha256 if len(url.sha256) == 64 and set(url.sha256) <= set("0123456789abcdef") else None
    return Source(kind="archive" if archive else "directory", editable=url.editable, sha256=digest)


def _startup(environment: Environment) -> Iterator[Startup]:
    """Yield what runs at each start of the interpreter and is no distribution's own."""
    owned = {path for each in environment.distributions for path in claim_of(each, environment).owns()}
    found = {}
    for path, file in environment.files.items():
        folder, name = posixpath.split(path)
        above, package = posixpath.split(folder)
        if package in _CUSTOMIZE and above in environment.layout.sites:
            folder, name = above, f"{package}/{name}"
        if folder not in environment.layout.sites or path in owned:
            continue
        if name.endswith(".pth"):
            lines = [line.rstrip() for line in (file.content or b"").splitlines()]
            runs = [line for line in lines if line.startswith((b"import ", b"import\t"))]
            if runs and (name, b"\n".join(runs)) != ("_virtualenv.pth", VIRTUALENV_PTH):
                found[name] = hashlib.sha256(b"\n".join(runs)).hexdigest()
        elif name.endswith(".start") or _CUSTOMIZED.fullmatch(name):
            found[name] = file.sha256 or _digest_now(path, file)
    for name, digest in sorted(found.items()):
        yield Startup(name=name, sha256=digest or None)


def _digest_now(path: str, file: File) -> str:
    """Return the sha256 of a small file that nobody hashed; empty where it cannot be read."""
    if file.problem or file.size > _STARTUP_LIMIT:
        return ""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _hashed(scene: Scene) -> Iterator[tuple[str, str | None]]:
    for name, path in sorted(scene.inputs.items()):
        with scene.progress.task(f"Hashing {name}", unit="bytes") as task:
            yield name, _input_digest(path, task)


def _input_digest(path: Path, task: Task) -> str | None:
    """Return the sha256 of a file, or of the sorted lines ``path US sha256 LF`` of a folder; None where it is neither.

    FIFOs and devices are no data: reading one may never end.
    """
    if path.is_file():
        return _file_digest(path, task)
    if not path.is_dir():
        return None
    rows = (
        f"{file.relative_to(path).as_posix()}\x1f{_file_digest(file, task)}\n"
        for file in sorted(path.rglob("*"))
        if file.is_file()
    )
    whole = hashlib.sha256()
    for row in rows:
        whole.update(row.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _file_digest(path: Path, task: Task) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            task.advance(len(chunk))
    return digest.hexdigest()


def _without(report: Report, names: tuple[str, ...]) -> Report:
    """Return a report in which every text that somebody else may have written says nothing private."""

    def clean(text: str) -> str:
        return redacted(text, names)

    variables = report.variables
    if isinstance(variables, Variables):
        variables = msgspec.structs.replace(
            variables,
            values={name: unnamed(one_line(value), names) for name, value in sorted(variables.values.items())},
        )
    distributions = report.distributions
    if not isinstance(distributions, Unknown):
        distributions = tuple(
            msgspec.structs.replace(
                each, name=one_line(each.name), version=_version(each.version, names), problem=clean(each.problem)
            )
            for each in distributions
        )
    python = report.interpreter
    if not isinstance(python, Unknown):
        python = Interpreter(
            implementation=redacted(python.implementation),
            version=redacted(python.version),
            system=redacted(python.system),
            machine=redacted(python.machine),
            libc=redacted(python.libc),
            contradictions=tuple(map(clean, python.contradictions)),
        )
    return _each_unknown(
        msgspec.structs.replace(
            report,
            interpreter=python,
            variables=variables,
            distributions=distributions,
            startup=tuple(msgspec.structs.replace(each, name=clean(each.name)) for each in report.startup),
            inputs=_inputs_without(report.inputs, clean),
        ),
        clean,
    )


def _version(text: str, names: tuple[str, ...]) -> str:
    """Return a version whose local label names nobody; what is no version may be anything."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return redacted(text, names)
    public, plus, local = text.partition("+")
    return one_line(public) + plus + unnamed(one_line(local), names)


def _inputs_without(inputs: Mapping[str, str | None], clean: Callable[[str], str]) -> dict[str, str | None]:
    """Return data files by clean names; those that become one name are numbered, so that none is lost."""
    found: dict[str, str | None] = {}
    for name, digest in inputs.items():
        shown = clean(name)
        number = 1
        while (told := shown if number == 1 else f"{shown} ({number})") in found:
            number += 1
        found[told] = digest
    return found


def _each_unknown(record: _Record, clean: Callable[[str], str]) -> _Record:
    """Return a record whose reasons, its parts' too, are clean."""
    changed: dict[str, msgspec.Struct] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, Unknown):
            changed[name] = Unknown(reason=clean(value.reason), hint=clean(value.hint))
        elif isinstance(value, msgspec.Struct):
            changed[name] = _each_unknown(value, clean)
    return msgspec.structs.replace(record, **changed)
