"""Constraints of hardware classes: operators and numbers, in one canonical spelling for each meaning."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import msgspec

_CLAUSE = re.compile(r"(>=|<=|==|>|<)\s*(.+)")

Value = tuple[int, ...] | Decimal
"""Values of one scale only are compared with each other."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """What a key's numbers are: how they are read, written and compared."""

    parse: Callable[[str], Value]
    """Raises ValueError for what is no value of the scale."""
    render: Callable[[Value], str]
    example: str
    whole: bool = False
    """Between two neighbouring values there is nothing, so that `>7` is `>=8`."""


class Bound(msgspec.Struct, frozen=True):
    """One end of a range."""

    value: Value
    inclusive: bool


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """A range of values; a missing bound is an open end."""

    scale: Scale
    lower: Bound | None = None
    upper: Bound | None = None

    def __str__(self) -> str:
        """The canonical spelling: `==8`, `>=16`, `<64`, `>=16,<64`."""
        render = self.scale.render
        if self.lower and self.upper and self.lower.value == self.upper.value:
            return "==" + render(self.lower.value)
        clauses = []
        if self.lower:
            clauses.append((">=" if self.lower.inclusive else ">") + render(self.lower.value))
        if self.upper:
            clauses.append(("<=" if self.upper.inclusive else "<") + render(self.upper.value))
        return ",".join(clauses)

    def admits(self, text: str) -> bool:
        """Tell whether a value, written as the scale writes it, lies in the range; ValueError for no value."""
        value = self.scale.parse(text)
        return not (self.lower and _outside(value, self.lower)) and not (self.upper and _beyond(value, self.upper))


def parse_constraint(text: str, scale: Scale) -> Constraint:
    """Read `>=16,<64`; ValueError says what is wrong: a clause, a value, or clauses that no value satisfies."""
    lower: Bound | None = None
    upper: Bound | None = None
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise ValueError(f"{clause.strip()!r} is not an operator (>=, >, ==, <, <=) and a value")
        operator, value = match[1], scale.parse(match[2].strip())
        if operator in (">=", ">", "=="):
            bound = Bound(value, operator != ">")
            lower = bound if lower is None or _outside(lower.value, bound) else lower
        if operator in ("<=", "<", "=="):
            bound = Bound(value, operator != "<")
            upper = bound if upper is None or _beyond(upper.value, bound) else upper
    if scale.whole:
        lower, upper = _half_open(lower, upper)
    if lower and upper and _empty(lower, upper):
        raise ValueError(f"no value satisfies {text.strip()!r}")
    return Constraint(scale=scale, lower=lower, upper=upper)


def _outside(value: Value, lower: Bound) -> bool:
    """Tell whether a value lies below a lower bound."""
    return value < lower.value or (value == lower.value and not lower.inclusive)  # type: ignore[operator]


def _beyond(value: Value, upper: Bound) -> bool:
    """Tell whether a value lies above an upper bound."""
    return value > upper.value or (value == upper.value and not upper.inclusive)  # type: ignore[operator]


def _empty(lower: Bound, upper: Bound) -> bool:
    return _beyond(lower.value, upper) or _outside(upper.value, lower)


def _half_open(lower: Bound | None, upper: Bound | None) -> tuple[Bound | None, Bound | None]:
    """Return the bounds of whole numbers as `>=` and `<`, an exact number as `>=` and `<=`."""
    least = None if lower is None else lower.value if lower.inclusive else _next(lower.value)
    end = None if upper is None else _next(upper.value) if upper.inclusive else upper.value
    if least is not None and end == _next(least):
        return Bound(least, True), Bound(least, True)
    return (
        None if least is None else Bound(least, True),
        None if end is None else Bound(end, False),
    )


def _next(value: Value) -> Value:
    assert isinstance(value, Decimal)
    return value + 1


# --- scales ----------------------------------------------------------------------------------------------------------


def _whole(text: str) -> Value:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a whole number")
    return Decimal(text)


def _number(text: str) -> Value:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        raise ValueError(f"{text!r} is not a number of GiB")
    return Decimal(text)


def _version(text: str) -> Value:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a version of numbers and dots")
    parts = [int(part) for part in text.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _capability(text: str) -> Value:
    if not re.fullmatch(r"\d{1,2}(\.\d)?", text, re.ASCII):
        raise ValueError(f"{text!r} is not a compute capability such as 8.0")
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _plain(value: Value) -> str:
    return f"{Decimal(value).normalize():f}" if isinstance(value, Decimal) else ".".join(map(str, value))


def _as_nvidia_writes(value: Value) -> str:
    """NVIDIA's drivers have two digits in each part after the first: 450.80.02."""
    assert isinstance(value, tuple)
    return ".".join([str(value[0]), *(f"{part:02}" for part in value[1:])])


COUNT = Scale(parse=_whole, render=_plain, example=">=1", whole=True)
GIB = Scale(parse=_number, render=_plain, example=">=64")
DRIVER = Scale(parse=_version, render=_as_nvidia_writes, example=">=535")
CAPABILITY = Scale(parse=_capability, render=_plain, example=">=8.0")
