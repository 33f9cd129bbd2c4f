"""The section on numbers of a verdict's page: counts, a chart, what explains the differences, every unequal probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envlock.model.number_words import PASS_NAMES, because, merged, suite_name, ulps_text
from envlock.model.numbers import Compared, Row
from envlock.report.chart import chart_of
from envlock.report.numbers import PROVES, meaning_of_tally, name_of_tally, outcome_of_tally, unequal
from envlock.report.page_tables import text

_MOST = 500
"""Probes that are listed, so that a browser opens the page at once."""


def numbers_section(compared: Compared | None, *, everything: bool) -> Iterator[str]:
    """Yield the section; nothing where numbers were not compared."""
    if compared is None:
        return
    yield '<section class="numbers" aria-labelledby="numbers">'
    yield f'<h2 id="numbers">Numbers <small>{compared.probes:,}</small></h2>'
    yield f"<p>Held against the fingerprint of <code>{text(compared.hardware)}</code>. {PROVES}</p>"
    yield '<table><thead><tr><th scope="col">Probes</th><th scope="col">Outcome</th></tr></thead><tbody>'
    for tally in compared.tallies:
        outcome, meaning = outcome_of_tally(tally), meaning_of_tally(tally)
        mark = "✓ " if meaning == "good" else ""
        yield (
            f'<tr><th scope="row">{text(name_of_tally(tally))}</th>'
            f'<td><span class="{meaning}">{mark}{text(outcome)}</span></td></tr>'
        )
    yield "</tbody></table>"
    if chart := chart_of(compared):
        yield f"<figure>{chart}</figure>"
    yield from _causes(compared)
    yield from _table(unequal(compared), everything=everything)
    yield "</section>"


def _causes(compared: Compared) -> Iterator[str]:
    if not compared.explanations:
        return
    yield "<h3>What explains them</h3>"
    yield "<ul>"
    for each in merged(compared.explanations):
        yield f"<li><b>{text(because(each))}</b> {text(each.text)}</li>"
    yield "</ul>"


def _table(rows: Sequence[Row], *, everything: bool) -> Iterator[str]:
    if not rows:
        return
    shown = rows if everything else rows[:_MOST]
    yield f"<details><summary>Probes that are not equal <small>{len(rows):,}</small></summary>"
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Probe", "Of", "Pass", "Outcome", "Distance", "Why"))
    yield f'<table class="probes"><thead><tr>{heads}</tr></thead><tbody>'
    for row in shown:
        cells = (
            suite_name(row.framework, row.device),
            PASS_NAMES[row.which],
            row.state,
            ulps_text(row.ulps) if row.ulps is not None and not row.reason else "",
            row.reason,
        )
        yield f"<tr><td><code>{text(row.probe)}</code></td>" + "".join(f"<td>{text(c)}</td>" for c in cells) + "</tr>"
    yield "</tbody></table>"
    if len(rows) > len(shown):
        yield f'<p class="more">and {len(rows) - len(shown):,} more; the JSON output holds all of them</p>'
    yield "</details>"
