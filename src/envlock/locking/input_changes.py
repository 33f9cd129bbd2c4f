"""What changed between the inputs that a lock was made from and those of now, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from envlock.locking.inputs import LIST

_WORDS = ("platforms", "frameworks", "groups", "extras", "as-of-packages")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(-c )?[A-Za-z0-9][A-Za-z0-9._-]*")


def changed_inputs(locked: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Return a line for each thing that was added, removed or changed since the lock was made, sorted by input."""
    lines = []
    for name in sorted({*locked, *current}):
        old, new = locked.get(name), current.get(name)
        if old != new:
            lines += [f"{name}: {said}" for said in _said(name, old, new)]
    return lines


def _said(name: str, old: str | None, new: str | None) -> Iterator[str]:
    if old is not None and new is not None and _DIGEST.fullmatch(old) and _DIGEST.fullmatch(new):
        yield "its content changed"
    elif _is_table(old) and _is_table(new):
        yield from _tables(_flat(json.loads(old or "{}")), _flat(json.loads(new or "{}")))
    elif _is_list(name) and old is not None and new is not None and _DIGEST.fullmatch(old) is None:
        separator = " " if name in _WORDS else LIST
        yield from _lists(old.split(separator), new.split(separator)) or ("its order changed",)
    elif old is None:
        yield "added" if _DIGEST.fullmatch(new or "") else f"added, {new}"
    elif new is None:
        yield "removed" if _DIGEST.fullmatch(old) else f"removed, was {old}"
    else:
        yield f"{old} → {new}"


def _is_list(name: str) -> bool:
    return name in ("requirements", "constraints", "overrides", *_WORDS) or name.startswith("from ")


def _is_table(text: str | None) -> bool:
    return text is not None and text.startswith("{")


def _lists(old: list[str], new: list[str]) -> tuple[str, ...]:
    """Pair what was removed and added of the same project; a change of its version is one line."""
    gone, come = ([row for row in rows if row and row not in others] for rows, others in ((old, new), (new, old)))
    projects = {_project(row) for row in gone} & {_project(row) for row in come}
    lines = []
    for project in sorted(projects):
        before, after = ([row for row in rows if _project(row) == project] for rows in (gone, come))
        lines.append(f"{' and '.join(before)} → {' and '.join(after)}")
    lines += [f"removed {row}" for row in gone if _project(row) not in projects]
    lines += [f"added {row}" for row in come if _project(row) not in projects]
    return tuple(lines)


def _project(requirement: str) -> str:
    found = _NAME.match(requirement)
    return found[0] if found else requirement


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {path: json.dumps(value, ensure_ascii=False) if isinstance(value, (list, bool)) else str(value)}
    return {
        key: text for name, inner in value.items() for key, text in _flat(inner, f"{path}.{name}".strip(".")).items()
    }


def _tables(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before in (None, "None"):
            if after not in (None, "None"):
                yield f"added {key} = {after}"
        elif after in (None, "None"):
            yield f"removed {key}, was {before}"
        elif before != after:
            yield f"{key}: {before} → {after}"
