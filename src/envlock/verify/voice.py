"""What one of two sides says of each thing, a lock in the same words as what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from envlock.model.chain import chain_to
from envlock.model.factors import factor_of
from envlock.model.observation import Variables
from envlock.model.report import Report
from envlock.model.side import Side
from envlock.model.unknown import Unknown
from envlock.verify.lock_as_report import report_of_lock
from envlock.verify.package_changes import chain_in, requirements_of
from envlock.verify.reported import CPUS, THREADS, Key, Said, absence, contents_of, sayings

THREADS_KEY: Key = ("settings", "threads")
_FOLLOWERS = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables of libraries that read OpenMP's own where theirs is not set; TensorFlow's two are read alone."""
BY_CPUS = "as many as there are CPUs"


class Voice:
    """One side beside another one, which says for which platform a lock is asked."""

    def __init__(self, side: Side, *, beside: Side) -> None:
        self.side = side
        self.report = side.report if side.report is not None else _of_lock(side, beside)
        self.said: dict[Key, Said | Unknown] = dict(sayings(self.report))
        self.contents = {name: digests for name, _, digests in contents_of(self.report)}
        self.frameworks = side.lock.lock.frameworks if side.lock is not None else ()

    def text(self, key: Key) -> str | None:
        """Return what it says of a thing, in words; empty for what is not there, None where nobody knows."""
        said = self.said.get(key)
        if isinstance(said, Said):
            return said.text
        if isinstance(said, Unknown):
            return None
        if key == THREADS_KEY:
            return BY_CPUS if self.by_cpus else None
        area, subject = key
        if area == "settings" and self.side.lock is None and factor_of(subject) is None:
            return None
        absent = absence(self.report, area)
        return absent if area == "source" else "" if absent else None

    @property
    def lists_packages(self) -> bool:
        """Whether it is known what is installed."""
        return not isinstance(self.report.distributions, Unknown)

    @cached_property
    def packages(self) -> dict[str, str]:
        """The versions of its packages by name; those without a version that could be read are left out."""
        return {key[1]: said.text for key, said in self.said.items() if key[0] == "package" and isinstance(said, Said)}

    def step(self, other: Voice, name: str) -> tuple[str | None, str | None]:
        """Return the versions of a package here and there."""
        return self.text(("package", name)), other.text(("package", name))

    @property
    def by_cpus(self) -> bool:
        """Whether no variable fixes the number of threads, so that programs start one for each CPU."""
        return isinstance(self.report.variables, Variables) and THREADS not in self.report.variables.values

    def threads_by(self, variable: str) -> str | None:
        """Return how many threads a library starts that reads a variable of its own, in words."""
        follows = variable in _FOLLOWERS or self.by_cpus
        return self.text(("settings", variable)) or (self.text(THREADS_KEY) if follows else "")

    @property
    def number_of_cpus(self) -> str | None:
        """How many CPUs programs get, None where nobody knows."""
        said = self.said.get(("cpu", CPUS))
        return said.text if isinstance(said, Said) else None

    @property
    def feature(self) -> str:
        """The feature version of Python; empty where it is unknown."""
        return "" if isinstance(self.report.interpreter, Unknown) else self.report.interpreter.feature

    def is_vague(self, other: Voice) -> bool:
        """Tell whether this side says the feature version of Python alone, and the other one more of the same."""
        here, there = self.text(("python", "python")), other.text(("python", "python"))
        return bool(here) and here == self.feature == other.feature and here != there

    def chain_to(self, name: str) -> tuple[str, ...]:
        """Return the way down to a package: in a lock from what is asked for, else from what nothing else needs."""
        if self.side.lock is not None:
            return chain_in(self.side.lock.lock, name)
        return chain_to(name, self._roots, self._needs) if any(self._needs.values()) else ()

    def brought(self, name: str, chain: Sequence[str]) -> str:
        """Return what brought a package in here, as far as that is told."""
        asked = requirements_of(self.side.lock.lock).get(name) if self.side.lock is not None else None
        if asked:
            return f"{'locked as a framework' if name in self.frameworks else 'asked for'}: {asked}"
        return f"a dependency of {chain[-2]}" if len(chain) > 1 else ""

    def cause(self, key: Key) -> str:
        """Return what decides a thing here that is no package; empty where its name says it."""
        said = self.said.get(key)
        note = said.note if isinstance(said, Said) else ""
        if key[0] == "settings" and self.side.lock is not None and said is not None:
            note = "locked"
        return f"{note} in {self.side.name}" if note else ""

    @cached_property
    def _needs(self) -> dict[str, tuple[str, ...]]:
        distributions = self.report.distributions
        return {} if isinstance(distributions, Unknown) else {each.name: each.requires for each in distributions}

    @cached_property
    def _roots(self) -> list[str]:
        needed = {name for needs in self._needs.values() for name in needs}
        return sorted(self._needs.keys() - needed) or sorted(self._needs)


def _of_lock(side: Side, beside: Side) -> Report:
    assert side.lock is not None
    return report_of_lock(side.lock.lock, side.platform or beside.platform)
