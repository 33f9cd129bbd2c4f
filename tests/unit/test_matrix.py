"""Many reports at a glance: who is odd on what, whose numbers differ, who signed, as text, Markdown and a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tools.team import signatures, team

from envlock.cli.main import cli
from envlock.errors import UsageError
from envlock.formats.report import report_bytes
from envlock.model.comparison import Comparison
from envlock.model.numerics import Suite
from envlock.model.report import Report
from envlock.model.unknown import Unknown
from envlock.report.comparison import comparison_json, comparison_text
from envlock.report.comparison_markdown import comparison_markdown
from envlock.report.matrix import comparison_html
from envlock.verify.comparison import compare_reports
from tests.unit.numerics import failed, gave, numerics, probe, suite
from tests.unit.reports import installed, machine, report
from tests.unit.test_pages import Page
from tests.unit.verdicts import HOSTILE


def of_three(**changes: Any) -> Comparison:
    """Compare two equal reports with a third one."""
    return compare_reports({"ana": report(), "ben": report(), "chloe": report(**changes)})


def with_numbers(*suites: Suite) -> Report:
    return report(numerics=numerics(*suites))


def test_the_odd_one_is_told_by_factor() -> None:
    """Who says something else than more than half is odd; of two, and without a majority, nobody is."""
    comparison = of_three(machine=machine(cpus=4), distributions=installed(numpy="1.20.0"))
    (odd,) = comparison.odd
    assert (odd.reports, odd.results) == (("chloe",), 3)
    assert set(odd.subjects) >= {"numpy", "tensorflow", "threads", "six"}
    assert "pip" not in odd.subjects
    assert all(each.odd == ("chloe",) and each.usual is not None for each in comparison.disagreements)
    assert compare_reports({"ana": report(), "ben": report(machine=machine(cpus=4))}).odd == ()
    each_other = {str(cpus): report(machine=machine(cpus=cpus)) for cpus in (2, 4, 8)}
    assert compare_reports(each_other).odd == ()
    assert "Odd one out\n  chloe  tensorflow, numpy, threads" in comparison_text(comparison)


def test_reports_odd_on_the_same_are_told_together() -> None:
    """A hundred nodes of one kind are one line."""
    reports = {f"n{number}": report(machine=machine(cpus=4 if number > 6 else 8)) for number in range(10)}
    (odd,) = compare_reports(reports).odd
    assert (odd.reports, odd.subjects) == (("n7", "n8", "n9"), ("threads",))


def test_numbers_that_differ() -> None:
    """Probes are counted for each suite and pass against what most gave, and the first ones are named."""
    usual = with_numbers(suite("numpy", probe("a", gave(1.0)), probe("b", gave(2.0), gave(3.0))))
    other = with_numbers(suite("numpy", probe("a", gave(1.0)), probe("b", gave(2.0), gave(4.0))))
    (found,) = compare_reports({"ana": other, "ben": usual, "chloe": usual}).disagreements
    assert (found.area, found.subject, found.impact) == ("numerics", "numbers of numpy, as configured", "results")
    assert {group.value: group.reports for group in found.groups} == {
        "1 of 2 differ": ("ana",),
        "2 probes": ("ben", "chloe"),
    }
    assert (found.odd, found.note) == (("ana",), "b")
    assert "same numbers (4 answers of probes)" in compare_reports({"ana": usual, "ben": usual}).shared


def test_numbers_that_nobody_can_compare() -> None:
    """Answers of other probes, of a suite that crashes, and that do not repeat are neither equal nor different."""
    usual = with_numbers(suite("numpy", probe("a", gave(1.0))))
    noisy = with_numbers(suite("numpy", probe("a", failed("noisy")), probe("b", gave(1.0))))
    both = with_numbers(suite("numpy", probe("a", gave(1.0)), probe("b", gave(1.0))))
    crashed = with_numbers(replace(suite("numpy"), loaded="crashed"))
    others = with_numbers(suite("numpy", probe("a", gave(2.0)), source="22" * 32))
    unseen = report(numerics=Unknown(reason="no namespaces"))
    for one, other, reason, code in (
        (usual, others, "they are answers of other probes", 3),
        (usual, crashed, "importing it ended so: crashed", 3),
        (usual, unseen, "no namespaces", 3),
        (usual, both, "1 of 2 probes gave no answer, one thread", 3),
        (noisy, both, "1 of 2 probes do not repeat, one thread", 0),
        (usual, report(), "not recorded", 0),
    ):
        comparison = compare_reports({"ana": one, "ben": other})
        assert comparison.disagreements == ()
        assert reason in [each.reason for each in comparison.unseen]
        assert comparison.exit_code == code


@pytest.mark.parametrize("number", [3, 100])
def test_page(number: int) -> None:
    """The page closes what it opens, loads nothing, runs only what its policy names, and has each report."""
    reports = team(number)
    comparison = compare_reports(reports, signatures(reports))
    document = comparison_html(comparison)
    page = Page(document)
    assert page.open == []
    policy = next(each["content"] for each in page.texts_of(tag="meta") if each.get("http-equiv"))
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy)
    assert not re.search(r"https?://|src=|@import|url\(", document)
    texts = set(page.texts)
    assert reports.keys() <= texts
    regions = [each for each in page.texts_of(tag="div") if each.get("role") == "region"]
    assert all(
        each.get("tabindex") == "0" and (each.get("aria-label") or each.get("aria-labelledby")) for each in regions
    )
    assert {each.get("scope") for each in page.texts_of(tag="th")} >= {"col", "row", "rowgroup"}
    assert len({str(each["id"]) for _, each in page.elements if "id" in each}) == document.count(' id="')


def test_wide_pages_have_a_column_for_each_group() -> None:
    """Of a hundred reports those that agree share a column, and the rows of all columns are as long."""
    comparison = compare_reports(team(100, numbers=False))
    document = comparison_html(comparison)
    head = document[document.index("<thead>") : document.index("</thead>")]
    assert head.count("<th scope") == len(comparison.groups) + 1
    for row in re.findall(r'<tr class="(?:bad|warn|faint)"><th scope="row">.*', document):
        assert row.count("<td") <= len(comparison.groups)
    sizes = {f"n{at}": report(machine=machine(memory=(16 if at else 32) << 30)) for at in range(9)}
    assert "<span>16 GiB <small>×8</small></span>" in comparison_html(compare_reports(sizes))


def test_who_signed_and_what_was_judged() -> None:
    """Verdicts and signers are told beside the reports, and decide nothing."""
    reports = team(3, numbers=False)
    comparison = compare_reports(reports, signatures(reports))
    text = comparison_text(comparison)
    assert "Verified there: 2 match, 1 drift (ben)\n" in text
    assert "Signed: 2 by an allowed signer, 1 unsigned (chloe)\n" in text
    document = json.loads(comparison_json(comparison))
    assert [each["signed"] for each in document["columns"]] == ["ana@example.com", "ben@example.com", ""]
    assert [each["outcome"] for each in document["columns"]] == ["match", "drift", "match"]


def test_hostile_reports_stay_text() -> None:
    """Names and values of strangers become neither elements nor links, in a page and in Markdown."""

    def compared(name: str) -> Comparison:
        return compare_reports({f"{name} {at}": report(distributions=installed(numpy=f"{name}{at}")) for at in "12"})

    page, harmless = Page(comparison_html(compared(HOSTILE))), Page(comparison_html(compared("x")))
    assert page.open == []
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    comparison = compared(HOSTILE)
    markdown = comparison_markdown(comparison)
    assert "<script" not in markdown
    assert HOSTILE not in markdown


def test_markdown_fits_into_a_comment() -> None:
    """A comment says who is odd and on what, and is cut where it would not fit."""
    comparison = compare_reports(team(100))
    text = comparison_markdown(comparison)
    assert text.startswith("## ✗ 100 reports: disagree\n")
    assert "### Odd one out\n\n- <code>ben</code>: <code>tensorflow</code>" in text
    assert "### Changes results (" in text
    assert len(comparison_markdown(comparison, limit=3_000).encode()) <= 3_000


def test_forms_and_files(tmp_path: Path) -> None:
    """--format and --output write each form; a form that a comparison has not is refused before anything is read."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for name, each in team(3, numbers=False).items():
        (folder / f"{name}.json").write_bytes(report_bytes(each))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["compare", *arguments], standalone_mode=False)

    page, note = tmp_path / "page.html", tmp_path / "note.md"
    found = run(str(folder), "--format", "json", "-o", str(page), "-o", str(note))
    assert found.return_value == 1
    assert json.loads(found.output)["reports"] == ["ana", "ben", "chloe"]
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert note.read_text("utf-8").startswith("## ✗ 3 reports")
    for bad, reference in (
        ("x.sarif", "unknown-format"),
        ("html:-", "no-output"),
        (str(tmp_path / "no" / "x.html"), "no-output"),
    ):
        error = run(str(folder), "-o", bad).exception
        assert isinstance(error, UsageError)
        assert error.reference == reference
