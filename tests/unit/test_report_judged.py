"""What a report says of a lock: the verdict, requirements and numbers, and that all of it names nobody."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace

from envlock.adapters.probing import PythonProbing
from envlock.errors import UsageError
from envlock.formats.fingerprint import fingerprint_bytes, numerics_document, parse_numerics
from envlock.formats.report import parse_report, report_bytes
from envlock.model.finding import Rule, Summary, judge
from envlock.model.lock import LockFile
from envlock.model.numerics import Numerics
from envlock.model.observation import Environment, Observation, Variables
from envlock.model.report import Judged, Report, Told
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.operations.numerics import Numbers, Questions, Stage
from envlock.operations.report import Scene, report_on
from envlock.operations.report_judged import MOST_FINDINGS, Trial, judged
from envlock.operations.report_redaction import redacted_report
from envlock.operations.verify import Witnesses
from tests.unit.numerics import CONDITIONS, failed, fingerprint, gave, numerics, probe, suite
from tests.unit.reports import machine, report
from tests.unit.test_report import NOW, SCHEMA, distributions
from tests.unit.venvs import BrokenInterpreter, Venv, lock_of
from tests.unit.wheels import make_wheel

TODAY = datetime.date(2026, 11, 22)


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def trial(lock_file: LockFile, venv: Venv | BrokenInterpreter, folder: Path, numbers: Numbers | None = None) -> Trial:
    """Return how an environment is held against a lock, on a machine that is always the same."""
    witnesses = Witnesses(
        records=lambda wheel: None,
        interpreter=venv,
        machine=machine,
        variables=Variables(origin="shell", values={}),
    )
    return Trial(lock_file=lock_file, folder=folder, witnesses=witnesses, terms=Terms(today=TODAY), numbers=numbers)


def written(found: Report) -> Report:
    """Expect that a report fits its schema and is read back as it was, and return it."""
    raw = report_bytes(found)
    jsonschema.validate(json.loads(raw), SCHEMA)
    assert parse_report(raw, "report") == found
    return found


@pytest.mark.parametrize("full", [False, True])
def test_the_verdict_is_in_the_report(tmp_path: Path, venv: Venv, *, full: bool) -> None:
    """One look at the environment serves report and verdict; a match says against which lock, and how deep."""
    wheel = make_wheel(tmp_path, "demo")
    venv.install(wheel)
    lock_file = lock_of([wheel])
    scene = Scene(now=NOW, trial=trial(lock_file, venv, tmp_path))
    found = written(report_on(venv.prefix, venv, scene, full=full))
    assert found.judged == Judged(lock=lock_file.digest, mode="full" if full else "quick", outcome="match")
    assert found.machine == machine()
    assert set(distributions(found)) == {"demo"}


def test_differences_are_in_the_report(tmp_path: Path, venv: Venv) -> None:
    """What `envlock verify` would say: rule, severity, impact, subject and both sides, the weightiest first."""
    venv.install(make_wheel(tmp_path, "numpy", "1.19.5"))
    venv.install(make_wheel(tmp_path, "stray", "1.0"))
    lock_file = lock_of([make_wheel(tmp_path, "numpy", "1.21.0")])
    found = written(report_on(venv.prefix, venv, Scene(now=NOW, trial=trial(lock_file, venv, tmp_path)), full=False))
    assert isinstance(found.judged, Judged)
    assert found.judged.outcome == "drift"
    assert found.judged.findings[0] == Told(
        rule="package-version",
        severity="error",
        impact="results",
        subject="numpy",
        expected="1.21.0",
        found="1.19.5",
        package="numpy",
    )
    assert [each.rule for each in found.judged.findings[1:]] == ["package-extra"]


def test_nothing_seen_is_no_match(tmp_path: Path, venv: Venv) -> None:
    """An environment whose Python does not answer is unverified, never a match."""
    wheel, broken = make_wheel(tmp_path), BrokenInterpreter()
    venv.install(wheel)
    scene = Scene(now=NOW, trial=trial(lock_of([wheel]), broken, tmp_path))
    found = written(report_on(venv.prefix, broken, scene, full=False))
    assert isinstance(found.judged, Judged)
    assert found.judged.outcome == "unverified"


def test_a_lock_that_cannot_be_used_is_told(venv: Venv) -> None:
    """The report is whole all the same, and says why nothing was held against the lock."""
    why = Unknown(reason="The lock is not TOML.", hint="Run `envlock lock`.")
    assert written(report_on(venv.prefix, venv, Scene(now=NOW, trial=why), full=False)).judged == why


def test_many_findings_are_counted(tmp_path: Path) -> None:
    """A report tells the first hundreds, and how many it does not tell; notes are no findings of it."""
    rule = Rule(id="r", family="FILE", title="", why="")
    many = [rule.finding(f"{at:04}") for at in range(MOST_FINDINGS + 7)] + [rule.finding("note", severity="info")]
    summary = Summary(env="demo", lock_digest="e" * 64, target="x", mode="full")
    found = judged(judge(summary, many))
    assert (len(found.findings), found.untold, found.outcome) == (MOST_FINDINGS, 7, "drift")


ODD = ['odd; python_version ~= "3"', 'odd; "a" ~= "b"']
"""Markers that compare what cannot be compared."""


def test_requirements_of_what_is_installed(tmp_path: Path, venv: Venv) -> None:
    """Markers are those of the target's own Python, and extras count where something installed asks for them."""
    needs = {
        "app": ["Fancy_Lib[plot]>=2", 'old; python_version < "3"', "app", "not a requirement !", *ODD],
        "fancy-lib": ["base", 'chart; extra == "plot"', 'docs; extra == "doc"', 'win; sys_platform == "win32"'],
        "plain": [],
    }
    for name, rows in needs.items():
        info = venv.install(make_wheel(tmp_path, name.replace("-", "_")))
        text = (info / "METADATA").read_text() + "".join(f"Requires-Dist: {row}\n" for row in rows)
        (info / "METADATA").write_text(text + "\nRequires-Dist: of the description\n")
    found = distributions(written(report_on(venv.prefix, venv, Scene(now=NOW), full=False)))
    assert {name: each.requires for name, each in found.items()} == {
        "app": ("fancy-lib",),
        "fancy-lib": ("base", "chart"),
        "plain": (),
    }
    venv.answers = {"implementation": "pypy"}
    found = distributions(report_on(venv.prefix, venv, Scene(now=NOW), full=False))
    assert {each.requires for each in found.values()} == {()}


