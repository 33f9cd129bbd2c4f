"""`verify --report`: the same rules judge what a report says, and the verdict says that it rests on a report's word."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.report import report_bytes
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import Interpreter
from envlock.model.report import Checkout, Installed, LockedAs, Report, Source, Startup
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.operations.report import Scene, report_on
from envlock.operations.reports import Opened, Trust, parse_signed
from envlock.operations.verify import Witnesses
from envlock.operations.verify_report import verify_report
from envlock.report.verdict import verdict_text
from tests.unit.reports import ROOT, NobodySigns, machine, report
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import make_wheel

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


class Sent:
    """A venv, the lock of what is in it, and the report that somebody makes of it."""

    def __init__(self, folder: Path) -> None:
        self.venv = Venv(folder / "venv")
        self.wheels = [demo_wheel(folder), make_wheel(folder, "plain")]
        for wheel in self.wheels:
            self.venv.install(wheel)
        self.lock = lock_of(self.wheels)
        self.path = folder / "ana.json"

    def report(self, *, full: bool = False, **changes: Any) -> Report:
        """Return a report of it, with changes."""
        return replace(report_on(self.venv.prefix, self.venv, Scene(now=NOW, machine=machine), full=full), **changes)

    def verify(self, found: Report, *, lock: LockFile | None = None, full: bool = False, **more: Any) -> Verdict:
        """Verify a report."""
        self.path.write_bytes(report_bytes(found))
        return verify_report(
            lock or self.lock,
            opened(self.path),
            witnesses=Witnesses(records=lambda wheel: None),
            terms=Terms(full=full, today=NOW.date()),
            **more,
        )


def opened(path: Path) -> Opened:
    """Return a report that nobody signed."""
    return parse_signed(path.read_bytes(), None, str(path), Trust(signatures=NobodySigns()))


@pytest.fixture
def sent(tmp_path: Path) -> Sent:
    return Sent(tmp_path)


def errors(verdict: Verdict) -> list[tuple[str, str]]:
    """Return rule and package of a verdict's errors."""
    return [(each.rule, each.package) for each in verdict.findings if each.severity == "error"]


def test_match_by_versions_claims_no_more(sent: Sent) -> None:
    """A quick report matches by its versions; the summary says so, and which rules had no files to look at."""
    verdict = sent.verify(sent.report())
    assert (verdict.exit_code, verdict.summary.packages, verdict.summary.files) == (0, 2, 0)
    assert verdict.summary.claim == "as the report of 2026-11-22 says, by versions"
    assert verdict_text(verdict).rstrip().endswith("as the report of 2026-11-22 says, by versions")
    assert verdict.unjudged["file-tampered"] == "a report holds no files"
    assert "package-rebuilt" in verdict.unjudged


def test_full_report_proves_packages(sent: Sent) -> None:
    """Contents in the report are held against the lock's: other files are drift, and no claim is tampering."""
    verdict = sent.verify(sent.report(full=True), full=True)
    assert (verdict.exit_code, verdict.summary.packages, errors(verdict)) == (0, 2, [])
    assert "package-rebuilt" not in verdict.unjudged
    (sent.venv.site / "plain/__init__.py").write_text("value = 2\n")
    verdict = sent.verify(sent.report(full=True))
    assert (verdict.exit_code, errors(verdict)) == (1, [("package-rebuilt", "plain")])
    assert verdict.summary.packages == 1
    assert finding_of(verdict, "package-rebuilt").found == "1.0, with other files"


def test_package_without_digest_in_a_full_report_is_unknown(sent: Sent) -> None:
    """What a full report could not hash is not verified: exit code 3."""
    (sent.venv.site / "plain/__init__.py").unlink()
    verdict = sent.verify(sent.report(full=True))
    assert (verdict.exit_code, errors(verdict)) == (3, [("package-unproven", "plain")])


def test_proof_asked_of_a_quick_report(sent: Sent) -> None:
    """--full of a report that names versions alone is exit code 3, with how to make another one."""
    with pytest.raises(UnverifiableError) as raised:
        sent.verify(sent.report(), full=True)
    assert raised.value.exit_code == 3
    assert "--full" in raised.value.hint


