"""Verdicts as text: whole outputs, order and exit codes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from envlock.model.finding import Finding, Nature, Rule, Severity, Summary, Verdict, judge
from envlock.report.style import Meaning
from envlock.report.verdict import verdict_text

SUMMARY = Summary(
    env="tf25",
    lock_digest="ab" * 32,
    target=".venv",
    mode="full",
    packages=44,
    locked_packages=44,
    files=16_597,
    size=1_420_000_000,
    python="3.9.2",
)
VERSION = Rule(id="package-version", family="PKG", title="T.", why="Another release is other code.")
TAMPERED = Rule(
    id="file-tampered", family="FILE", title="T.", why="The code is not.", nature="integrity", impact="security"
)


def finding(nature: Nature, severity: Severity = "error") -> Finding:
    return VERSION.finding("six", nature=nature, severity=severity)


@pytest.mark.parametrize(
    ("findings", "strict", "code"),
    [
        ([], False, 0),
        ([finding("drift")], False, 1),
        ([finding("unknown")], False, 3),
        ([finding("unknown"), finding("drift")], False, 1),
        ([finding("unknown"), finding("drift"), finding("integrity")], False, 4),
        ([finding("drift", "warning")], False, 0),
        ([finding("drift", "warning")], True, 1),
        ([finding("unknown", "info")], True, 0),
    ],
)
def test_exit_codes(findings: list[Finding], strict: bool, code: int) -> None:
    """Where several hold: 4, then 1, then 3; --strict promotes warnings, infos never count."""
    assert judge(SUMMARY, findings, strict=strict).exit_code == code


def test_a_match_is_one_line() -> None:
    """Nothing to say is said in one line that tells how much was proven."""
    assert verdict_text(judge(SUMMARY, [])) == "tf25: 44 packages, 16,597 files, Python 3.9.2: match\n"


def drifted() -> Verdict:
    rows = [
        VERSION.finding("six", expected="1.15.0", found="1.16.0", fix="envlock sync tf25", package="six"),
        VERSION.finding(
            "tensorflow",
            expected="2.5.0",
            found="2.6.0",
            fix="envlock sync tf25",
            why="RandomFlip draws other numbers.",
            impact="results",
            rank=0,
        ),
        VERSION.finding("absl-py", expected="0.12.0", found="0.13.0", fix="envlock sync tf25"),
        VERSION.finding("python", expected="3.9.2", found="3.9.18", severity="warning", fix="envlock build tf25"),
        TAMPERED.finding(
            "numpy: lib/python3.9/site-packages/numpy/core/multiarray.py",
            expected="sha256 " + "12" * 32,
            found="sha256 " + "34" * 32 + "; RECORD was rewritten to match",
            fix="envlock sync tf25 --reinstall",
        ),
        VERSION.finding("bytecode", found="it could not be run", nature="unknown"),
    ]
    return judge(SUMMARY, rows)


def test_text() -> None:
    """Broken integrity, then what changes results, then the rest, the unknown and the warnings; and what to do."""
    assert (
        verdict_text(drifted())
        == """\
tf25 (locked) → .venv (found)

Contradicts the lock's digests
  ✗ numpy: lib/python3.9/site-packages/numpy/core/multiarray.py  [file-tampered]
      expected  sha256 121212121212…
      found     sha256 343434343434…; RECORD was rewritten to match
      The code is not.

Changes results
  ✗ tensorflow  2.5.0  → 2.6.0  [package-version]
      RandomFlip draws other numbers.

May change behaviour
  ✗ absl-py  0.12.0  → 0.13.0  [package-version]
  ✗ six      1.15.0  → 1.16.0  [package-version]
      Another release is other code.

Could not be verified
  ? bytecode    → it could not be run  [package-version]
      Another release is other code.

Warnings
  ! python  3.9.2  → 3.9.18  [package-version]
      Another release is other code.

next:  envlock sync tf25 --reinstall
       envlock sync tf25

