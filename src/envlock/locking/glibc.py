"""The glibc that the tags of locked wheels ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from envlock.locking.select import Selected
from envlock.model.platform import Platform

_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(.+)")
_LEGACY = {"manylinux1_": "2.5", "manylinux2010_": "2.12", "manylinux2014_": "2.17"}
"""PEP 513, PEP 571, PEP 599."""


def minimum_glibc(resolutions: Mapping[Platform, Sequence[Selected]]) -> tuple[str, str] | None:
    """Return the newest glibc that a Linux wheel's tags ask for, and the first wheel that does."""
    needs = []
    for platform, rows in resolutions.items():
        for row in rows:
            found = glibc_of(row.name, platform) if row.kind == "wheel" and platform.os == "linux" else None
            if found is not None:
                needs.append((Version(found), f"{row.package} {row.version}"))
    if not needs:
        return None
    newest = max(version for version, _ in needs)
    return str(newest), min(source for version, source in needs if version == newest)


def glibc_of(filename: str, platform: Platform) -> str | None:
    """Return the oldest glibc that a wheel's tags allow on a Linux platform (PEP 600); None where they name none."""
    found = []
    for tag in parse_wheel_filename(filename)[3]:
        match = _MANYLINUX.fullmatch(tag.platform)
        if match is not None and match[3] == platform.machine:
            found.append(f"{match[1]}.{match[2]}")
        found += [glibc for prefix, glibc in _LEGACY.items() if tag.platform == prefix + platform.machine]
    return min(found, key=Version, default=None)
