"""How a package comes to be there: the requirements that lead down to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def chain_to(package: str, roots: Collection[str], dependencies: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the shortest way from one of `roots` to a package, both included; of several the first by name.

    Names are normalised. Empty where no way leads there.
    """
    ways: dict[str, tuple[str, ...]] = {root: (root,) for root in sorted(roots)}
    level = list(ways)
    while level and package not in ways:
        found: dict[str, tuple[str, ...]] = {}
        for name in level:  # sorted by their ways, so that the first to reach a package has the first way by name
            for needed in sorted(dependencies.get(name, ())):
                if needed not in ways:
                    found.setdefault(needed, (*ways[name], needed))
        ways |= found
        level = sorted(found, key=lambda name: found[name])
    return ways.get(package, ())
