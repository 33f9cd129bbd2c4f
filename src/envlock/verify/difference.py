"""Compares two locks and ranks what differs by what it does to results."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envlock.model.change import Change, Difference, change_of
from envlock.model.finding import IMPACTS
from envlock.model.influence import PYTHON_RANK, influence_of
from envlock.model.lock import Lock, LockFile, Package
from envlock.verify.hardware_changes import hardware_changes
from envlock.verify.image_changes import image_changes
from envlock.verify.known import facts_of
from envlock.verify.settings_changes import settings_changes

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_LOCK_RANK = 90


def compare_locks(before: LockFile, after: LockFile, *, before_name: str, after_name: str) -> Difference:
    """Return what changes from one lock to the other, the most consequential first."""
    old, new = before.lock, after.lock
    changes = [
        *_packages(old, new),
        *hardware_changes(old, new),
        *_python(old, new),
        *settings_changes(old, new),
        *image_changes(old, new),
        *_rest(old, new),
    ]
    changes.sort(key=lambda c: (IMPACTS.index(c.impact), c.rank, c.area, c.subject))
    changed = {
        change.subject
        for change in changes
        if change.area in ("framework", "numerics", "accelerator", "model", "package")
    }
    return Difference(
        before=before_name,
        after=after_name,
        before_digest=before.digest,
        after_digest=after.digest,
        changes=tuple(changes),
        unchanged_packages=sum(package.name not in changed for package in new.packages),
    )


def _packages(old: Lock, new: Lock) -> Iterator[Change]:
    was, now = _by_name(old), _by_name(new)
    frameworks = (*old.frameworks, *new.frameworks)
    asked = _asked_for(new)
    moved = f", as of {_day(old)} → {_day(new)}" if old.as_of != new.as_of else ""
    steps = {name: (_versions(was.get(name, [])), _versions(now.get(name, []))) for name in sorted({*was, *now})}
    facts = facts_of({name: step for name, step in steps.items() if all(step) and step[0] != step[1]})
    for name, (one, other) in steps.items():
        rebuilt = one == other and _wheels(was[name]) != _wheels(now[name])
        if one == other and not rebuilt:
            continue
        influence = influence_of(name, frameworks)
        why = "The same version, from another wheel." if rebuilt else influence.why
        if name in new.frameworks:
            brought = "locked as a framework"
        elif name in asked:
            brought = f"asked for: {asked[name]}"
        else:
            brought = f"a dependency{moved}" if other else ""
        yield Change(
            area=influence.area,  # type: ignore[arg-type]  # areas of packages are areas
            kind="rebuilt" if rebuilt else "added" if not one else "removed" if not other else "changed",
            impact=influence.impact,
            subject=name,
            before=one,
            after=other,
            why=why,
            facts=facts.get(name, ()),
            brought_by=brought,
            rank=influence.rank,
        )


def _by_name(lock: Lock) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in lock.packages:
        found.setdefault(package.name, []).append(package)
    return found


def _versions(packages: list[Package]) -> str:
    return " and ".join(dict.fromkeys(package.version for package in packages))


def _wheels(packages: list[Package]) -> set[str]:
    return {wheel.sha256 for package in packages for wheel in package.wheels}


def _day(lock: Lock) -> str:
    return (lock.as_of or "today")[:10]


def _asked_for(lock: Lock) -> dict[str, str]:
    """Return the requirements of the manifest by normalised name."""
    found = {}
    for text in lock.inputs.get("requirements", "").split("; "):
        if match := _NAME.match(text):
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = text.strip()
    return found


def _python(old: Lock, new: Lock) -> Iterator[Change]:
    if old.python != new.python:
        why = "Other wheels are installed, and the standard library differs; no numpy result was seen to differ."
        yield change_of("python", "python", old.python, new.python, why, "results", PYTHON_RANK)
    one, other = (lock.base.python if lock.base else "" for lock in (old, new))
    if old.python == new.python and one != other and one and other:
        why = "Patch releases fix bugs, rarely ones that change numbers."
        yield change_of("python", "python", one, other, why, "compat", PYTHON_RANK)
    platforms = [", ".join(map(str, lock.platforms)) for lock in (old, new)]
    if platforms[0] != platforms[1]:
        why = "Another platform has other wheels with other kernels."
        yield change_of("python", "platforms", platforms[0], platforms[1], why, "results", PYTHON_RANK)


def _rest(old: Lock, new: Lock) -> Iterator[Change]:
    if old.policy != new.policy:
        why = "What verify calls an error."
        yield change_of("lock", "policy", old.policy, new.policy, why, "compat", _LOCK_RANK)
    if old.as_of != new.as_of:
        why = "Releases uploaded later do not exist for the resolver."
        yield change_of("lock", "as-of", old.as_of or "none", new.as_of or "none", why, "cosmetic", _LOCK_RANK)
    if old.frameworks != new.frameworks:
        why = "Which packages are told first."
        lists = [", ".join(lock.frameworks) or "none" for lock in (old, new)]
        yield change_of("lock", "frameworks", lists[0], lists[1], why, "cosmetic", _LOCK_RANK)
    if old.urls != new.urls:
        why = "Whether the lock keeps URLs; the files are the same."
        yield change_of("lock", "urls", old.urls, new.urls, why, "cosmetic", _LOCK_RANK)