def test_probes_that_cannot_run_are_told(tmp_path: Path, venv: Venv) -> None:
    """Numbers that were asked for and could not be had are unknown with a reason, and judge nothing."""

    @contextlib.contextmanager
    def nowhere(_: Observation) -> Iterator[Stage | Unknown]:
        yield Unknown(reason="nothing starts in /home/ana/x")

    wheel = make_wheel(tmp_path)
    venv.install(wheel)
    numbers = Numbers(stage=nowhere, questions=Questions(targets={}, folder=tmp_path), fingerprints=tmp_path)
    scene = Scene(now=NOW, trial=trial(lock_of([wheel]), venv, tmp_path, numbers))
    found = written(report_on(venv.prefix, venv, scene, full=False))
    assert found.numerics == Unknown(reason="nothing starts in <path>")
    assert isinstance(found.judged, Judged)
    assert found.judged.outcome == "match"


def test_answers_are_judged_by_the_fingerprint_of_the_lock(tmp_path: Path, venv: Venv) -> None:
    """Without a fingerprint answers are kept alone; with one of this lock a divergence is drift, of another nothing."""

    @contextlib.contextmanager
    def here(observation: Observation) -> Iterator[Stage | Unknown]:
        assert isinstance(observation.environment, Environment)
        place = PythonProbing(Path(sys.executable))
        yield Stage(place=place, environ={}, environment=observation.environment, machine=machine())

    wheel = make_wheel(tmp_path)
    venv.install(wheel)
    lock_file = lock_of([wheel])
    (tmp_path / "check.py").write_text("def total():\n    return [0.25, 3.0]\n")
    folder = tmp_path / "fingerprints"
    numbers = Numbers(
        stage=here, questions=Questions(targets={"total": "check:total"}, folder=tmp_path), fingerprints=folder
    )
    scene = Scene(now=NOW, trial=trial(lock_file, venv, tmp_path, numbers))

    def seen() -> tuple[Numerics, str, list[str]]:
        found = written(report_on(venv.prefix, venv, scene, full=False))
        assert isinstance(found.numerics, Numerics)
        assert isinstance(found.judged, Judged)
        return found.numerics, found.judged.outcome, [each.rule for each in found.judged.findings]

    answers, *told = seen()
    assert told == ["match", []]
    other = replace(answers.suites[0], probes=(probe("total", gave(1.0, 3.0, dtype="<f8")),))
    for lock, expected in (
        ("ab" * 32, ["match", []]),
        (lock_file.digest, ["drift", ["numerics-diverged", "numerics-diverged"]]),
    ):
        folder.mkdir(exist_ok=True)
        kept = replace(fingerprint(replace(answers, suites=(other,)), lock), hardware="x86-64-v3")
        (folder / "x86-64-v3.json").write_bytes(fingerprint_bytes(kept))
        assert list(seen()[1:]) == expected


