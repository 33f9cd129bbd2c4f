"""Draws docs/numerics-measured.md: probes that differ, by factor and framework.

    python tools/numerics_chart.py > docs/images/numerics-factors.svg

Threads and settings of every framework, and the releases of TensorFlow.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from envlock.report.chart import Bar, bar_chart

PAGE = Path(__file__).resolve().parent.parent / "docs" / "numerics-measured.md"
RELEASES_OF = "tensorflow"
_ROW = re.compile(r"\| (?P<before>[^|]+) \| (?P<after>[^|]+) \| (?P<differ>\d+) of \d+ \|")
_THREADS = re.compile(r"(\d+) threads")
_LONGEST = 60


def chart(page: str) -> str:
    """Return the chart of a page's text as an SVG file."""
    parts: dict[str, dict[str, int]] = {}
    for framework, before, after, differ in rows(page):
        label = factor(framework, before, after)
        if label and differ:
            parts.setdefault(label, {})[framework] = differ
    ordered = sorted(parts, key=lambda label: (len(parts[label]) == 1, "→" in label))
    return bar_chart(
        "Probes that differ, by factor and framework",
        [Bar(label=label, parts=parts[label]) for label in ordered],
        alone=True,
    )


def rows(page: str) -> Iterator[tuple[str, str, str, int]]:
    """Yield (framework, from, to, probes that differ) of each row."""
    framework = ""
    for line in page.splitlines():
        if line.startswith("## "):
            framework = line.removeprefix("## ")
        elif found := _ROW.match(line):
            yield framework, found["before"], found["after"], int(found["differ"])


def factor(framework: str, before: str, after: str) -> str:
    """Return what a row changed, in words; empty for what the chart leaves out."""
    (old, *_), (new, *settings) = before.split(", "), after.split(", ")
    if old != new:
        return f"{framework} {old} → {new}" if framework == RELEASES_OF else ""
    if not settings:
        return ""
    if found := _THREADS.fullmatch(settings[0]):
        return f"threads, 1 to {found[1]}"
    return settings[0] if len(settings[0]) <= _LONGEST else settings[0][:_LONGEST] + "…"


if __name__ == "__main__":
    sys.stdout.write(chart(PAGE.read_text("utf-8")))
