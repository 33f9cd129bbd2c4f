"""Tar entries as values, with their headers written by hand so that no library's choices reach a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

Kind = Literal["file", "dir", "symlink", "hardlink"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a layer. `path` has no leading or trailing slash; `link` is a symlink's or hard link's target."""

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    link: str = ""


Body = Callable[[], Iterator[bytes]]
"""Opens the bytes of a file entry, in chunks of a few MiB at most."""

Member = tuple[Entry, Body | None]
