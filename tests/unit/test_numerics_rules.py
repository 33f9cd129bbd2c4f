"""Family NUM: what a verdict says of numbers, under each policy, and what never is a pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.model.finding import Finding, Verdict
from envlock.model.lock import Policy
from envlock.model.numerics import Explanation, Numerics
from envlock.model.observation import Environment, Layout, Observation
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.report.chart import Bar, bar_chart, bars_of, chart_of
from envlock.report.formats import render
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of
from envlock.verify.rules import all_rules
from tests.unit.numerics import (
    CONDITIONS,
    CPU,
    MACHINE,
    demo_lock,
    failed,
    fingerprint,
    gave,
    numerics,
    probe,
    suite,
    verdict_on,
)

SAME = suite("numpy", probe("numpy.sum", gave(1.0)))
MATMUL = probe("tensorflow.linalg.matmul", gave(1.0), gave(2.0))
CONV = probe("tensorflow.nn.conv3d", gave(1.0), gave(3.0))
MOVED = probe("tensorflow.linalg.matmul", gave(1.0), gave(2.0000002))
SPLIT = probe("tensorflow.nn.conv3d", gave(1.0), gave(3.5))
THREADS = Explanation(
    factor="threads",
    expected="1 thread",
    found="2 threads",
    tested=True,
    probes=("tensorflow.nn.conv3d",),
    text="1 probe of tensorflow agrees again with 1 thread, as where the fingerprint was made; here: 2 threads.",
)


def of_numbers(verdict: Verdict) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.family == "NUM"]


def only(verdict: Verdict) -> Finding:
    (finding,) = of_numbers(verdict)
    return finding


def test_no_difference(tmp_path: Path) -> None:
    """A pass says how many probes agreed, and with which fingerprint."""
    verdict = verdict_on(
        demo_lock(tmp_path), numerics(SAME, suite("torch", MATMUL)), numerics(SAME, suite("torch", MATMUL))
    )
    assert (verdict.outcome, of_numbers(verdict)) == ("match", [])
    assert "demo: 0 of 1 package, no difference in 2 probes: match" in render(verdict, "human")
    assert not [rule for rule in verdict.unjudged if rule.startswith("numerics-")]


def test_numbers_that_nobody_asked_for(tmp_path: Path) -> None:
    """They are told as not judged, and a pass does not speak of them."""
    verdict = verdict_on(demo_lock(tmp_path), None, None)
    assert verdict.summary.numerics is None
    reasons = {reason for rule, reason in verdict.unjudged.items() if rule.startswith("numerics-")}
    assert reasons == {"numbers were not compared; --numerics runs the probes"}


def test_diverged_probes_are_one_finding_a_suite_and_pass(tmp_path: Path) -> None:
    """Named from the furthest, with what the two passes tell apart, and the command that finds the factor."""
    expected = numerics(suite("tensorflow", MATMUL, CONV, probe("tensorflow.x", gave(1.0)), version="2.5.0"))
    found = numerics(suite("tensorflow", MOVED, SPLIT, probe("tensorflow.x", gave(1.0)), version="2.6.0"))
    verdict = verdict_on(demo_lock(tmp_path), expected, found, ulps=0)
    finding = only(verdict)
    assert (verdict.outcome, finding.rule, finding.impact) == ("drift", "numerics-diverged", "results")
    assert finding.subject == "tensorflow, as configured"
    assert finding.expected == "the numbers of laptop"
    assert finding.found == "2 of 3 probes differ: nn.conv3d (far apart), linalg.matmul (1 ULP)"
    assert finding.why == (
        "On one thread, without any setting, all of them agree: it is the number of threads or a setting. "
        "tensorflow 2.5.0 is 2.6.0 here."
    )
    assert finding.fix == "envlock verify demo --numerics --explain"
    assert finding.package == "tensorflow"


def test_what_differs_on_one_thread_is_no_setting(tmp_path: Path) -> None:
    """In the canonical pass, and so in the configured one."""
    expected = numerics(suite("numpy", probe("numpy.a", gave(1.0)), probe("numpy.b", gave(1.0))))
    found = numerics(suite("numpy", probe("numpy.a", gave(2.0)), probe("numpy.b", gave(1.0), gave(2.0))))
    canonical, configured = sorted(
        of_numbers(verdict_on(demo_lock(tmp_path), expected, found)), key=lambda f: f.subject
    )[::-1]
    assert canonical.subject == "numpy, one thread"
    assert canonical.why == "They differ on one thread too, without any setting: by a library, the CPU or the GPU."
    assert configured.why == (
        "On one thread, without any setting, 1 of them agree: those differ by threads or a setting."
    )


def test_another_cpu_is_told(tmp_path: Path) -> None:
    """Where the fingerprint was made on another one, which computes otherwise by right."""
    older = replace(CPU, model="Core", level="x86-64-v3")
    there = replace(CONDITIONS, machine=replace(MACHINE, cpu=older))
    expected = replace(numerics(suite("numpy", probe("numpy.a", gave(1.0), gave(2.0)))), conditions=there)
    finding = only(verdict_on(demo_lock(tmp_path), expected, numerics(suite("numpy", probe("numpy.a", gave(1.0))))))
    assert finding.why.endswith(" The fingerprint is of a Core (x86-64-v3), this is a Xeon (x86-64-v4).")


@pytest.mark.parametrize(
    ("policy", "near", "diverged"),
    [("bitwise", "error", "error"), ("numeric", "info", "error"), ("compatible", "info", "warning")],
)
def test_policies(tmp_path: Path, policy: Policy, near: str, diverged: str) -> None:
    """Bitwise takes no other bits; the others take roundings, compatible warns of more."""
    expected = numerics(suite("tensorflow", MATMUL, CONV))
    verdict = verdict_on(demo_lock(tmp_path, policy=policy), expected, numerics(suite("tensorflow", MOVED, SPLIT)))
    found = {finding.rule: finding for finding in of_numbers(verdict)}
    assert {rule: finding.severity for rule, finding in found.items()} == {
        "numerics-near": near,
        "numerics-diverged": diverged,
    }
    assert found["numerics-near"].found == "1 of 2 probes within 4 ULP in the sample: linalg.matmul (1 ULP)"


@pytest.mark.parametrize(
    ("factor", "variables", "fix"),
    [
        ("threads", {}, "envlock lock demo   (with threads in [env.demo.settings])"),
        ("threads", {"OMP_NUM_THREADS": "1"}, "envlock run demo -- …"),
        ("OPENBLAS_CORETYPE", {}, "unset OPENBLAS_CORETYPE   (or lock it: [env.demo.settings] env)"),
        ("OPENBLAS_CORETYPE", {"OPENBLAS_CORETYPE": "Haswell"}, "envlock run demo -- …"),
        ("library", {}, "envlock sync demo"),
        ("CPU", {}, "envlock fingerprint demo   (if what this machine computes is right for you too)"),
    ],
)
def test_explained_probes_name_the_way_back(tmp_path: Path, factor: str, variables: dict[str, str], fix: str) -> None:
    """The command puts the factor back that was found."""
    lock = demo_lock(tmp_path, variables=variables)
    told = replace(THREADS, factor=factor)
    verdict = verdict_on(
        lock, numerics(suite("tensorflow", CONV)), numerics(suite("tensorflow", SPLIT)), explanations=(told,)
    )
    finding = only(verdict)
    assert finding.why == f"{factor}: 1 thread → 2 threads explains 1 (tested)."
    assert finding.fix == fix


def test_what_is_not_locked_is_synced_before_its_numbers_are_kept(tmp_path: Path) -> None:
    """`fingerprint` would refuse it."""
    lock = demo_lock(tmp_path)
    empty = Environment(
        interpreter=Unknown(reason="it was not asked"),
        layout=Layout(prefix="/v", sites=("/v/lib",), scripts="/v/bin", data="/v"),
        distributions=(),
        files={},
    )
    seen = Observation(
        target=".venv",
        full=False,
        environment=empty,
        numerics=numerics(suite("tensorflow", SPLIT)),
        explanations=(replace(THREADS, factor="CPU"),),
    )
    known = fingerprint(numerics(suite("tensorflow", CONV)), lock.digest)
    verdict = verdict_of(Case(lock, seen, terms=Terms(fingerprint=known)))
    assert only(verdict).fix == "envlock sync demo"


def test_a_limit_of_threads_that_only_this_shell_has(tmp_path: Path) -> None:
    """It is taken away, where else a number of threads would be locked."""
    here = replace(CONDITIONS, variables={"OMP_NUM_THREADS": "1"})
    found = replace(numerics(suite("tensorflow", SPLIT)), conditions=here)
    verdict = verdict_on(demo_lock(tmp_path), numerics(suite("tensorflow", CONV)), found, explanations=(THREADS,))
    assert only(verdict).fix == "unset OMP_NUM_THREADS   (or lock it: [env.demo.settings] env)"


@pytest.mark.parametrize(
    ("expected", "found", "rule", "severity", "outcome"),
    [
        (gave(1.0), failed("crashed", "SIGILL"), "numerics-crashed", "error", "drift"),
        (gave(1.0), failed("hung", "no answer in 60 s"), "numerics-crashed", "error", "drift"),
        (failed("crashed", "SIGILL"), failed("crashed", "SIGILL"), "numerics-crashed", "info", "match"),
        (failed("crashed", "SIGILL"), gave(1.0), "numerics-crashed", "error", "unverified"),
        (failed("raised", "no"), failed("crashed", "SIGILL"), "numerics-crashed", "error", "unverified"),
        (gave(1.0), failed("noisy", "two runs differ"), "numerics-noisy", "error", "unverified"),
        (failed("noisy", "two runs differ"), gave(1.0), "numerics-noisy", "info", "match"),
        (failed("noisy", "two runs differ"), failed("noisy", "two runs differ"), "numerics-noisy", "info", "match"),
        (gave(1.0), failed("raised", "ValueError: no"), "numerics-raised", "error", "unverified"),
        (failed("raised", "no"), failed("raised", "no"), "numerics-raised", "error", "unverified"),
        (gave(1.0), failed("unhashable", "a set"), "numerics-raised", "error", "unverified"),
    ],
)
def test_no_result(tmp_path: Path, expected: object, found: object, rule: str, severity: str, outcome: str) -> None:
    """A crash here is drift; what cannot be compared is unknown; what the fingerprint knows too is a note."""
    good = gave(9.0)
    one, other = (
        numerics(suite("numpy", probe("numpy.a", good, each), probe("numpy.b", good)))  # type: ignore[arg-type]
        for each in (expected, found)
    )
    verdict = verdict_on(demo_lock(tmp_path), one, other)
    finding = only(verdict)
    assert (finding.rule, finding.severity, verdict.outcome) == (rule, severity, outcome)
    assert "1 of 2 probes" in finding.found


def test_noise_in_the_canonical_pass_or_of_the_project_is_never_a_note(tmp_path: Path) -> None:
    """One thread has to repeat, and so have the project's own functions."""
    noisy = failed("noisy", "two runs differ")
    for one in (suite("numpy", probe("numpy.a", noisy)), suite("project", probe("loss", gave(1.0), noisy))):
        verdict = verdict_on(demo_lock(tmp_path), numerics(one), numerics(one))
        assert verdict.outcome == "unverified"


