"""What a manifest says of rules: severities, waivers with their last day, and what neither can change."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from envlock.errors import UsageError
from envlock.model.finding import Finding, Nature, Severity, Verdict
from envlock.model.lock import Policy
from envlock.model.manifest_parser import find_manifest
from envlock.model.observation import Observation
from envlock.model.terms import Terms, VerifyTable, Waiver
from envlock.operations.inputs import inputs_of
from envlock.verify.acceptance import accepted
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of
from envlock.verify.rules import all_rules
from tests.unit.venvs import lock_of

TODAY = datetime.date(2026, 6, 30)
MANIFEST = '[env.a]\npython = "3.11"\ndependencies = ["six"]\n'


def case_of(policy: Policy = "numeric", *, strict: bool = False, **table: Any) -> Case:
    terms = Terms(today=TODAY, strict=strict, table=VerifyTable(**table))
    return Case(lock_of(policy=policy), Observation(target=".venv", full=False, environment=None), terms=terms)


def found(
    rule: str = "package-extra",
    subject: str = "stranger",
    *,
    nature: Nature | None = None,
    severity: Severity | None = None,
) -> Finding:
    (own,) = [each for each in all_rules() if each.id == rule]
    return own.finding(subject, nature=nature, severity=severity)


def levels(case: Case, *findings: Finding) -> list[str]:
    return [f"{row.rule} {row.severity}" for row in accepted(findings, case)]


def waiver(rule: str = "package-extra", subject: str = "*", until: str = "2026-06-30") -> Waiver:
    return Waiver(rule=rule, subject=subject, reason="agreed", until=until)


def test_a_severity_of_the_manifest_goes_before_the_policy() -> None:
    """Raised, lowered or turned off, rule by rule."""
    both = found(), found("python-patch", "python")
    assert levels(case_of(rules={"package-extra": "error"}), *both) == ["package-extra error", "python-patch warning"]
    assert levels(case_of(rules={"python-patch": "off"}), *both) == ["package-extra warning"]
    assert levels(case_of(rules={"python-patch": "info"}), *both)[1] == "python-patch info"
    lowered = case_of("bitwise", rules={"python-patch": "warning"})
    assert levels(lowered, found("python-patch", severity="error")) == ["python-patch warning"]


def test_notes_stay_notes() -> None:
    """What a rule only tells, such as a setting of a plain shell, is raised by no severity; a rule of notes is."""
    told = found("threads-count", "threads", severity="info")
    assert levels(case_of(rules={"threads-count": "warning"}), told) == ["threads-count info"]
    assert levels(case_of("compatible", rules={"threads-count": "error"}), told) == ["threads-count info"]
    assert levels(case_of(rules={"waiver-unused": "error"}, waivers=(waiver(),))) == ["waiver-unused error"]


def test_bytes_that_contradict_a_digest_stay_an_error() -> None:
    """No severity and no waiver changes that, and the waiver is said to be of no use."""
    tampered = found("file-tampered", "six.py")
    assert tampered.nature == "integrity"
    case = case_of(rules={"file-tampered": "off"}, waivers=(waiver("file-tampered"),))
    rows = accepted([tampered], case)
    assert [(row.rule, row.severity) for row in rows] == [("file-tampered", "error"), ("waiver-unused", "info")]
    assert "bytes contradict the lock" in rows[1].found


def test_what_was_not_observed_is_no_pass_by_a_severity() -> None:
    """It can be raised, and it can be waived with a reason and a day; a target that was not seen at all can't be."""
    unknown = found("package-unproven", "six")
    assert levels(case_of(rules={"package-unproven": "off"}), unknown) == ["package-unproven error"]
    assert levels(case_of(waivers=(waiver("package-unproven"),)), unknown) == ["package-unproven info"]
    blind = found("target-unknown", "target")
    assert levels(case_of(waivers=(waiver("target-unknown"),)), blind)[0] == "target-unknown error"
    raised = found("python-patch", nature="unknown", severity="warning")
    assert levels(case_of(rules={"python-patch": "error"}), raised) == ["python-patch error"]


def test_a_waiver_holds_to_its_last_day() -> None:
    """It covers what its glob matches, and the finding says why and until when; --strict does not promote it."""
    case = case_of(waivers=(waiver(subject="strang*"),), strict=True)
    covered, other = accepted([found(), found(subject="another")], case)
    assert (covered.severity, covered.waiver) == ("info", "agreed (until 2026-06-30)")
    assert (other.severity, other.waiver) == ("warning", "")


def test_a_subject_is_also_taken_as_it_is() -> None:
    """Brackets of a subject need no escaping."""
    case = case_of(waivers=(waiver(subject="a[b]"),))
    assert accepted([found(subject="a[b]")], case)[0].waiver
    assert not accepted([found(subject="b")], case)[0].waiver


def test_an_expired_waiver_is_drift() -> None:
    """Beside the finding that it no longer covers; where there is none left it is a note."""
    case = case_of(waivers=(waiver(until="2026-06-29"),))
    rows = accepted([found()], case)
    assert [(row.rule, row.severity, row.nature) for row in rows] == [
        ("package-extra", "warning", "drift"),
        ("waiver-expired", "error", "drift"),
    ]
    assert rows[1].subject == "package-extra *"
    assert rows[1].found == "1 finding that it no longer covers"
    assert levels(case) == ["waiver-unused info"]