def test_packages_and_interpreter(sent: Sent) -> None:
    """Missing, other, extra and editable packages and another Python are what they are anywhere else."""
    found = sent.report(
        interpreter=Interpreter(implementation="cpython", version="3.10.1", system="linux", machine="x86_64"),
        distributions=(
            Installed(name="demo", version="2.0"),
            Installed(name="stranger", version="1.0", source=Source(kind="vcs")),
        ),
    )
    verdict = sent.verify(found)
    assert verdict.exit_code == 1
    assert {"package-version", "package-missing", "package-extra", "python-version"} <= set(rules_of(verdict))
    editable = sent.report(
        distributions=(
            Installed(name="demo", version="1.0", source=Source(kind="directory", editable=True)),
            Installed(name="plain", version="1.0"),
        )
    )
    verdict = sent.verify(editable)
    assert errors(verdict) == [("package-editable", "demo")]
    assert "leaves out" in finding_of(verdict, "package-editable").found


def test_code_that_runs_at_start(sent: Sent) -> None:
    """A sitecustomize of the report is a finding whose fix names no path of this machine."""
    verdict = sent.verify(sent.report(startup=(Startup(name="sitecustomize.py", sha256="a" * 64),)))
    finding = finding_of(verdict, "startup-code")
    assert (verdict.exit_code, finding.impact, finding.subject) == (1, "security", "site-packages/sitecustomize.py")
    assert finding.fix == "there: rm site-packages/sitecustomize.py"
    for name in ("hook.pth", "hook.start", "sitecustomize/__init__.py"):
        verdict = sent.verify(sent.report(startup=(Startup(name=name, sha256="a" * 64),)))
        assert finding_of(verdict, "startup-code").severity == "error"


def test_environment_nobody_saw(sent: Sent) -> None:
    """A report that could not see its environment verifies nothing: exit code 3 with the report's reason."""
    unseen = Unknown(reason="the interpreter did not answer")
    verdict = sent.verify(sent.report(interpreter=unseen, distributions=unseen))
    assert verdict.exit_code == 3
    assert finding_of(verdict, "target-unknown").found == "the interpreter did not answer"


def test_report_of_another_project_or_environment(sent: Sent) -> None:
    """Another repository's or another environment's report is exit code 2, with what to do."""
    here = Checkout(commit="1" * 40, dirty=False, root=ROOT)
    there = Checkout(commit="2" * 40, dirty=False, root="e" * 40)
    with pytest.raises(UsageError) as raised:
        sent.verify(sent.report(checkout=there), checkout=here)
    assert (raised.value.reference, raised.value.exit_code) == ("other-project", 2)
    with pytest.raises(UsageError) as raised:
        sent.verify(sent.report(lock=LockedAs(env="other", digest="a" * 64)))
    assert raised.value.reference == "other-environment"
    assert "envlock verify other --report" in raised.value.hint
    same = sent.report(checkout=replace(there, root=ROOT), lock=LockedAs(env="demo", digest="a" * 64))
    assert sent.verify(same, checkout=here).exit_code == 0


def test_shallow_clones_are_no_other_project(sent: Sent) -> None:
    """Where the first commit is not known, nobody is called a stranger."""
    shallow = Checkout(commit="2" * 40, dirty=False)
    assert sent.verify(sent.report(checkout=shallow), checkout=replace(shallow, root=ROOT)).exit_code == 0
    assert sent.verify(sent.report(checkout=Unknown(reason="no git")), checkout=shallow).exit_code == 0


@pytest.mark.parametrize(
    ("raw", "reference"),
    [
        ("{}", "not-a-report"),
        ('{"schema": 2}', "newer-report"),
        (json.dumps(json.loads(report_bytes(report())) | {"full": True}), "damaged-report"),
    ],
)
def test_bad_reports(sent: Sent, raw: str, reference: str) -> None:
    """Another schema, another document and a damaged one are exit code 2."""
    sent.path.write_text(raw)
    with pytest.raises(UsageError) as raised:
        verify_report(sent.lock, opened(sent.path), witnesses=Witnesses(records=lambda wheel: None), terms=Terms())
    assert raised.value.reference == reference
