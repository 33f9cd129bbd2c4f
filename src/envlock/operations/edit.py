"""`envlock add` and `envlock remove`: the manifest's text with other requirements, every comment kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from envlock.errors import UsageError
from envlock.model.manifest import FILENAME
from envlock.model.manifest_parser import find_manifest, parse_manifest, read_document

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from tomlkit import TOMLDocument


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest with other requirements, not written yet."""

    path: Path
    before: bytes
    after: bytes
    env: str
    """The table that was edited."""
    affected: tuple[str, ...]
    """The environments to lock again: that one, or those that extend it."""
    changes: tuple[str, ...]
    """What was done, a line each."""


def add_requirements(start: Path, env: str | None, requirements: Sequence[str], *, framework: bool) -> Edit:
    """Put requirements into an environment of the nearest manifest; one of the same project is replaced.

    `framework` puts them among what decides the results; a project that is there already stays there.
    Raises UsageError (`bad-requirement`, `which-env`, `unknown-env`, `bad-manifest`).
    """
    wanted = [_parsed(text) for text in requirements]
    path, before, document, tables = _open(start)
    name = _chosen(tables, env, path)
    changes = [_put(tables[name], requirement, framework=framework) for requirement in wanted]
    return _edit(path, before, document, name, [change for change in changes if change])


def remove_requirements(start: Path, env: str | None, names: Sequence[str]) -> Edit:
    """Take projects out of an environment of the nearest manifest; UsageError (`no-such-requirement`)."""
    path, before, document, tables = _open(start)
    name = _chosen(tables, env, path)
    changes = [line for project in names for line in _drop(tables[name], project, f"{path.name}: env.{name}")]
    return _edit(path, before, document, name, changes)


def _parsed(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            "bad-requirement",
            f"{text!r} is not a PEP 508 requirement.",
            expected='such as pandas, "numpy>=1.26" or "jax[cuda12]==0.4.30"',
            found=str(error).partition("\n")[0],
        ) from None


def _open(start: Path) -> tuple[Path, bytes, TOMLDocument, Any]:
    """Return the manifest's path, bytes and document, and its table of environments."""
    import tomlkit

    path = find_manifest(start).path
    before = path.read_bytes()
    document = tomlkit.parse(before.decode("utf-8"))
    table: Any = document if path.name == FILENAME else document["tool"]["envlock"]
    return path, before, document, table["env"]


def _chosen(tables: Any, env: str | None, path: Path) -> str:
    locked: list[str] = sorted(name for name in tables if not tables[name].get("abstract", False))
    if env is None and len(locked) == 1:
        return locked[0]
    names = ", ".join(sorted(tables))
    if env is None:
        raise UsageError(
            "which-env", "The manifest has several environments.", expected=f"one of: {names}", hint="Name it: --env"
        )
    if env not in tables:
        near = difflib.get_close_matches(env, tables, 1)
        raise UsageError(
            "unknown-env",
            f"The manifest has no environment {env!r}.",
            where=path.name,
            expected=f"one of: {names}",
            found=env,
            hint=f"Did you mean {near[0]!r}?" if near else "",
        )
    return env


def _put(table: Any, requirement: Requirement, *, framework: bool) -> str:
    """Add or replace one requirement; return what was done, or nothing where it is there already."""
    text = str(requirement)
    old = _framework_key(table, requirement.name)
    if framework or old is not None:
        if requirement.extras or requirement.marker or requirement.url:
            raise UsageError(
                "bad-requirement",
                "A framework is a project and a version specifier.",
                expected='such as "tensorflow==2.5.0"',
                found=text,
                hint="Leave --framework out." if framework else "Remove the framework first, then add this.",
            )
        return _put_framework(table, requirement, old)
    rows = table.get("dependencies")
    if rows is None:
        table["dependencies"] = rows = _new_array()
    for place, row in enumerate(rows):
        other = _parsed(str(row))
        if _same_project(other.name, requirement.name) and other.marker == requirement.marker:
            if str(row) == text:
                return ""
            rows[place] = text
            return f"{row} → {text}"
    rows.insert(_place(rows, text), text)
    return f"added {text}"


