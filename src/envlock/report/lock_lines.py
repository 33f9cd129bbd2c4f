"""Where in the lock file a finding belongs: the line that says what was expected."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from envlock.errors import one_line
from envlock.model.finding import Family, Finding

_PACKAGE = re.compile(rb'^\[\[packages\]\]\nname = "([A-Za-z0-9._-]+)"$', re.MULTILINE)
_TABLE = re.compile(rb"^(?:\[(tool\.envlock\.[a-z-]+)[^\]]*\]|(requires-python) = .*)$", re.MULTILINE)
_TABLES: dict[Family, tuple[str, ...]] = {
    "PY": ("requires-python",),
    "SYS": ("tool.envlock.base",),
    "CPU": ("tool.envlock.hardware", "tool.envlock.facts"),
    "ACC": ("tool.envlock.hardware", "tool.envlock.facts"),
    "ENV": ("tool.envlock.settings",),
    "NUM": ("tool.envlock.settings",),
}


class LockLines(msgspec.Struct, frozen=True, kw_only=True):
    """A lock file as reports point into it."""

    path: str
    """Relative to the root of the repository, with `/`."""
    packages: Mapping[str, int]
    """The line of each package's table, from 1."""
    tables: Mapping[str, int]
    """The line of each other table of which findings speak."""

    def line_of(self, finding: Finding) -> int:
        """Return the line that a finding is about, from 1; the first one where no line says it."""
        if finding.package in self.packages:
            return self.packages[finding.package]
        return next((self.tables[name] for name in _TABLES.get(finding.family, ()) if name in self.tables), 1)


def lock_lines(path: str, raw: bytes) -> LockLines:
    """Read the lines off the bytes of a lock as envlock writes it.

    Args:
        path: relative to the root of the repository.
        raw: of the file.
    """
    at, line = 0, 1
    packages: dict[str, int] = {}
    tables: dict[str, int] = {}
    for match in sorted([*_PACKAGE.finditer(raw), *_TABLE.finditer(raw)], key=lambda match: match.start()):
        line += raw.count(b"\n", at, match.start())
        at = match.start()
        if match.re is _PACKAGE:
            packages.setdefault(match[1].decode(), line)
        else:
            tables.setdefault((match[1] or match[2]).decode(), line)
    return LockLines(path=one_line(path).replace("\\", "/"), packages=packages, tables=tables)
