"""What changes from one lock to another in the packages, and what brought each of them in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from envlock.model.chain import chain_to
from envlock.model.change import Area, Change, Kind
from envlock.model.fact import Fact
from envlock.model.influence import influence_of
from envlock.model.lock import Lock, Package
from envlock.verify.known import facts_of

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
REBUILT = "The same version, from another wheel."


def package_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield packages that came, went, changed their version, or are another wheel of the same one."""
    was, now = _by_name(old), _by_name(new)
    frameworks = (*old.frameworks, *new.frameworks)
    steps = {name: (_versions(was.get(name, [])), _versions(now.get(name, []))) for name in sorted({*was, *now})}
    facts = facts_of({name: step for name, step in steps.items() if all(step) and step[0] != step[1]})
    causes = Causes(old, new)
    for name, (one, other) in steps.items():
        if one != other:
            chain = causes.chain_to(name)
            brought = causes.brought(name, chain)
            yield package_change(name, one, other, frameworks, facts=facts.get(name, ()), brought=brought, chain=chain)
        elif _other_wheels(was[name], now[name]):
            yield package_change(
                name, one, other, frameworks, why=REBUILT, kind="rebuilt", brought=causes.rebuilt, chain=()
            )
        elif [package.marker for package in was[name]] != [package.marker for package in now[name]]:
            yield _moved(name, was[name], now[name])


def package_change(
    name: str,
    before: str,
    after: str,
    frameworks: Sequence[str],
    *,
    why: str = "",
    facts: Sequence[Fact] = (),
    brought: str = "",
    chain: Sequence[str] = (),
    kind: Kind | None = None,
) -> Change:
    """Return the change of a package; `why` is what packages of its kind matter for, where nothing else is given."""
    influence = influence_of(name, frameworks)
    area: Area = influence.area  # type: ignore[assignment]  # areas of packages are areas
    return Change(
        area=area,
        kind=kind or ("added" if not before else "removed" if not after else "changed"),
        impact=influence.impact,
        subject=name,
        before=before,
        after=after,
        why=why or influence.why,
        facts=tuple(facts),
        brought_by=brought,
        chain=tuple(chain),
        rank=influence.rank,
    )


class Causes:
    """Why a resolver took the packages that it took, as far as the two locks tell."""

    def __init__(self, old: Lock, new: Lock) -> None:
        self._old, self._new = old, new
        self._asked_before, self._asked = requirements_of(old), requirements_of(new)
        self._moved = f", as of {_day(old)} → {_day(new)}" if old.as_of != new.as_of else ""

    def brought(self, name: str, chain: Sequence[str]) -> str:
        """Return what brought a package to where it is in the later lock, or why it is there no longer."""
        asked, before = self._asked.get(name, ""), self._asked_before.get(name, "")
        if self._new.package(name) is None:
            return f"no longer asked for: {before}" if before and not asked else ""
        if asked:
            was = f", before: {before}" if before and before != asked else ""
            what = "locked as a framework" if name in self._new.frameworks else "asked for"
            return f"{what}: {asked}{was}{self._ruled(name)}"
        ruled = self._ruled(name) or self._moved
        if len(chain) > 1:
            return f"a dependency of {chain[-2]}{ruled}"
        return f"locked as a framework{self._ruled(name)}" if name in self._new.frameworks else f"a dependency{ruled}"

    def _ruled(self, name: str) -> str:
        """Return what the manifest says anew of the versions of one package, wherever it is needed."""
        told = []
        for title in ("constraint", "override"):
            before, after = (_rows_of(lock, f"{title}s", name) for lock in (self._old, self._new))
            if before != after:
                told.append(f"{title} {after}" if after else f"no longer {title} {before}")
        own = self._new.as_of_packages.get(name)
        if own is not None and own != self._old.as_of_packages.get(name):
            told.append(f"as of {own[:10]}")
        return "".join(f", {text}" for text in told)

    def chain_to(self, name: str) -> tuple[str, ...]:
        """Return the way down from what is asked for to a package; of one that is gone, the way that there was."""
        lock = self._new if self._new.package(name) is not None else self._old
        return chain_in(lock, name)

    @property
    def rebuilt(self) -> str:
        """Why the same version may come from another wheel."""
        if self._old.python != self._new.python:
            return f"Python {self._old.python} → {self._new.python}"
        return ""


def chain_in(lock: Lock, name: str) -> tuple[str, ...]:
    """Return the shortest way from a requirement of the manifest to a package; empty where the lock tells none."""
    needs: dict[str, set[str]] = {}
    for package in lock.packages:
        needs.setdefault(package.name, set()).update(package.dependencies)
    asked = requirements_of(lock).keys() & needs.keys()
    return chain_to(name, sorted(asked or {*lock.frameworks} & needs.keys()), needs)


def requirements_of(lock: Lock) -> dict[str, str]:
    """Return what the manifest asks for by normalised name: its own requirements, and those of files in `from`."""
    texts = [text for name, text in lock.inputs.items() if name == "requirements" or name.startswith("from ")]
    found: dict[str, str] = {}
    for text in texts:
        for row in [] if _DIGEST.fullmatch(text) else text.split("; "):
            if (match := _NAME.match(row)) is not None:
                found.setdefault(normalised(match[1]), row.strip())
    return found


def _rows_of(lock: Lock, title: str, name: str) -> str:
    rows = lock.inputs.get(title, "").split("; ")
    return "; ".join(row for row in rows if (match := _NAME.match(row)) is not None and normalised(match[1]) == name)


def normalised(name: str) -> str:
    """Return a name of a project in its one form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _by_name(lock: Lock) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in lock.packages:
        found.setdefault(package.name, []).append(package)
    return found


def _versions(packages: Sequence[Package]) -> str:
    return " and ".join(dict.fromkeys(package.version for package in packages))


def _other_wheels(was: Sequence[Package], now: Sequence[Package]) -> bool:
    """Tell whether another wheel is installed anywhere: one more or less is of a platform that came or went."""
    one, other = ({wheel.sha256 for package in packages for wheel in package.wheels} for packages in (was, now))
    return not (one <= other or other <= one)


def _moved(name: str, was: Sequence[Package], now: Sequence[Package]) -> Change:
    why = "On which of the platforms it is installed."
    before, after = (_markers(packages) for packages in (was, now))
    return package_change(name, before, after, (), why=why, kind="changed")


def _markers(packages: Sequence[Package]) -> str:
    return " and ".join(package.marker or "everywhere" for package in packages)


def _day(lock: Lock) -> str:
    return (lock.as_of or "today")[:10]
