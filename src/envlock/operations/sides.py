"""What a user names to `diff`: an environment, a lock, a revision of one, an image, a report, a live environment."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envlock.errors import UsageError, did_you_mean
from envlock.formats.pylock import parse_lock, read_lock
from envlock.model.edges import Progress, Registry, Revisions
from envlock.model.manifest import Manifest
from envlock.model.observation import Interpreter
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.model.report import Report
from envlock.model.side import Side

if TYPE_CHECKING:
    from envlock.operations.reports import Trust
    from envlock.operations.verify_image import Engines

_SCHEMES = ("oci:", "engine:", "docker-archive:")
_ENV = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_EXPECTED = (
    "an environment of the manifest, a lock, REV:ENV, an image (HOST/NAME:TAG, :TAG, oci:DIR, engine:NAME), a report, "
    "a virtual environment or an interpreter"
)
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_LOCK = b"lock-version"
_START = 4096


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where sides come from."""

    manifest: Manifest | None
    folder: Path
    """The project's, else the working directory: files of a revision are named relative to it."""
    revisions: Callable[[], Revisions]
    """Opens the repository around that folder; UsageError (`no-git-repository`, `no-git`)."""
    registry: Callable[[], Registry]
    engines: Engines
    environment: Callable[[Path], Report]
    """Reports on a virtual environment or an interpreter of this machine."""
    trust: Callable[[], Trust]
    """Whom signatures of reports are held against."""
    platforms: tuple[Platform, ...]
    """Of an image of several platforms the first of these is meant."""
    now: datetime.datetime
    progress: Progress


def open_sides(before: str, after: str, sources: Sources) -> tuple[Side, Side]:
    """Return two sides; what is no image says for which platform an image is asked.

    Raises UsageError (`unknown-side`, and what reading each kind raises), IntegrityError, UnverifiableError.
    """
    if not _is_image(before) or _is_image(after):
        one = open_side(before, sources, _platforms(sources))
        return one, open_side(after, sources, _platforms(sources, one))
    other = open_side(after, sources, _platforms(sources))
    return open_side(before, sources, _platforms(sources, other)), other


def open_side(text: str, sources: Sources, platforms: tuple[Platform, ...] = ()) -> Side:
    """Return one side; `platforms` say which image of an index is meant.

    A word is an environment of the manifest before it is a file. What has a colon is a file of a revision where git
    knows the revision, else an image.
    """
    manifest, path = sources.manifest, Path(text)
    if _is_image(text):
        return _image(text, sources, platforms)
    if manifest is not None and text in manifest.environments:
        return Side(name=text, kind="lock", lock=read_lock(manifest.lock_path(text)))
    if path.is_dir():
        return _folder(text, path, sources)
    if path.exists():
        return _file(text, path, sources)
    if ":" in text and (found := _of_revision(text, sources)) is not None:
        return found
    if path.suffix == ".toml":
        return Side(name=text, kind="lock", lock=read_lock(path))
    if path.suffix == ".json":
        return _report(text, path, sources)
    if _may_be_reference(text):
        return _image(text, sources, platforms)
    known = sorted(manifest.environments) if manifest is not None else []
    raise UsageError(
        "unknown-side",
        f"There is nothing named {text!r} to compare.",
        expected=_EXPECTED,
        found=text,
        hint=did_you_mean(text, known, _environments(known)),
    )


def _environments(known: list[str]) -> str:
    return f"Environments here: {', '.join(known)}" if known else "There is no envlock.toml here or in a folder above."


def _is_image(text: str) -> bool:
    return text.startswith((*_SCHEMES, ":")) or _IMAGE_ID.fullmatch(text) is not None


def _may_be_reference(text: str) -> bool:
    """Tell whether a text can be an image's: it has a host, a tag or a digest, and no path's beginning or end."""
    host, slash, _ = text.partition("/")
    if text.startswith((".", "/", "~")):
        return False
    if not (":" in text or "@" in text or (slash and ("." in host or host == "localhost"))):
        return False
    try:
        Reference.parse(text)
    except UsageError:
        return "://" in text  # which Reference.parse says more of
    return True


def _image(text: str, sources: Sources, platforms: tuple[Platform, ...]) -> Side:
    from envlock.operations.image_side import image_side

    return image_side(
        _whole(text, sources.manifest),
        text,
        platforms=platforms,
        registry=sources.registry,
        engines=sources.engines,
        progress=sources.progress,
        now=sources.now,
    )


def _whole(text: str, manifest: Manifest | None) -> str:
    """Return a reference; ``:TAG`` is one in the repository that the manifest names."""
    if not text.startswith(":"):
        return text
    found = _repositories(manifest)
    if len(found) == 1:
        return found.pop() + text
    raise UsageError(
        "several-repositories" if found else "no-repository",
        f"The manifest names {'several repositories' if found else 'no repository'}, so a tag alone names no image.",
        expected="one of: " + ", ".join(f"{name}{text}" for name in sorted(found)) if found else "",
        found=text,
        hint="Give a whole reference.",
    )


