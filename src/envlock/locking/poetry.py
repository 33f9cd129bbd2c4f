"""Poetry's own words in PEP 508: carets and tildes, its dependency tables, poetry.lock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envlock.errors import UsageError
from envlock.locking.pyproject import project_requirements, unknown

_NUMBER = re.compile(r"\d+(\.\d+)*")
_FIXED = ("git", "path", "url", "file")


def poetry_pins(document: Mapping[str, Any], python: str) -> tuple[str, ...]:
    """Return poetry.lock's packages as constraints; of one that is there twice, those that fit `python` (3.9).

    A package that Poetry took from elsewhere than an index gets no pin.
    """
    from packaging.specifiers import SpecifierSet

    rows: dict[str, list[tuple[str, str]]] = {}
    for package in document.get("package", []):
        if package.get("source", {}).get("type", "legacy") != "legacy":
            continue
        if not SpecifierSet(_specifiers(package.get("python-versions", "*"))).contains(f"{python}.99"):
            continue
        rows.setdefault(package["name"], []).append((package["version"], _lock_marker(package)))
    pins = []
    for name, versions in rows.items():
        if len({version for version, _ in versions}) == 1:
            pins.append(f"{name}=={versions[0][0]}")
        else:
            pins += [f"{name}=={version} ; {marker}" for version, marker in versions if marker]
    return tuple(sorted(pins))


def _lock_marker(package: Mapping[str, Any]) -> str:
    """Return the marker of a package, of its main group where it has several (lock version 2.1)."""
    markers = package.get("markers", "")
    return str(markers.get("main", "") if isinstance(markers, Mapping) else markers)


def poetry_roots(
    lock: Mapping[str, Any],
    pyproject: Mapping[str, Any] | None,
    groups: Sequence[str],
    extras: Sequence[str],
    where: str,
) -> tuple[str, ...]:
    """Return what the project itself asks for; without its pyproject.toml every package of the main group."""
    if pyproject is None:
        main = (p for p in lock.get("package", []) if "main" in p.get("groups", ["main"]) and not p.get("optional"))
        return tuple(sorted({f"{p['name']} ; {_lock_marker(p)}" if _lock_marker(p) else p["name"] for p in main}))
    poetry = pyproject.get("tool", {}).get("poetry", {})
    rows: list[str] = []
    own_groups = poetry.get("group", {})
    if "dependencies" in pyproject.get("project", {}):
        standard = tuple(group for group in groups if group not in own_groups)
        rows += project_requirements(pyproject, standard, extras, where)
    else:
        rows += _main_table(poetry, extras, where)
        missing = [group for group in groups if group not in own_groups]
        if missing:
            raise unknown("group", missing[0], own_groups, where)
    for group in groups:
        if group in own_groups:
            for name, wanted in own_groups[group].get("dependencies", {}).items():
                rows += requirements_of(name, wanted, where)
    return tuple(dict.fromkeys(rows))


def _main_table(poetry: Mapping[str, Any], extras: Sequence[str], where: str) -> Iterator[str]:
    tables = poetry.get("extras", {})
    for extra in extras:
        if extra not in tables:
            raise unknown("extra", extra, tables, where)
    asked = {name for extra in extras for name in tables[extra]}
    for name, wanted in poetry.get("dependencies", {}).items():
        optional = isinstance(wanted, Mapping) and wanted.get("optional", False)
        if name != "python" and (not optional or name in asked):
            yield from requirements_of(name, wanted, where)


def requirements_of(name: str, wanted: Any, where: str) -> Iterator[str]:
    """Yield one dependency of a Poetry table as PEP 508; UsageError (`unlockable-source`) for what is no release."""
    if isinstance(wanted, list):
        for row in wanted:
            yield from requirements_of(name, row, where)
        return
    table = wanted if isinstance(wanted, Mapping) else {"version": str(wanted)}
    if any(key in table for key in _FIXED):
        raise UsageError(
            "unlockable-source",
            f"{name} does not come from an index, so its release cannot be locked.",
            where=where,
            found=", ".join(key for key in _FIXED if key in table),
            hint='Build a wheel of it, put it into a folder, and name that as an [[index]] with format = "flat".',
        )
    markers = []
    if "python" in table:
        markers += [
            f"python_version {specifier.operator} '{_feature(specifier.version)}'"
            for specifier in _specifier_set(str(table["python"]))
        ]
    if "platform" in table:
        markers.append(f"sys_platform == '{table['platform']}'")
    if "markers" in table:
        markers.append(f"({table['markers']})" if markers else str(table["markers"]))
    extras = f"[{','.join(table['extras'])}]" if table.get("extras") else ""
    text = f"{name}{extras}{_specifiers(str(table.get('version', '*')))}"
    yield f"{text} ; {' and '.join(markers)}" if markers else text


def _specifier_set(text: str) -> list[Any]:
    from packaging.specifiers import SpecifierSet

    return sorted(SpecifierSet(_specifiers(text)), key=str)


def _feature(version: str) -> str:
    parts = version.removesuffix(".*").split(".")
    return ".".join((*parts, "0")[:2])


def _specifiers(text: str) -> str:
    """Translate a Poetry constraint into PEP 440 specifiers; UsageError (`unlockable-source`) for alternatives."""
    if "|" in text:
        raise UsageError(
            "unlockable-source",
            "PEP 440 has no word for alternatives.",
            expected="one range of versions",
            found=text,
        )
    parts = [part for part in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text.strip()) if part]
    return ",".join(filter(None, map(_specifier, parts)))


def _specifier(text: str) -> str:
    text = text.replace(" ", "")
    if text == "*":
        return ""
    if text.startswith("~="):
        return text
    if text[0] in "^~":
        lower = text[1:]
        return f">={lower},<{_next(lower, caret=text[0] == '^')}"
    if text[0] == "=" and text[1] != "=":
        return f"={text}"
    return text if text[0] in "<>=!" else f"=={text}"


def _next(version: str, *, caret: bool) -> str:
    """Return the first version that is too new: ^ fixes the first number that is not zero, ~ the first two."""
    found = _NUMBER.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else [0]
    if caret:
        place = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
    else:
        place = min(1, len(numbers) - 1)
    return ".".join(map(str, [*numbers[:place], numbers[place] + 1]))
