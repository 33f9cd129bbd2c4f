"""Judges a wheel that was built here: is it the one asked for, and does it run on its base?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_version, parse_wheel_filename

from envlock.errors import EnvlockError, UsageError
from envlock.formats.contents import verify_wheel
from envlock.formats.elf import Elf, read_elf
from envlock.formats.tags import target_tags
from envlock.formats.wheel import WheelEntry, WheelFile, open_wheel
from envlock.model.edges import Metadata
from envlock.model.platform import Platform

_LIBRARY_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib")
_OWN = ("$ORIGIN", "${ORIGIN}")


def check(wheel: Path, *, name: str, version: str, python: str, glibc: str, platform: Platform, base: Path) -> None:
    """Raise UsageError (`wheel-unfit`) unless the wheel is `name` at `version` and fits its target.

    Every file is read and compared with RECORD. Each library that an extension needs must be in the wheel or in the
    root `base`, and no run path may lead out of the wheel. `python` is a feature version, `glibc` the base's.
    """
    try:
        found_name, found_version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise _unfit(wheel.name, "its file name is none of a wheel's", str(error)) from None
    found = f"{found_name} {found_version}"
    if (found_name, canonicalize_version(found_version)) != (name, canonicalize_version(version)):
        raise _unfit(wheel.name, "it is another distribution", found, f"{name} {version}")
    if tags.isdisjoint(target_tags(python, platform, glibc)):
        raise _unfit(wheel.name, f"its tags do not fit CPython {python} on {platform}, glibc {glibc}", wheel.name)
    with open_wheel(wheel) as opened:
        verify_wheel(opened)
        libraries = list(_libraries(opened))
    brought = {entry.path.rpartition("/")[2] for entry, _ in libraries} | {elf.soname for _, elf in libraries}
    for entry, elf in libraries:
        problem = _problem(elf, platform, glibc, brought, base)
        if problem:
            raise _unfit(wheel.name, f"{entry.path} {problem[0]}", problem[1], problem[2])


def _libraries(wheel: WheelFile) -> Iterator[tuple[WheelEntry, Elf]]:
    for entry in wheel.entries:
        if next(wheel.chunks(entry), b"")[:4] == b"\x7fELF":
            body = wheel.read(entry)
            try:
                elf = read_elf(lambda offset, size, body=body: body[offset : offset + size])  # type: ignore[misc]
            except ValueError as error:
                raise _unfit(wheel.filename, f"{entry.path} cannot be read", str(error)) from None
            if elf is not None:
                yield entry, elf


def _problem(elf: Elf, platform: Platform, glibc: str, brought: set[str], base: Path) -> tuple[str, str, str] | None:
    if elf.machine != platform.machine:
        return "is for another machine", elf.machine, platform.machine
    outside = [part for part in elf.runpath.split(":") if part and not part.startswith(_OWN)]
    if outside:
        return "looks for libraries where only the machine that built it has them", elf.runpath, "no run path"
    if elf.glibc > tuple(int(part) for part in glibc.split(".")):
        return "needs a newer glibc", ".".join(str(part) for part in elf.glibc), f"at most {glibc}"
    missing = [name for name in elf.needed if name not in brought and not _has_library(base, name, platform)]
    if missing:
        return "needs libraries that the base does not have", ", ".join(missing), "libraries of the recipe's packages"
    return None


def _has_library(base: Path, name: str, platform: Platform) -> bool:
    folders = [*_LIBRARY_FOLDERS, f"lib/{platform.multiarch}", f"usr/lib/{platform.multiarch}"]
    return any(os.path.lexists(base / folder / name) for folder in folders)


def _unfit(wheel: str, why: str, found: str, expected: str = "") -> EnvlockError:
    return UsageError(
        "wheel-unfit",
        f"The wheel that was built does not fit: {why}.",
        where=wheel,
        expected=expected,
        found=found,
        hint="Add what is missing to the recipe's packages, or lock a version that has a wheel.",
    )


def metadata_of(wheel: Path) -> Metadata:
    """Return what a wheel says it requires, in the spelling of PEP 508.

    Raises UsageError (`wheel-unfit`) where a requirement of it cannot be read.
    """
    from packaging.metadata import parse_email
    from packaging.requirements import InvalidRequirement, Requirement

    with open_wheel(wheel) as opened:
        raw, _ = parse_email(opened.metadata_file("METADATA") or b"")
    try:
        requires = [str(Requirement(text)) for text in raw.get("requires_dist", [])]
    except InvalidRequirement as error:
        raise _unfit(wheel.name, "a requirement of it cannot be read", str(error).partition("\n")[0]) from None
    name, version, *_ = parse_wheel_filename(wheel.name)
    return Metadata(
        name=str(name),
        version=str(version),
        requires_dist=tuple(requires),
        requires_python=raw.get("requires_python"),
        provides_extra=tuple(raw.get("provides_extra", [])),
    )
