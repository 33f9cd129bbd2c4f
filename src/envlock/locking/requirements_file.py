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
    rows = set()
    for mark, line in _walk(path, where, (), ""):
        kept = _CREDENTIALS.sub("", _HASH.sub("", line))
        rows.add(mark + (kept if kept.startswith("-") else canonical_requirement(kept)))
    return sorted(rows)


def requirement_hashes(path: Path, where: str) -> tuple[AllowedHash, ...]:
    """Return the hashes that exact requirements of a file, and of those it includes, are given (`--hash`).

    Raises UsageError (`no-requirements`) calling the file `where`.
    """
    rows: dict[AllowedHash, None] = {}
    for _, line in _walk(path, where, (), ""):
        pin = _PIN.fullmatch(_HASH.sub("", line).strip())
        if pin is not None:
            digests = [text.strip().removeprefix("--hash").lstrip("= \t") for text in _HASH.findall(line)]
            rows |= dict.fromkeys(allowed(pin[1], pin[2], digests, where))
    return tuple(rows)


def _walk(path: Path, where: str, above: tuple[Path, ...], mark: str) -> Iterator[tuple[str, str]]:
    """Yield (`-c ` for a constraint, line) of a file, its includes in place; those of each other end."""
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
            yield mark, line
            continue
        inner = path.parent / found[2]
        if inner.resolve() not in (*(one.resolve() for one in above), path.resolve()):
            constraint = found[1] in ("-c", "--constraint")
            yield from _walk(inner, found[2], (*above, path), "-c " if constraint else mark)


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
