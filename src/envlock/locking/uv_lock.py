"""uv.lock: what its project asks for, and the version of everything that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.locking.pyproject import unknown

_PROJECT = ("virtual", "editable")


class UvLock(msgspec.Struct, frozen=True, kw_only=True):
    """A uv.lock in PEP 508."""

    roots: tuple[str, ...]
    pins: tuple[str, ...]
    overrides: tuple[str, ...] = ()


def read_uv_lock(document: Mapping[str, Any], groups: Sequence[str], extras: Sequence[str], where: str) -> UvLock:
    """Return the roots of the lock's project with these groups and extras, and every pin; UsageError (`bad-uv-lock`).

    Packages that are not from an index get no pin.
    """
    if document.get("version") != 1:
        raise UsageError(
            "bad-uv-lock", "This version of uv.lock is not known.", where=where, found=str(document.get("version"))
        )
    try:
        packages = document.get("package", [])
        projects = [p for p in packages if any(key in p.get("source", {}) for key in _PROJECT)]
        root = [p for p in projects if "." in p["source"].values()] or projects
        overrides = document.get("manifest", {}).get("overrides", [])
        return UvLock(
            roots=_roots(root, groups, extras, where),
            pins=tuple(sorted(pin for package in packages for pin in _pin(package))),
            overrides=tuple(sorted(_requirement(row) for row in overrides)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            "bad-uv-lock", "This is not as uv writes its lock.", where=where, found=str(error), hint="Run `uv lock`."
        ) from None


def _roots(
    projects: Sequence[Mapping[str, Any]], groups: Sequence[str], extras: Sequence[str], where: str
) -> tuple[str, ...]:
    own = {project["name"] for project in projects}
    rows = [row for project in projects for row in project.get("dependencies", [])]
    for what, table, names in (
        ("extra", "optional-dependencies", extras),
        ("group", "dev-dependencies", groups),
    ):
        tables = [project.get(table, {}) for project in projects]
        for name in names:
            if not any(name in known for known in tables):
                raise unknown(what, name, {key for known in tables for key in known}, where)
            rows += [row for known in tables for row in known.get(name, [])]
    return tuple(sorted({_requirement(row) for row in rows if row["name"] not in own}))


def _requirement(row: Mapping[str, Any]) -> str:
    extras = row.get("extra") or row.get("extras") or ()
    text = row["name"] + (f"[{','.join(sorted(extras))}]" if extras else "") + row.get("specifier", "")
    return f"{text} ; {row['marker']}" if "marker" in row else text


def _pin(package: Mapping[str, Any]) -> Iterable[str]:
    if "registry" not in package.get("source", {}):
        return
    markers = package.get("resolution-markers", ())
    condition = " or ".join(f"({marker})" if len(markers) > 1 else marker for marker in markers)
    text = f"{package['name']}=={package['version']}"
    yield f"{text} ; {condition}" if condition else text