NUMBERS = numerics(
    suite("numpy", probe("numpy.sum", gave(1.0)), probe("numpy.dot", gave(1.0), gave(2.0))),
    suite("project", probe("mine", failed("raised", "no file"))),
)


def test_numbers_are_kept_as_fingerprints_keep_them() -> None:
    """What probes answered is read back, in the form and by the schema of fingerprints."""
    found = written(report(numerics=NUMBERS))
    assert found.numerics == NUMBERS
    assert parse_numerics(json.dumps(numerics_document(NUMBERS)).encode()) == NUMBERS
    text = report_bytes(found).decode()
    assert '"configured": "canonical"' in text
    folder = Path(__file__).parents[2] / "docs/schemas"
    fingerprints = json.loads((folder / "fingerprint-v1.json").read_text("utf-8"))["$defs"]
    for name in ("numerics", "conditions", "suite", "probe", "answer", "sample"):
        assert SCHEMA["$defs"][name] == fingerprints[name], name


def test_nobody_is_named_by_findings_and_numbers() -> None:
    """Paths, names, addresses and tokens go out of findings and of what probes say; packages keep their names."""
    host = ("ana-laptop", "ana", "s3cr3t-value")
    findings = (
        Told(
            rule="package-source",
            severity="error",
            impact="compat",
            subject="ana",
            expected="an index",
            found="https://ana:pw@example.com/x.whl on ana-laptop",
            package="ana",
        ),
        Told(
            rule="startup-code",
            severity="warning",
            impact="security",
            subject="/home/ana/x.pth",
            found="s3cr3t-value of 10.1.2.3",
        ),
    )
    answers = numerics(suite("project", probe("mine", failed("raised", "/home/ana is full")), version="1.0+ana"))
    conditions = replace(
        CONDITIONS,
        variables={"XLA_FLAGS": "--name=ana"},
        versions={"numpy": "1.0+ana"},
        machine=machine(accelerators=Unknown(reason="ana-laptop has none")),
    )
    found = redacted_report(
        report(
            judged=Judged(lock="e" * 64, mode="quick", outcome="drift", findings=findings),
            numerics=replace(answers, conditions=conditions),
        ),
        host,
    )
    assert isinstance(found.judged, Judged)
    assert [(each.subject, each.found) for each in found.judged.findings] == [
        ("ana", "<url> on <name>"),
        ("<path>", "<name> of <address>"),
    ]
    assert isinstance(found.numerics, Numerics)
    told = json.dumps(numerics_document(found.numerics))
    assert "ana" not in told
    assert "/home" not in told
    assert found.numerics.conditions.variables == {"XLA_FLAGS": "--name=<name>"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"numerics": {"conditions": {}, "suites": []}}, "threads"),
        ({"numerics": {"suites": 7}}, "suites"),
        ({"numerics": 7}, "numerics"),
        ({"judged": {"lock": "e" * 64, "mode": "quick", "outcome": "fine"}}, "judged"),
    ],
)
def test_damaged_parts(change: dict[str, object], found: str) -> None:
    """A report whose verdict or numbers are something else is refused, naming the key."""
    document = json.loads(report_bytes(report())) | change
    del document["digest"]
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
    raw = json.dumps(document | {"digest": digest}).encode()
    with pytest.raises(UsageError) as raised:
        parse_report(raw, "x.json")
    assert raised.value.reference == "damaged-report"
    assert found in raised.value.found
