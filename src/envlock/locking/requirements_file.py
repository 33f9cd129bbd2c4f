"""Requirements files as pip and uv read them, written out: includes in place, no comments, no hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from envlock.errors import UsageError
from envlock.locking.allowed_hashes import AllowedHash, allowed

_COMMENT = re.compile(r"(^|\s+)#.*$", re.MULTILINE)
_INCLUDE = re.compile(r"(-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S+)")
_HASH = re.compile(r"\s+--hash[=\s]\S+")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\]\s*)?==\s*([^\s;,]+)[^,]*")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


def included_files(text: str) -> list[str]:
    """Return the files that a requirements file includes, as it names them."""
    return [found[2] for line in _lines(text) if (found := _INCLUDE.fullmatch(line))]


def written_out(path: Path, where: str) -> list[str]:
    """Return every requirement canonically, constraints after `-c `, other options as they stand; sorted.

    Raises UsageError (`no-requirements`) calling the file `where`.
    """
    return sorted(set(_written_out(path, where, (), "")))


def _written_out(path: Path, where: str, above: tuple[Path, ...], mark: str) -> Iterator[str]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(
            "no-requirements", f"The requirements cannot be read: {error.strerror}.", where=where
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError("bad-requirements", "The requirements are not UTF-8.", where=where, found=str(error)) from None
    for line in _lines(text):
        found = _INCLUDE.fullmatch(line)
        if found is None:
            kept = _CREDENTIALS.sub("", _HASH.sub("", line))
            yield mark + (kept if kept.startswith("-") else canonical_requirement(kept))
            continue
        inner = path.parent / found[2]
        if inner.resolve() not in (*(one.resolve() for one in above), path.resolve()):
            constraint = found[1] in ("-c", "--constraint")
            yield from _written_out(inner, found[2], (*above, path), "-c " if constraint else mark)


def requirement_hashes(path: Path, where: str) -> tuple[AllowedHash, ...]:
    """Return the hashes that exact requirements of a file, and of those it includes, are given (`--hash`)."""
    return tuple(dict.fromkeys(_requirement_hashes(path, where, ())))


def _requirement_hashes(path: Path, where: str, above: tuple[Path, ...]) -> Iterator[AllowedHash]:
    try:
        lines = list(_lines(path.read_text("utf-8-sig")))
    except (OSError, UnicodeDecodeError):
        return  # `written_out` and the resolver say so
    for line in lines:
        found = _INCLUDE.fullmatch(line)
        if found is not None and (path.parent / found[2]).resolve() not in above:
            yield from _requirement_hashes(path.parent / found[2], where, (*above, path.resolve()))
        pin = _PIN.fullmatch(_HASH.sub("", line).strip())
        if pin is not None:
            digests = [text.strip().removeprefix("--hash").lstrip("= \t") for text in _HASH.findall(line)]
            yield from allowed(pin[1], pin[2], digests, where)


def _lines(text: str) -> Iterator[str]:
    for line in _COMMENT.sub("", text).replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip()


def canonical_requirement(text: str) -> str:
    """Return a PEP 508 requirement in one spelling, without `; `; what is none comes back as it is."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    extras = f"[{','.join(sorted(map(canonicalize_name, requirement.extras)))}]" if requirement.extras else ""
    source = f" @ {requirement.url} " if requirement.url else str(requirement.specifier)
    marker = f";{requirement.marker}" if requirement.marker else ""
    return (canonicalize_name(requirement.name) + extras + source + marker).strip()
