"""Sizes as people write them."""

from __future__ import annotations

import re

from envlock.errors import UsageError

_UNITS = {unit: 10 ** (3 * power) for power, unit in enumerate("BKMGT")}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i)?)?B?", re.IGNORECASE)


def parse_size(text: str, where: str = "") -> int:
    """Return bytes: ``20GB`` are 20 × 10^9, ``20GiB`` 20 × 2^30; UsageError (`bad-size`), `where` the text stands."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            "bad-size", f"{text!r} is no size.", where=where, expected="such as 500MB, 20GB or 20GiB", found=text
        )
    number, unit, binary = match.groups()
    factor = _UNITS[(unit or "B").upper()]
    if binary:
        factor = 1 << (10 * "BKMGT".index(unit.upper()))
    return int(float(number) * factor)


def size_text(size: int) -> str:
    """Return bytes as people say them."""
    for unit, factor in reversed(_UNITS.items()):
        if size >= factor > 1:
            return f"{size / factor:.1f} {unit}B"
    return f"{size} B"


def gib(size: int) -> str:
    """Return bytes as people name memory: `39.6 GiB`."""
    return f"{size / (1 << 30):.1f} GiB"
