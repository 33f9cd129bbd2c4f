"""`extends`: one table of the manifest out of an environment's own and those that it builds on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from envlock.errors import UsageError, did_you_mean

_REQUIREMENTS = ("from", "groups", "extras", "dependencies", "constraints", "overrides", "inputs")
_ADDED = (*_REQUIREMENTS, "os-packages", "run", "include", "waivers")
"""Lists to which a nearer table adds; it replaces any other one."""
_BY_PROJECT = ("frameworks", "as-of-packages")
_OWN = ("extends", "abstract")
"""What says something of one table alone."""


def merged(tables: Mapping[str, dict[str, Any]], name: str, where: str) -> dict[str, Any]:
    """Return the table of an environment with everything it extends merged in.

    Scalars of the nearer table win, of two parents the later one's; tables merge by key; lists of requirements are the
    parents' and then the own ones, each once. `where` names the manifest. Raises UsageError (`extends-cycle`,
    `unknown-env`).
    """
    return _merged(tables, name, where, ())


def _merged(tables: Mapping[str, dict[str, Any]], name: str, where: str, below: tuple[str, ...]) -> dict[str, Any]:
    if name in below:
        circle = (*below[below.index(name) :], name)
        raise UsageError(
            "extends-cycle",
            f"Environment {name!r} extends itself.",
            where=f"{where}: env.{below[-1]}.extends",
            found=" → ".join(circle),
            hint="Take one of these out of an `extends`.",
        )
    table = tables[name]
    result: dict[str, Any] = {}
    for parent in table.get("extends", ()):
        if parent not in tables:
            raise UsageError(
                "unknown-env",
                f"Environment {name!r} extends {parent!r}, which is not there.",
                where=f"{where}: env.{name}.extends",
                expected="one of: " + ", ".join(sorted(set(tables) - {name})),
                found=parent,
                hint=did_you_mean(parent, tables),
            )
        inherited = _merged(tables, parent, where, (*below, name))
        result = _over(result, {key: value for key, value in inherited.items() if key not in _OWN})
    return _over(result, table)


def _over(far: Mapping[str, Any], near: Mapping[str, Any]) -> dict[str, Any]:
    """Return `far` with `near` laid over it."""
    result = dict(far)
    if "entrypoint" in near:  # as in a Dockerfile: arguments of one program are none of another
        result.pop("cmd", None)
    for key, value in near.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = _by_project(old, value) if key in _BY_PROJECT else _over(old, value)
        elif key in _ADDED and isinstance(old, list):
            result[key] = _each_once([*old, *value])
        else:
            result[key] = value
    return result


def _each_once(rows: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for row in rows:  # which may be tables: waivers
        if row not in found:
            found.append(row)
    return found


def _by_project(far: Mapping[str, Any], near: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table of projects over another one: PyYAML and pyyaml are the same project."""
    from packaging.utils import canonicalize_name

    named = {canonicalize_name(name) for name in near}
    return {name: value for name, value in far.items() if canonicalize_name(name) not in named} | dict(near)
