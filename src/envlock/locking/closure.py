"""The built-in solver: wanted packages and all they depend on, without negotiation.

A release of Debian is consistent in itself, so nothing has to be weighed: per name there is one candidate (the highest
version over the suites), and per dependency one choice (what is in already, else the first alternative there is).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from envlock.errors import UsageError
from envlock.formats.control import Relation
from envlock.locking.packages import Candidate, PackageIndex


def close(
    index: PackageIndex,
    wanted: Sequence[str],
    *,
    exclude: Collection[str] = (),
    inside: Sequence[Candidate] = (),
    where: str = "",
) -> tuple[Candidate, ...]:
    """Return `wanted` and what it depends on, beyond what is `inside` already, sorted by name.

    `exclude` names packages that count as installed. Raises UsageError (`unknown-package`, `unsatisfiable-package`).
    """
    chosen = {candidate.deb.name: candidate for candidate in inside}
    before = set(chosen)
    queue: deque[Candidate] = deque()

    def choose(candidate: Candidate) -> None:
        if candidate.deb.name not in chosen:
            chosen[candidate.deb.name] = candidate
            queue.append(candidate)

    # What is wanted by name comes first, so that it decides the alternatives of the rest.
    for name in wanted:
        choose(_named(index, name, where))
    while queue:
        candidate = queue.popleft()
        for alternatives in candidate.depends:
            if any(relation.name in exclude for relation in alternatives):
                continue
            if not any(there.satisfies(relation) for relation in alternatives for there in chosen.values()):
                choose(_first(index, alternatives, candidate, exclude))
    return tuple(chosen[name] for name in sorted(chosen) if name not in before)


def _named(index: PackageIndex, name: str, where: str) -> Candidate:
    if name in index:
        return index.candidate(name)
    providers = [candidate.deb.name for candidate in index.providers(Relation(name))]
    raise UsageError(
        "unknown-package",
        f"The suites hold no package {name!r}.",
        where=where,
        expected=f"one of {', '.join(providers[:8])}, which provide it" if providers else "a package of main",
        found=name,
        hint="look the name up at this release of Debian; a virtual package must be named by one that provides it",
    )


def _first(
    index: PackageIndex, alternatives: tuple[Relation, ...], dependent: Candidate, exclude: Collection[str]
) -> Candidate:
    for relation in alternatives:
        for candidate in index.providers(relation):
            if candidate.deb.name not in exclude:
                return candidate
    raise UsageError(
        "unsatisfiable-package",
        f"Nothing in the suites satisfies a dependency of {dependent.deb.name} {dependent.deb.version}.",
        expected=" | ".join(str(relation) for relation in alternatives),
        found="; ".join(
            f"{relation.name} {index.candidate(relation.name).deb.version}"
            for relation in alternatives
            if relation.name in index
        )
        or "none of them",
        hint="the suites of the recipe may be incomplete, or the mirror in the middle of an update",
    )