def test_a_fingerprint_that_is_not_there_or_not_of_this_lock(tmp_path: Path) -> None:
    """Exit 3, the reason, and the command that makes one; nothing is compared."""
    lock = demo_lock(tmp_path)
    own = numerics(SAME)
    verdict = verdict_on(lock, Unknown(reason="there is none", hint="envlock fingerprint demo"), own)
    assert (only(verdict).found, only(verdict).fix, verdict.exit_code) == (
        "there is none",
        "envlock fingerprint demo",
        3,
    )
    assert verdict.unjudged["numerics-diverged"] == "could not be seen: there is none"
    verdict = verdict_on(lock, fingerprint(own, "00" * 32), own)
    assert (only(verdict).rule, verdict.exit_code) == ("numerics-fingerprint", 3)
    assert only(verdict).found == f"of another lock, sha256:{'00' * 32}"
    assert verdict.unjudged["numerics-diverged"] == "the fingerprint is of another lock"
    assert verdict.summary.numerics is None
    assert verdict_on(lock, None, own).exit_code == 3


def test_parts_that_cannot_be_compared(tmp_path: Path) -> None:
    """Other probes, other sets of them, a framework that is not there, there or here: exit 3, each with its reason."""
    lock = demo_lock(tmp_path)
    gone = replace(SAME, loaded="missing", reason="ModuleNotFoundError: numpy", probes=())
    more = suite("numpy", probe("numpy.sum", gave(1.0)), probe("numpy.new", gave(1.0)))
    for expected, found, rule, text in (
        (numerics(SAME), numerics(replace(SAME, source="22" * 32)), "fingerprint", "made with other probes than these"),
        (numerics(), numerics(SAME), "fingerprint", "the fingerprint has no numbers of it"),
        (numerics(SAME), numerics(), "framework", "its probes were not run here"),
        (numerics(SAME), numerics(gone), "framework", "it is not there (ModuleNotFoundError: numpy)"),
        (numerics(gone), numerics(SAME), "framework", "it gave no numbers where the fingerprint was made"),
        (numerics(gone), numerics(gone), "framework", "it gave no numbers where the fingerprint was made"),
        (numerics(SAME), Unknown(reason="no Python"), "framework", "no Python"),
        (numerics(SAME), None, "framework", "the probes were not run"),
    ):
        verdict = verdict_on(lock, expected, found)
        assert (only(verdict).rule, verdict.exit_code) == (f"numerics-{rule}", 3)
        assert text in only(verdict).found
    verdict = verdict_on(lock, numerics(SAME), numerics(more))
    assert {finding.found for finding in of_numbers(verdict)} == {
        "1 of 2 probes have none: new (the fingerprint has no answer of this probe)"
    }
    assert verdict.exit_code == 3


