"""One kind of drift: how it is made, and what `envlock verify` says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from tests.integration.bench import Bench

Kind = Literal["Packages", "Files", "Interpreter", "Settings", "Hardware", "Lock and manifest", "Images"]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the matrix."""

    name: str
    kind: Kind
    make: Callable[[Bench], object]
    rule: str
    code: int
    """Of `--full`."""
    quick: tuple[str, int] | None = None
    """Rule and exit code of `--quick`, where they are others; ("", 0) where only bytes can tell."""
    beside: tuple[str, ...] = ()
    """Rules that may also find something in what was done."""
    options: tuple[str, ...] = ()
    """Asked besides."""

    def expected(self, mode: str) -> tuple[str, int]:
        """Return rule and exit code of a mode."""
        return self.quick if mode == "--quick" and self.quick is not None else (self.rule, self.code)


UNSEEN = ("", 0)
"""What --quick says of bytes that changed under the same size."""
SIZE = ("file-size", 1)


def drift(
    kind: Kind,
    name: str,
    make: Callable[[Bench], object],
    rule: str,
    code: int,
    *,
    quick: tuple[str, int] | None = None,
    beside: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
) -> Drift:
    """Return a row of the matrix, written in one line."""
    return Drift(name=name, kind=kind, make=make, rule=rule, code=code, quick=quick, beside=beside, options=options)