def _folder(text: str, path: Path, sources: Sources) -> Side:
    if (path / "oci-layout").is_file():
        raise UsageError(
            "unknown-side", "This folder is an OCI layout.", where=text, expected=f"oci:{text}", found=text
        )
    return _environment(text, path, sources)


def _file(text: str, path: Path, sources: Sources) -> Side:
    """Tell a lock, a report and an interpreter apart by how they begin."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise UsageError("unreadable-side", f"It cannot be read: {error.strerror}.", where=text) from None
    if path.suffix == ".toml" or _LOCK in start:
        return Side(name=text, kind="lock", lock=read_lock(path))
    if path.name.startswith(("python", "pypy")) and path.suffix in ("", ".exe", *_minor(path)):
        return _environment(text, path, sources)
    return _report(text, path, sources)


def _report(text: str, path: Path, sources: Sources) -> Side:
    from envlock.operations.reports import open_reports

    (opened,) = open_reports([path], sources.trust())
    return _reported(text, opened.report)


def _minor(path: Path) -> tuple[str, ...]:
    """Return the end of an interpreter's name, such as .11 of python3.11."""
    return (path.suffix,) if path.suffix[1:].isdecimal() else ()


def _environment(text: str, path: Path, sources: Sources) -> Side:
    report = sources.environment(path)
    return Side(name=text, kind="environment", report=report, platform=_platform_of(report))


def _reported(text: str, report: Report) -> Side:
    return Side(name=text, kind="report", report=report, platform=_platform_of(report))


def _of_revision(text: str, sources: Sources) -> Side | None:
    """Return a lock or a report as a commit has it; None where the text may be an image's and git knows no such."""
    revision, _, what = text.rpartition(":")
    path = _path_of(what, sources)
    if path is None:
        return None
    named = sources.manifest is not None and what in sources.manifest.environments
    try:
        revisions = sources.revisions()
        commit = revisions.resolve(revision).commit
    except UsageError as error:
        if _is_repository(revision, sources.manifest) or (_may_be_reference(text) and not named):
            return None
        if not error.hint:
            error.hint = "An image of a registry is written with its host: HOST/NAME:TAG"
        raise
    raw = revisions.file_at(commit, path)
    if raw is None:
        raise _not_there(text, what, commit, path, revisions)
    if path.suffix == ".json":
        from envlock.operations.report_keeping import signature_path
        from envlock.operations.reports import parse_signed

        signature = revisions.file_at(commit, signature_path(path))
        return _reported(text, parse_signed(raw, signature, text, sources.trust()).report)
    return Side(name=text, kind="lock", lock=parse_lock(raw, text))


def _path_of(what: str, sources: Sources) -> Path | None:
    """Return the file that is meant in a revision, None where it can be none: an environment's lock, or a path."""
    if what.endswith((".toml", ".json")):
        return sources.folder / what
    return sources.manifest.lock_path(what) if sources.manifest is not None and _ENV.fullmatch(what) else None


def _is_repository(text: str, manifest: Manifest | None) -> bool:
    """Tell whether a text is a repository of images: of the manifest, or of a host."""
    host, slash, _ = text.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return True
    return text in _repositories(manifest)


def _repositories(manifest: Manifest | None) -> set[str]:
    """Return the repositories of images that a manifest names."""
    from envlock.operations.references import repository_of

    names = manifest.environments if manifest is not None else ()
    return {each.name for name in names if manifest and (each := repository_of(manifest, name)) is not None}


def _not_there(text: str, what: str, commit: str, path: Path, revisions: Revisions) -> UsageError:
    locks = [
        name.removeprefix("pylock.").removesuffix(".toml")
        for name in revisions.files_at(commit, path.parent)
        if name.startswith("pylock.") and name.endswith(".toml")
    ]
    is_lock = path.suffix != ".json"
    return UsageError(
        "no-lock-there" if is_lock else "no-report-there",
        f"Commit {commit[:12]} has no such {'lock' if is_lock else 'report'}.",
        where=text,
        expected="one of: " + ", ".join(locks) if locks and is_lock else "",
        found=what,
        hint=f"envlock log {what} tells since when there is one" if _ENV.fullmatch(what) else "",
    )


def _platform_of(report: Report) -> Platform | None:
    python = report.interpreter
    if not isinstance(python, Interpreter):
        return None
    try:
        return Platform.of_machine(python.machine, python.system)
    except UsageError:
        return None


def _platforms(sources: Sources, beside: Side | None = None) -> tuple[Platform, ...]:
    """Return the platforms that an image is asked for: what the other side is for goes before this machine's."""
    if beside is None:
        return sources.platforms
    own = beside.lock.lock.platforms if beside.lock is not None else ()
    known = (beside.platform,) if beside.platform is not None else ()
    return tuple(dict.fromkeys((*known, *own, *sources.platforms)))
