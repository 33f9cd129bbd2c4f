"""One factor that is not as it was where a fingerprint was made, and how sentences speak of it."""

from __future__ import annotations

import msgspec

from envlock.model.factors import factor_of
from envlock.model.numerics import Experiment

LIBRARY, DISPATCH, THREADS = "library", "CPU dispatch", "threads"

Change = tuple[dict[str, str | None], int | None]
"""Variables to change, and a number of threads, as in an `Experiment`."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One factor that is not as it was where the fingerprint was made."""

    factor: str
    """As `Experiment.factor`."""
    expected: str
    found: str
    experiments: tuple[Experiment, ...] = ()
    """How to put it back, to be tried in turn; empty for what cannot be changed here."""
    exact: bool = False
    """Whether the experiments put back all of it, so that they rule it out where they change nothing."""
    likely: bool = True
    """Whether it is known to change numbers often, or only now and then."""
    untested: str = ""
    """What the factor is called where the experiments did not settle it; empty for the same name."""
    changes: str = ""
    """Both sides in one phrase, where there is a shorter one than telling the one and the other."""
    pairs: str = ""
    """From the one to the other, package by package; empty where it has no parts."""

    @property
    def name(self) -> str:
        """What the factor is called that experiments did not settle."""
        return self.untested or self.factor

    @property
    def there(self) -> str:
        """How it is expected, as a phrase of its own: a variable and a version need a name beside them."""
        return _phrase(self.factor, self.expected)

    @property
    def here(self) -> str:
        """How it was found, as a phrase of its own."""
        return _phrase(self.factor, self.found)

    @property
    def change(self) -> str:
        """How it was expected and, behind an arrow, how it was found."""
        return self.pairs or f"{self.expected} → {self.found}"

    @property
    def both(self) -> str:
        """How it is expected and how it was found."""
        return self.changes or f"{self.there} there, {self.here} here"


def _phrase(factor: str, value: str) -> str:
    if factor_of(factor) is not None:
        return f"{factor} {value}" if value in ("unset", "empty") else f"{factor}={value}"
    return f"{factor} {value}" if factor in ("Python", "GPU driver") else value


def difference(
    factor: str,
    expected: str,
    found: str,
    changes: list[Change],
    *,
    exact: bool,
) -> Difference:
    """Return a difference that is put back by any of some changes."""
    experiments = tuple(
        Experiment(factor=factor, expected=expected, found=found, variables=variables, threads=threads)
        for variables, threads in changes
    )
    return Difference(factor=factor, expected=expected, found=found, experiments=experiments, exact=exact)