tf25: 44 packages, 16,597 files, Python 3.9.2: INTEGRITY FAILURE (5 errors, 1 warning)
"""
    )


def test_waived_findings_and_what_was_not_judged() -> None:
    """A waived finding is told with its reason and date, also of a match; notes and unjudged rules where asked for."""
    waived = replace(finding("drift", "info"), waiver="ported next month (until 2027-03-31)")
    summary = replace(SUMMARY, packages=43, hardware="class a100", settings="image")
    verdict = judge(
        summary, [waived, finding("drift", "info")], unjudged=dict.fromkeys(("image-lock", "image-label"), "no image")
    )
    head = "tf25 (locked) → .venv (found)\n\nWaived\n  - six    →   [package-version]\n"
    waiver = "      waived: ported next month (until 2027-03-31)\n\n"
    line = "tf25: 43 of 44 packages, 16,597 files, Python 3.9.2, hardware: class a100, settings of the image: match"
    assert verdict_text(verdict) == f"{head}{waiver}{line} (1 note, 1 waived; --verbose lists notes)\n"
    everything = verdict_text(verdict, everything=True)
    assert "Notes\n  - six    →   [package-version]\n      Another release is other code.\n" in everything
    assert "Not judged\n  - 2 rules: no image\n      image-lock, image-label\n" in everything
    assert everything.endswith(f"{line} (1 note, 1 waived)\n")


def test_a_quick_match_says_what_it_does_not_prove() -> None:
    """Without --full nobody read the files, and a report is somebody's word."""
    quick = replace(SUMMARY, mode="quick", files=0)
    assert verdict_text(judge(quick, [])).endswith("match by version and size; --full compares every byte\n")
    assert verdict_text(judge(replace(quick, image="ab" * 32), [])).endswith("match by its digest in envlock.sum\n")
    told = replace(SUMMARY, claim="as the report of 2026-11-02 says")
    assert verdict_text(judge(told, [])).endswith("match as the report of 2026-11-02 says\n")


def test_warnings_are_mended_too() -> None:
    """Where there is no error, the commands that mend the warnings are proposed."""
    verdict = judge(SUMMARY, [VERSION.finding("six", severity="warning", fix="envlock sync tf25")])
    assert "\nnext:  envlock sync tf25\n" in verdict_text(verdict)


def test_a_target_cannot_write_lines_of_ours() -> None:
    """Names with line breaks and control characters stay in their line, escaped."""
    hostile = "six\n::error::owned\x1b[31m\u202e"
    verdict = judge(replace(SUMMARY, target=hostile), [VERSION.finding(hostile, found=hostile, fix=hostile)])
    text = verdict_text(verdict)
    assert not any(line.startswith(("::", "next:  six\n")) for line in text.splitlines())
    assert all(character.isprintable() or character == "\n" for character in text)


def test_findings_of_one_reason_stand_together() -> None:
    """What is the same reason for several packages is said once, below them."""
    rows = [VERSION.finding(name, why="Gone." if name == "h5py" else "") for name in ("absl-py", "h5py", "six")]
    text = verdict_text(judge(SUMMARY, rows))
    assert text.index("absl-py") < text.index("six") < text.index("h5py")
    assert text.count("Another release is other code.") == 1


def test_style_is_the_callers() -> None:
    """Renderers name meanings; colours are somebody else's."""
    seen: set[str] = set()

    def style(text: str, meaning: Meaning) -> str:
        seen.add(meaning)
        return f"<{text}>"

    assert "<✗> " in verdict_text(drifted(), style=style)
    assert seen == {"bad", "warn", "faint", "strong"}


def test_long_lists_are_counted() -> None:
    """A thousand differences do not scroll the first one away, unless everything is asked for."""
    verdict = judge(SUMMARY, [VERSION.finding(f"p{at:03}", expected="1", found="2") for at in range(100)])
    assert "  and 88 more (package-version); --verbose lists all\n" in verdict_text(verdict)
    assert verdict_text(verdict, everything=True).count("[package-version]") == 100
