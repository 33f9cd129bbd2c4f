"""What a pyproject.toml asks for: dependencies, extras (PEP 621) and dependency groups (PEP 735), written out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from envlock.errors import UsageError


def project_requirements(
    document: Mapping[str, Any], groups: Sequence[str], extras: Sequence[str], where: str
) -> tuple[str, ...]:
    """Return the PEP 508 requirements of [project], of the extras and of the groups, self-references resolved.

    Raises UsageError (`unknown-group`, `unknown-extra`, `bad-pyproject`).
    """
    project = _table(document, "project", where)
    rows = _strings(project.get("dependencies", []), f"{where}: project.dependencies")
    for extra in extras:
        rows += _extra(project, extra, where, ())
    tables = _table(document, "dependency-groups", where)
    for group in groups:
        rows += _group(tables, group, where, ())
    return tuple(dict.fromkeys(_without_itself(rows, project, where)))


def _table(document: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, Mapping):
        raise UsageError("bad-pyproject", f"{key} is not a table.", where=where)
    return table


def _strings(rows: Any, where: str) -> list[str]:
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise UsageError("bad-pyproject", "Requirements are not a list of strings.", where=where)
    return list(rows)


def _normalised(table: Mapping[str, Any], name: str) -> Any:
    from packaging.utils import canonicalize_name

    return next((value for key, value in table.items() if canonicalize_name(key) == canonicalize_name(name)), None)


def _extra(project: Mapping[str, Any], extra: str, where: str, above: tuple[str, ...]) -> list[str]:
    tables = project.get("optional-dependencies", {})
    rows = _normalised(tables, extra)
    if rows is None:
        raise unknown("extra", extra, tables, where)
    if extra in above:
        return []
    listed = _strings(rows, f"{where}: project.optional-dependencies.{extra}")
    return list(_without_itself(listed, project, where, (*above, extra)))


def _without_itself(
    rows: Iterable[str], project: Mapping[str, Any], where: str, above: tuple[str, ...] = ()
) -> Iterator[str]:
    """Put what an extra asks for in place of the project's requirement of itself, such as `churn[gpu]`."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    own = canonicalize_name(str(project.get("name", "")))
    for text in rows:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(
                "bad-requirement",
                f"{text!r} is not a PEP 508 requirement.",
                where=where,
                found=str(error).partition("\n")[0],
            ) from None
        if not own or canonicalize_name(requirement.name) != own or requirement.url:
            yield text
            continue
        for extra in sorted(requirement.extras):
            yield from _extra(project, extra, where, above)


def _group(tables: Mapping[str, Any], group: str, where: str, above: tuple[str, ...]) -> list[str]:
    from packaging.utils import canonicalize_name

    rows = _normalised(tables, group)
    if rows is None:
        raise unknown("group", group, tables, where)
    name = str(canonicalize_name(group))
    if name in above:
        raise UsageError(
            "bad-pyproject", f"Dependency group {group!r} includes itself.", where=where, found=" → ".join(above)
        )
    listed: list[str] = []
    for row in rows:
        if isinstance(row, Mapping) and isinstance(row.get("include-group"), str):
            listed += _group(tables, row["include-group"], where, (*above, name))
        else:
            listed += _strings([row], f"{where}: dependency-groups.{group}")
    return listed


def unknown(what: str, name: str, known: Iterable[str], where: str) -> UsageError:
    """Return the error of a group or an extra that is not there, with the nearest name."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return UsageError(
        f"unknown-{what}",
        f"There is no {what} {name!r}.",
        where=where,
        expected="one of: " + ", ".join(names) if names else "",
        found=name,
        hint=f"Did you mean {near[0]!r}?" if near else "",
    )
