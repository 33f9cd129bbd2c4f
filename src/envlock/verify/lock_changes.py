"""What changes from one lock to another in what was asked for, and in how the lock is kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from envlock.model.change import Change, change_of
from envlock.model.finding import Impact
from envlock.model.lock import Lock

_RANK = 90
_LIST = "; "
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROJECT = re.compile(r"(?:-c )?([A-Za-z0-9][A-Za-z0-9._-]*)")
_TOLD_ELSEWHERE = (
    *("python", "platforms", "frameworks", "as-of", "as-of-packages", "policy", "urls"),
    *("settings", "cuda", "image"),
)
"""Inputs of which the lock holds the outcome, so that it is told by that."""
_ASKED = "What is asked for; the versions that were found for it are told by themselves."
_WHYS = {
    "constraints": "Which versions may be chosen, of what is installed anyway.",
    "overrides": "What is asked for instead of what packages ask for.",
    "groups": _ASKED,
    "extras": _ASKED,
    "recipe": "What the base is resolved from; its packages are told by themselves.",
    "build": "Whether packages without a wheel are built from source.",
    "indexes": "Which index is asked first: files are known by their hashes.",
}


def lock_changes(old: Lock, new: Lock, told: Collection[str]) -> Iterator[Change]:
    """Yield what is left once packages, hardware, settings and the image are told; `told` are subjects that are."""
    yield from _policies(old, new)
    yield from _cutoffs(old, new)
    for name in sorted({*old.inputs, *new.inputs}):
        if name not in _TOLD_ELSEWHERE and not name.startswith("hardware "):
            yield from _input(name, old.inputs.get(name, ""), new.inputs.get(name, ""), told)
    yield from _places(old, new)


def _policies(old: Lock, new: Lock) -> Iterator[Change]:
    yield from _change("policy", old.policy, new.policy, "What verify calls an error.", "compat")
    lists = [", ".join(lock.frameworks) or "none" for lock in (old, new)]
    yield from _change("frameworks", lists[0], lists[1], "Which packages are told first.")
    yield from _change("urls", old.urls, new.urls, "Whether the lock keeps URLs; the files are the same.")


def _cutoffs(old: Lock, new: Lock) -> Iterator[Change]:
    why = "Releases uploaded later do not exist for the resolver."
    yield from _change("as-of", old.as_of or "none", new.as_of or "none", why)
    was, now = old.as_of_packages, new.as_of_packages
    for name in sorted({*was, *now}):
        yield from _change(f"as-of of {name}", was.get(name, ""), now.get(name, ""), why)


def _input(name: str, before: str, after: str, told: Collection[str]) -> Iterator[Change]:
    """Yield the change of one input: of a list of requirements those that changed, and that moved no package."""
    why = _WHYS.get(name, _ASKED)
    if name.startswith("index "):
        yield from _change(name, before, after, "Where packages come from: files are known by their hashes.")
    elif _DIGEST.fullmatch(before) or _DIGEST.fullmatch(after):
        yield from _change(name, before[:12], after[:12], why)
    elif name in ("requirements", "constraints", "overrides") or name.startswith("from "):
        word = {"constraints": "constraint", "overrides": "override"}.get(name, "requirement")
        was, now = _by_project(before), _by_project(after)
        for project in sorted({*was, *now}):
            if word != "requirement" or project not in told:
                yield from _change(f"{word} of {project}", was.get(project, ""), now.get(project, ""), why)
    else:
        yield from _change(name, before, after, why)


def _by_project(text: str) -> dict[str, str]:
    rows: dict[str, list[str]] = {}
    for row in filter(None, text.split(_LIST)):
        match = _PROJECT.match(row)
        rows.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower() if match else row, []).append(row)
    return {project: _LIST.join(found) for project, found in rows.items()}


def _places(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield that the same wheels are named at other hosts, or at none."""
    if old.urls != new.urls:
        return
    was, now = _hosts(old), _hosts(new)
    moved = [sha256 for sha256 in was.keys() & now.keys() if was[sha256] != now[sha256]]
    if moved:
        sides = [", ".join(sorted({hosts[sha256] for sha256 in moved})) for hosts in (was, now)]
        yield from _change("wheels", sides[0], sides[1], "Where they are fetched from: their hashes are the same.")


def _hosts(lock: Lock) -> Mapping[str, str]:
    """Return where each wheel comes from, by its sha256: a host, or `files`."""
    from urllib.parse import urlsplit

    return {
        wheel.sha256: urlsplit(wheel.url).hostname or "" if wheel.url else "files"
        for package in lock.packages
        for wheel in package.wheels
    }


def _change(subject: str, before: str, after: str, why: str, impact: Impact = "cosmetic") -> Iterator[Change]:
    if before != after:
        yield change_of("lock", subject, before, after, why, impact, _RANK)