def test_an_unknown_rule_is_no_verdict() -> None:
    """Said with the table and the nearest name, for severities and waivers alike."""
    for case, where in (
        (case_of(rules={"package-extras": "error"}), "[env.demo.verify].rules"),
        (case_of(waivers=(waiver("package-extras"),)), "[env.demo.verify].waivers"),
    ):
        with pytest.raises(UsageError) as caught:
            verdict_of(case)
        assert (caught.value.reference, caught.value.where) == ("unknown-rule", where)
        assert caught.value.hint == "Did you mean 'package-extra'?"


def test_a_stale_lock_is_drift() -> None:
    """One finding for each input that changed, with what changed; nothing where it is fresh."""
    observation = Observation(target=".venv", full=False, environment=None)

    def verdict(*stale: str) -> Verdict:
        return verdict_of(Case(lock_of(), observation, terms=Terms(stale=stale)))

    fresh, stale = verdict(), verdict("requirements: added numpy", "python: 3.9 → 3.11")
    assert not [row for row in fresh.findings if row.rule == "lock-stale"]
    rows = [row for row in stale.findings if row.rule == "lock-stale"]
    assert [(row.subject, row.found, row.fix) for row in rows] == [
        ("python", "3.9 → 3.11", "envlock lock demo"),
        ("requirements", "added numpy", "envlock lock demo"),
    ]
    assert stale.outcome == "drift"


def manifest(folder: Path, text: str) -> VerifyTable:
    (folder / "envlock.toml").write_text(MANIFEST + text)
    return find_manifest(folder).environment("a").verify


def test_the_manifest_gives_severities_and_waivers(tmp_path: Path) -> None:
    """A TOML date is a date."""
    table = manifest(
        tmp_path,
        '[env.a.verify]\nrules = { package-extra = "error" }\n'
        '[[env.a.verify.waivers]]\nrule = "python-patch"\nreason = "soon"\nuntil = 2027-03-31\n',
    )
    assert table == VerifyTable(
        rules={"package-extra": "error"},
        waivers=(Waiver(rule="python-patch", subject="*", reason="soon", until="2027-03-31"),),
    )


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (
            '[env.a.verify]\nrules = { package-extra = "fatal" }',
            "env.a.verify.rules",
            "one of: error, info, off, warning",
        ),
        ("[env.a.verify]\nrule = 1", "env.a.verify", "Did you mean 'rules'?"),
        ('[[env.a.verify.waivers]]\nrule = "x"\nuntil = 2027-03-31', "env.a.verify.waivers[0]", "`reason`"),
        (
            '[[env.a.verify.waivers]]\nrule = "x"\nreason = " "\nuntil = 2027-03-31',
            "env.a.verify.waivers[0].reason",
            "no reason",
        ),
        *(
            (f'[[env.a.verify.waivers]]\nrule = "x"\nreason = "y"\nuntil = {day}', "waivers[0].until", "2027-03-31")
            for day in ('"soon"', "2027-03-31T00:00:00Z", '"2027-02-30"', '"20270331"', '""')
        ),
    ],
)
def test_what_is_no_waiver_says_where(tmp_path: Path, text: str, where: str, words: str) -> None:
    """Key, expected and found, before anything is verified."""
    with pytest.raises(UsageError) as caught:
        manifest(tmp_path, text)
    assert where in caught.value.where
    assert words in str(caught.value)


def test_extends_merges_them(tmp_path: Path) -> None:
    """Severities by rule, the nearer table's before; waivers are all of them, each once."""
    shared = '[[env.{}.verify.waivers]]\nrule = "{}"\nreason = "r"\nuntil = 2027-03-31\n'
    table = manifest(
        tmp_path,
        'extends = "base"\n[env.a.verify]\nrules = { package-extra = "off" }\n'
        + shared.format("a", "python-patch")
        + shared.format("a", "file-size")
        + '[env.base]\nabstract = true\n[env.base.verify]\nrules = { package-extra = "error", file-size = "info" }\n'
        + shared.format("base", "python-patch"),
    )
    assert table.rules == {"package-extra": "off", "file-size": "info"}
    assert [each.rule for each in table.waivers] == ["python-patch", "file-size"]


def test_no_lock_follows_from_them(tmp_path: Path) -> None:
    """They say how strictly is judged, nothing of the environment: inputs, and with them `lock --check`, stay equal."""

    def inputs(text: str) -> dict[str, str]:
        manifest(tmp_path, text)
        whole = find_manifest(tmp_path)
        return inputs_of(whole, whole.environment("a"))

    table = '[env.a.verify]\nrules = { package-extra = "error" }\n'
    waived = '[[env.a.verify.waivers]]\nrule = "python-patch"\nreason = "soon"\nuntil = 2027-03-31\n'
    assert inputs("") == inputs(table) == inputs(table + waived)
