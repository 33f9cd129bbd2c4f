"""`envlock compare`: reports of several machines held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from envlock.errors import UsageError, one_line
from envlock.formats.report import read_report
from envlock.model.comparison import Comparison
from envlock.verify.comparison import compare_reports


def compare_files(paths: Sequence[Path]) -> Comparison:
    """Read two reports or more and compare them.

    Raises UsageError (`too-few-reports`, and what `formats.report.read_report` raises).
    """
    if len(paths) < 2:
        raise UsageError(
            "too-few-reports",
            "One report can be compared with nothing.",
            found=str(paths[0]) if paths else "",
            hint="Make another one elsewhere: envlock report -o FILE",
        )
    return compare_reports(dict(zip(names_of(paths), map(read_report, paths), strict=True)))


def names_of(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a name of its own for each file: its stem, with as many folders before it as tell it from the others."""
    names = [path.stem for path in paths]
    for depth in range(1, max((len(path.parts) for path in paths), default=1)):
        counts = Counter(names)
        if max(counts.values(), default=1) == 1:
            break
        names = [
            "/".join((*path.parts[-depth - 1 : -1], path.stem)) if counts[name] > 1 else name
            for name, path in zip(names, paths, strict=True)
        ]
    seen: Counter[str] = Counter()
    told = []
    for name in map(one_line, names):
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(told)
