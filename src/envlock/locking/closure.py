"""The built-in solver: wanted packages and all they depend on, without negotiation.

A release of Debian is consistent in itself, so nothing has to be weighed: per name there is one candidate (the highest
version over the suites), and per dependency one choice (what is in already, else the first alternative there is).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from envlock.errors import UsageError
from envlock.formats.control import Relation
from envlock.locking.packages import Candidate, PackageIndex, Present


def close(
    index: PackageIndex,
    wanted: Sequence[str],
    *,
    exclude: Collection[str] = (),
    inside: Sequence[Present] = (),
    where: str = "",
) -> tuple[Candidate, ...]:
    """Return `wanted` and what it depends on, beyond what is `inside` already, sorted by name.

    `exclude` names packages that count as installed. A package that is inside in a version too old for another one is
    returned anew, and so are those inside that need it in the very version that it had.
    Raises UsageError (`unknown-package`, `unsatisfiable-package`).
    """
    chosen: dict[str, Present] = {present.name: present for present in inside}
    new: dict[str, Candidate] = {}
    queue: deque[Candidate] = deque()

    def choose(candidate: Candidate) -> None:
        there = chosen.get(candidate.name)
        if there is None or there.version != candidate.version:
            chosen[candidate.name] = new[candidate.name] = candidate
            queue.append(candidate)

    def satisfied(alternatives: tuple[Relation, ...]) -> bool:
        return any(relation.name in exclude for relation in alternatives) or any(
            _holds(there, alternatives) for there in chosen.values()
        )

    def broken(present: Present) -> list[tuple[Relation, ...]]:
        """Return the dependencies that held before packages inside were replaced."""
        if not any(before.name in new for before in inside):
            return []
        held = [each for each in present.depends if any(_holds(before, each) for before in inside)]
        return [alternatives for alternatives in held if not satisfied(alternatives)]

    # What is wanted by name comes first, so that it decides the alternatives of the rest.
    for name in wanted:
        if name not in chosen:
            choose(named(index, name, where))
    while True:
        while queue:
            candidate = queue.popleft()
            for alternatives in candidate.depends:
                if not satisfied(alternatives):
                    choose(_first(index, alternatives, candidate, exclude))
        outdated = [present for present in inside if chosen[present.name] is present and broken(present)]
        if not outdated:
            return tuple(new[name] for name in sorted(new))
        for present in outdated:
            choose(named(index, present.name, where))
            if chosen[present.name] is present:  # it is the newest there is
                raise _unsatisfiable(index, broken(present)[0], present)


def named(index: PackageIndex, name: str, where: str) -> Candidate:
    """Return the candidate of a package that is wanted by name; UsageError (`unknown-package`)."""
    if name in index:
        return index.candidate(name)
    providers = [candidate.name for candidate in index.providers(Relation(name))]
    raise UsageError(
        "unknown-package",
        f"The suites hold no package {name!r}.",
        where=where,
        expected=f"one of {', '.join(providers[:8])}, which provide it" if providers else "a package of main",
        found=name,
        hint="look the name up at this release of Debian; a virtual package must be named by one that provides it",
    )


def _holds(there: Present, alternatives: tuple[Relation, ...]) -> bool:
    return any(there.satisfies(relation) for relation in alternatives)


def _first(
    index: PackageIndex, alternatives: tuple[Relation, ...], dependent: Candidate, exclude: Collection[str]
) -> Candidate:
    for relation in alternatives:
        for candidate in index.providers(relation):
            if candidate.name not in exclude:
                return candidate
    raise _unsatisfiable(index, alternatives, dependent)


def _unsatisfiable(index: PackageIndex, alternatives: tuple[Relation, ...], dependent: Present) -> UsageError:
    return UsageError(
        "unsatisfiable-package",
        f"Nothing in the suites satisfies a dependency of {dependent.name} {dependent.version}.",
        expected=" | ".join(str(relation) for relation in alternatives),
        found="; ".join(
            f"{relation.name} {index.candidate(relation.name).version}"
            for relation in alternatives
            if relation.name in index
        )
        or "none of them",
        hint="the suites of the recipe may be incomplete, or the mirror in the middle of an update",
    )
