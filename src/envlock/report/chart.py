"""Bar charts as SVG, which need no script: probes that differ, by factor and framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files as resources

import msgspec

from envlock.model.number_words import PASS_NAMES, change_of, merged, suite_name
from envlock.model.numbers import Compared, Row
from envlock.model.numerics import PASSES
from envlock.report.page_tables import text

_WIDTH, _COUNTS = 720, 60
_BAR, _LABEL, _STEP, _TOP = 20, 20, 54, 34
_MARGIN = 16
_LETTER = 7.2
"""Of 13 px type, a wide one."""
_COLOURS = 6
_DIFFERING = ("near", "diverged", "crashed")


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar, made of parts that stand in the legend."""

    label: str
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How long it is."""
        return sum(self.parts.values())


def chart_of(compared: Compared) -> str:
    """Return the chart of a comparison as an SVG element for a page; empty where no probe differs."""
    bars = bars_of(compared)
    by = "factor and framework" if compared.explanations else "pass and framework"
    return bar_chart(f"Probes that differ, by {by}", bars) if bars else ""


def bars_of(compared: Compared) -> tuple[Bar, ...]:
    """Return a bar for each factor that explains probes and one for the rest; for each pass where nobody asked why."""
    rows = [row for row in compared.rows if row.state in _DIFFERING]
    if not compared.explanations:
        passes = [(PASS_NAMES[which], [row for row in rows if row.which == which]) for which in PASSES]
        return tuple(Bar(label=label, parts=_by_suite(own)) for label, own in passes if own)
    bars, rest = [], rows
    for each in merged(compared.explanations):
        label = f"{each.factor}: {change}" if (change := change_of(each)) else each.factor
        bars.append((label, [row for row in compared.rows if row.probe in each.probes and row.state != "equal"]))
        rest = [row for row in rest if row.probe not in each.probes]
    bars.append(("no factor found", rest))
    return tuple(Bar(label=label, parts=_by_suite(own)) for label, own in bars if own)


def _by_suite(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many probes there are of each suite; one that differs in two passes counts once."""
    probes = dict.fromkeys((suite_name(row.framework, row.device), row.probe) for row in rows)
    parts: dict[str, int] = {}
    for name, _ in probes:
        parts[name] = parts.get(name, 0) + 1
    return parts


def bar_chart(title: str, bars: Sequence[Bar], *, alone: bool = False) -> str:
    """Return horizontal bars, each of its parts in one colour, with the numbers as text too.

    Args:
        title: of the chart, for those who do not see it as well.
        bars: the first one on top.
        alone: whether it is a file of its own, which brings its colours; in a page the style sheet has them.
    """
    series = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    height = _TOP + _STEP * len(bars)
    margin = _MARGIN if alone else 0
    wide, high = _WIDTH + 2 * margin, height + 2 * margin
    size = f'viewBox="{-margin} {-margin} {wide} {high}" width="{wide}" height="{high}"'
    names = ("chart-title", "chart-told")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" {size} aria-labelledby="{" ".join(names)}">',
        f'<title id="{names[0]}">{text(title)}</title>',
        f'<desc id="{names[1]}">{text(_told(bars))}</desc>',
    ]
    if alone:
        lines += [
            f"<style>{chart_style()}</style>",
            f'<rect class="ground" x="{-margin}" y="{-margin}" width="{wide}" height="{high}"/>',
        ]
    lines += [*_legend(series), *_bars(bars, series), "</svg>"]
    return "\n".join(lines) + "\n"


@cache
def chart_style() -> str:
    """Return the style sheet of charts, for light and dark."""
    return resources("envlock").joinpath("data", "report", "chart.css").read_text("utf-8")


def _told(bars: Sequence[Bar]) -> str:
    """Return all numbers as sentences."""
    return " ".join(
        f"{bar.label}: {bar.total:,} ({', '.join(f'{name} {number:,}' for name, number in bar.parts.items())})."
        for bar in bars
    )


def _legend(series: Sequence[str]) -> Iterator[str]:
    left = 0.0
    for at, name in enumerate(series):
        yield f'<rect class="s{at % _COLOURS}" x="{left:.0f}" y="8" width="12" height="12" rx="2"/>'
        yield f'<text x="{left + 18:.0f}" y="18">{text(name)}</text>'
        left += 36 + _LETTER * len(name)


def _bars(bars: Sequence[Bar], series: Sequence[str]) -> Iterator[str]:
    longest = max((bar.total for bar in bars), default=0) or 1
    scale = (_WIDTH - _COUNTS) / longest
    for at, bar in enumerate(bars):
        top = _TOP + _STEP * at + _LABEL
        yield f'<text x="0" y="{top - 6}">{text(_cut(bar.label))}</text>'
        left = 0.0
        for name, number in bar.parts.items():
            width = number * scale
            where = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}"'
            colour = series.index(name) % _COLOURS
            yield f'<rect class="s{colour}" {where}><title>{text(name)}: {number:,}</title></rect>'
            left += width
        yield f'<text class="count" x="{left + 8:.1f}" y="{top + 15}">{bar.total:,}</text>'


def _cut(label: str) -> str:
    most = int(_WIDTH / _LETTER)
    return label if len(label) <= most else label[: most - 1] + "…"
