"""file-size: an installed file has another size than its RECORD says."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="file-size",
    family="FILE",
    title="Installed files have the sizes that RECORD gives (what --quick can see of their bytes).",
    why="Somebody edited the file after it was installed, or the disk was full.",
)
_SHOWN = 10


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each file of a locked package with a size of its own; --full compares the bytes instead."""
    environment = case.environment
    if environment is None or not environment.walked or environment.hashed:
        return
    for name, distribution in case.matching.items():
        rows = case.claims[distribution.folder].rows
        wrong = [
            (path, row.size, file)
            for path, row in rows.items()
            if row.size is not None and (file := environment.files.get(path)) is not None
            and (file.size != row.size or file.problem)
        ]  # fmt: skip
        influence = case.influence(name)
        for at, (path, size, file) in enumerate(sorted(wrong)):
            more = len(wrong) - at - 1 if at == _SHOWN - 1 else 0
            yield RULE.finding(
                f"{name}: {case.shown(path)}",
                expected=f"{size} bytes",
                found=(file.problem or f"{file.size} bytes") + (f"; and {more} more files" if more else ""),
                fix=case.verify("--full"),
                package=name,
                path=case.shown(path),
                impact=influence.impact,
                rank=influence.rank,
            )
            if more:
                break