NO_RESULT = probe("numpy.a", failed("crashed", "SIGILL"))


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [
        (numerics(suite("numpy")), "unverified"),
        (numerics(), "unverified"),
        (numerics(suite("numpy", NO_RESULT)), "unverified"),
        (numerics(suite("numpy", NO_RESULT, probe("numpy.b", gave(1.0)))), "match"),
    ],
)
def test_where_nothing_was_compared_there_is_no_pass(tmp_path: Path, expected: Numerics, outcome: str) -> None:
    """Neither where there is no probe on both sides, nor where all crash on both; beside others that is a note."""
    assert verdict_on(demo_lock(tmp_path), expected, expected).outcome == outcome


def test_what_to_do_about_the_project_s_own_probes(tmp_path: Path) -> None:
    """One that raises is to be mended, one of other code needs a fingerprint, as one that gave none there."""
    lock = demo_lock(tmp_path)
    fine, raising = (suite("project", probe("a", each)) for each in (gave(1.0), failed("raised", "ValueError: no")))
    returning = suite("project", probe("a", failed("unhashable", "it returns None")))
    for expected, found, advice in (
        (fine, raising, "Mend the functions of [env.demo.probes] that raise; then envlock fingerprint demo"),
        (fine, returning, "The functions of [env.demo.probes] must return arrays, numbers, bytes, or lists and dicts"),
        (raising, fine, "envlock fingerprint demo"),
        (fine, replace(fine, source="22" * 32), "envlock fingerprint demo"),
    ):
        verdict = verdict_on(lock, numerics(SAME, expected), numerics(SAME, found))
        assert {finding.fix[: len(advice)] for finding in of_numbers(verdict)} == {advice}
    assert only(verdict).found == "the code of the project's probes is not what it was when the fingerprint was made"


