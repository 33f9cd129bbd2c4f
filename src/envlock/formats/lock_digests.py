"""[tool.envlock.digests]: a digest of each table of a lock, so that an edit by hand is noticed and named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from envlock.errors import IntegrityError

TABLE = "tool.envlock.digests"
_HEADER = re.compile(rb"^\[(tool\.envlock(?:\.[^\]]+)?)\]$", re.MULTILINE)


def digests_of(raw: bytes) -> dict[str, str]:
    """Return 16 hex digits of the sha256 of each table's lines, by what [tool.envlock] calls it.

    `packages` is everything above [tool.envlock], and `envlock` are that table's own keys. The table of digests is
    left out, blank lines at a table's end and CRLF do not count.
    """
    text = raw.replace(b"\r\n", b"\n")
    starts = [(0, "packages"), *((found.start(), found[1].decode()) for found in _HEADER.finditer(text))]
    ends = [*(start for start, _ in starts[1:]), len(text)]
    return {
        name.removeprefix("tool.envlock.").removeprefix("tool."): hashlib.sha256(text[start:end].strip()).hexdigest()[
            :16
        ]
        for (start, name), end in zip(starts, ends, strict=True)
        if name != TABLE
    }


def check_digests(raw: bytes, said: Mapping[str, str], where: str) -> None:
    """Compare what a lock says of its tables with its bytes; IntegrityError (`edited-lock`) names the tables."""
    found = digests_of(raw)
    edited = sorted(name for name in {*said, *found} if said.get(name) != found.get(name))
    if edited:
        raise IntegrityError(
            "edited-lock",
            "The lock was edited by hand: it is no longer what envlock wrote.",
            where=f"{where}: {', '.join(_shown(name) for name in edited)}",
            expected=", ".join(said.get(name, "no such table") for name in edited),
            found=", ".join(found.get(name, "no such table") for name in edited),
            hint="Take it from git again, or edit envlock.toml instead and run `envlock lock`.",
        )


def _shown(name: str) -> str:
    """Return a table's name as it stands in the file."""
    return {"packages": "[[packages]]", "envlock": "[tool.envlock]"}.get(name, f"[tool.envlock.{name}]")