def _put_framework(table: Any, requirement: Requirement, old: str | None) -> str:
    import tomlkit

    text = str(requirement.specifier)
    before = table["frameworks"][old] if old is not None else None
    if before == text:
        return ""
    if "frameworks" not in table:
        table["frameworks"] = tomlkit.inline_table()
    table["frameworks"][old or requirement.name] = text
    for place in _places(table.get("dependencies", ()), requirement.name):
        del table["dependencies"][place]
    said = f"{requirement.name}{text}"
    return f"added framework {said}" if before is None else f"{old}{before} → {said}"


def _drop(table: Any, project: str, where: str) -> list[str]:
    rows = table.get("dependencies", [])
    lines = []
    for place in _places(rows, project):
        lines.append(f"removed {rows[place]}")
        del rows[place]
    key = _framework_key(table, project)
    if key is not None:
        lines.append(f"removed framework {key}{table['frameworks'][key]}")
        del table["frameworks"][key]
        if not table["frameworks"]:
            del table["frameworks"]
    if "dependencies" in table and not rows:
        del table["dependencies"]
    if lines:
        return lines
    known = sorted({*(_parsed(str(row)).name for row in rows), *table.get("frameworks", ())})
    near = difflib.get_close_matches(project, known, 1)
    sources = table.get("from", ())
    named = ", ".join([sources] if isinstance(sources, str) else sources)
    raise UsageError(
        "no-such-requirement",
        f"{project!r} is not among the dependencies and frameworks of the environment.",
        where=where,
        expected="one of: " + ", ".join(known) if known else "",
        found=project,
        hint=f"Did you mean {near[0]!r}?" if near else f"Look into {named}." if named else "",
    )


def _same_project(first: str, second: str) -> bool:
    from packaging.utils import canonicalize_name

    return canonicalize_name(first) == canonicalize_name(second)


def _framework_key(table: Any, project: str) -> str | None:
    return next((key for key in table.get("frameworks", ()) if _same_project(key, project)), None)


def _places(rows: Iterable[Any], project: str) -> list[int]:
    """Return where a project stands in a list, the last place first."""
    return [place for place, row in enumerate(rows) if _same_project(_parsed(str(row)).name, project)][::-1]


def _new_array() -> Any:
    import tomlkit

    return tomlkit.array().multiline(multiline=True)


def _place(rows: Any, text: str) -> int:
    """Return where a new row belongs: in order where the list is in order, which also keeps git's merges apart.

    A comment on a line of its own speaks of the row below it; nothing is put between the two.
    """
    texts = [str(row).lower() for row in rows]
    if texts != sorted(texts) or re.search(r"^\s*#", rows.as_string(), re.MULTILINE):
        return len(texts)
    return sum(row < text.lower() for row in texts)


def _edit(path: Path, before: bytes, document: TOMLDocument, name: str, changes: Sequence[str]) -> Edit:
    """Check the edited text as a manifest."""
    text = document.as_string()
    edited = read_document(text.encode(), path.name)
    top = edited if path.name == FILENAME else edited["tool"]["envlock"]
    manifest = parse_manifest(path, top)
    tables = {
        env: table
        | {"extends": [table["extends"]] if isinstance(table.get("extends"), str) else table.get("extends", [])}
        for env, table in top["env"].items()
    }
    affected = tuple(sorted(env for env in manifest.environments if name == env or _extends(tables, env, name)))
    return Edit(path=path, before=before, after=text.encode(), env=name, affected=affected, changes=tuple(changes))


def _extends(tables: dict[str, Any], env: str, other: str) -> bool:
    return any(parent == other or _extends(tables, parent, other) for parent in tables[env]["extends"])