def test_drift_goes_before_what_is_unknown(tmp_path: Path) -> None:
    """Exit 1 where one framework diverges and another is not there."""
    verdict = verdict_on(demo_lock(tmp_path), numerics(SAME, suite("torch", CONV)), numerics(suite("torch", SPLIT)))
    assert (verdict.exit_code, {finding.rule for finding in of_numbers(verdict)}) == (
        1,
        {"numerics-diverged", "numerics-framework"},
    )


@pytest.fixture
def told(tmp_path: Path) -> Verdict:
    expected = numerics(suite("tensorflow", MATMUL, CONV), SAME, suite("torch", probe("torch.a", gave(1.0))))
    found = numerics(suite("tensorflow", MOVED, SPLIT), SAME)
    return verdict_on(demo_lock(tmp_path), expected, found, explanations=(THREADS,))


def test_text(told: Verdict) -> None:
    """A line a suite and pass, and what explains the differences; --verbose names every probe."""
    text = render(told, "human")
    assert (
        """\
Numbers, against the fingerprint of laptop
  tensorflow, one thread     no difference in 2 probes
  tensorflow, as configured  1 of 2 probes differs, 1 is near
  numpy, one thread          no difference in 1 probe
  numpy, as configured       no difference in 1 probe
  torch                      not compared: its probes were not run here
  because  threads: 1 thread → 2 threads explains 1 (tested)
           1 probe of tensorflow agrees again with 1 thread, as where the fingerprint was made;
           here: 2 threads.
"""
        in text
    )
    assert "1 of 4 probes differs, 1 is near, 1 could not be compared: drift" in text
    assert ", 1 is near: nn.conv3d (far apart), linalg.matmul (1 ULP)" in " ".join(
        render(told, "human", everything=True).split()
    )


