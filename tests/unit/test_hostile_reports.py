"""Reports of strangers: whatever they call things, they steer no terminal, no page, no comment and no CI runner."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.model.edges import NoProgress
from envlock.model.machine import Accelerator, Accelerators
from envlock.model.numerics import Answer
from envlock.model.observation import Variables
from envlock.model.report import Installed, LockedAs, Report
from envlock.model.terms import Terms, VerifyTable
from envlock.model.unknown import Unknown
from envlock.operations.reports import Opened
from envlock.operations.verify import Witnesses
from envlock.operations.verify_report import verify_report
from envlock.report.comparison import comparison_text
from envlock.report.comparison_markdown import comparison_markdown
from envlock.report.matrix import comparison_html
from envlock.verify.comparison import compare_reports
from tests.unit.numerics import failed, gave, numerics, probe, suite
from tests.unit.reports import PACKAGES, gpu, machine, report
from tests.unit.reviewed import Team

EVIL = (
    "\x1b[31mE\x07\r\n::error file=x::pwn\n##[error]pwn <script>alert(1)</script> \"onx='`x` [a](javascript:1) @admin "
    "</code></details>\n\u202e"
)
LOCKED = LockedAs(env="train; touch pwned", digest="a" * 64)


def compared() -> dict[str, str]:
    """Compare two hostile reports, of which one could see nothing, in each form for people."""
    one = report(
        distributions=(*PACKAGES, Installed(name=EVIL, version=EVIL, installer=EVIL)),
        variables=Variables(origin="shell", values={EVIL: EVIL, "OMP_NUM_THREADS": EVIL}),
        machine=machine(),
        inputs={EVIL: "d" * 64},
    )
    blind = Unknown(reason=EVIL, hint=EVIL)
    other = report(variables=blind, machine=blind, numerics=blind, judged=blind, inputs={EVIL: "d" * 64})
    same = report(machine=blind, variables=blind)
    both = [compare_reports({"ana": one, "ben": other}), compare_reports({"ana": report(), "ben": same})]
    both.append(compare_reports({"ana": one, "ben": report(inputs={EVIL: "d" * 64})}))
    return {
        "text": "".join(comparison_text(each, everything=True) for each in both),
        "markdown": "".join(map(comparison_markdown, both)),
        "html": "".join(map(comparison_html, both)),
    }


def test_terminals_and_runners() -> None:
    """No control character passes, and no line begins as a command of a CI runner does."""
    text = compared()["text"]
    assert r"\x1b[31mE" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert not re.search(r"(?m)^\s*::", text)


def test_pages_and_comments() -> None:
    """Neither HTML nor a link, nor a mention, comes of what a report says."""
    forms = compared()
    assert "<script>alert" not in forms["html"] + forms["markdown"]
    assert 'onx="' not in forms["html"]
    assert not re.search(r"\]\(javascript|@admin|</code></details>", forms["markdown"])


def test_commands_to_be_pasted_are_quoted(tmp_path: Path) -> None:
    """The name of an environment comes out of a report, and stands in a command that people copy."""
    team = Team(tmp_path / "project")
    lock = team.lock()
    hostile = report(lock=LOCKED, checkout=None)
    differing = report(lock=LOCKED, distributions=(), machine=machine())
    (first, *_) = compare_reports({"ana": hostile, "ben": differing}).fix
    assert first.endswith("envlock sync 'train; touch pwned' && envlock verify 'train; touch pwned'")
    with pytest.raises(UsageError) as caught:
        verify_report(
            lock,
            Opened(report=hostile, where="x.json"),
            witnesses=Witnesses(records=None, progress=NoProgress()),  # type: ignore[arg-type]  # a report has no files
            terms=Terms(today=datetime.date(2026, 11, 22), table=VerifyTable()),
        )
    assert caught.value.hint.startswith("envlock verify 'train; touch pwned' --report x.json")


@pytest.mark.parametrize("blanks", ["", " ", "        "])
def test_errors_give_no_commands(blanks: str) -> None:
    """GitHub's runner takes commands from what programs say of a file that a pull request named."""
    error = IntegrityError("x", "y", where=f"a\n{blanks}::set-output name=missing::[]", found="b ##[error]c")
    assert not re.search(r"(?m)^\s*::|##\[", str(error))


def test_a_report_that_does_not_repeat_hides_no_difference() -> None:
    """Two say something else, and the third one's noise must not make them agree."""

    def answered(answer: Answer) -> Report:
        return report(numerics=numerics(suite("numpy", probe("dot", answer), probe("sum", gave(1.0)))))

    ana, ben, noise = answered(gave(1.0)), answered(gave(2.0)), answered(failed("noisy"))
    assert compare_reports({"ana": ana, "ben": ana, "cem": noise}).outcome == "agree"
    found = compare_reports({"ana": ana, "ben": ben, "cem": noise})
    assert found.outcome == "unknown"
    assert any(each.reason.endswith("; where they do, they differ") for each in found.unseen if each.failed)


@pytest.mark.parametrize(("devices", "told"), [((gpu(),), True), ((), False)])
def test_a_driver_that_nobody_saw(devices: tuple[Accelerator, ...], told: bool) -> None:
    """Beside a GPU it is unknown, and is told; without one there is none to know."""
    known = report(machine=machine(accelerators=Accelerators(devices=(gpu(),), driver="470.1")))
    other = report(machine=machine(accelerators=Accelerators(devices=devices)))
    unseen = compare_reports({"ana": known, "ben": other}).unseen
    assert [each.reports for each in unseen if "GPU driver" in each.subject] == ([("ben",)] if told else [])