def test_every_form_tells_the_numbers(told: Verdict) -> None:
    """JSON has every row, SARIF the counts; Markdown and HTML list what is not equal; JUnit says what explains it."""
    numbers = json.loads(render(told, "json"))["summary"]["numerics"]
    assert len(numbers["rows"]) == 8
    assert [row["ulps"] for row in numbers["rows"] if row["state"] in ("near", "diverged")] == [1, 2_097_152]
    run = json.loads(render(told, "sarif", rules=all_rules()))["runs"][0]
    assert run["properties"]["summary"]["numerics"]["rows"] == []
    assert run["properties"]["summary"]["numerics"]["states"] == numbers["states"]
    markdown = render(told, "markdown")
    assert "| <code>tensorflow.nn.conv3d</code> | as configured | diverged |  | far apart |" in markdown
    assert "- threads&#58; 1 thread &#8594; 2 threads explains 1 &#40;tested&#41;" in markdown
    assert "threads: 1 thread → 2 threads explains 1 (tested)" in render(told, "junit", rules=all_rules())
    page = render(told, "html", rules=all_rules())
    assert '<title id="chart-title">Probes that differ, by factor and framework</title>' in page
    assert "<td><code>tensorflow.nn.conv3d</code></td><td>tensorflow</td><td>as configured</td>" in page
    assert "torch.a" not in page  # what was not compared is told once, by its framework


def test_chart(told: Verdict) -> None:
    """A bar for each factor and one for the rest, with every number as text; none where nothing differs."""
    compared = told.summary.numerics
    assert compared is not None
    assert bars_of(compared) == (
        Bar(label="threads: 1 thread → 2 threads", parts={"tensorflow": 1}),
        Bar(label="no factor found", parts={"tensorflow": 1}),
    )
    assert bars_of(replace(compared, explanations=())) == (Bar(label="as configured", parts={"tensorflow": 2}),)
    alone = bar_chart("A & B", [Bar(label="<x>", parts={"torch": 18, "numpy": 6})], alone=True)
    assert '<title id="chart-title">A &amp; B</title>' in alone
    assert "&lt;x&gt;: 24 (torch 18, numpy 6)." in alone
    assert "prefers-color-scheme: dark" in alone and "<script" not in alone
    assert chart_of(replace(compared, explanations=(), rows=())) == ""
