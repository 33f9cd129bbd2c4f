"""Every form of a verdict: valid by its schema, inert whatever a target calls itself, the same bytes each time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

import envlock.model.finding as finding_model
import envlock.model.machine as machine_model
import envlock.model.numbers as numbers_model
from envlock.cli.verdicts import FORMATS as OFFERED
from envlock.errors import UsageError
from envlock.model.finding import Summary, Verdict, judge
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.numerics import Explanation
from envlock.model.observation import Observation
from envlock.model.unknown import Unknown
from envlock.report.formats import FORMATS, Format, parse_output, render
from envlock.report.lock_lines import lock_lines
from envlock.report.portable import without_folders
from envlock.verify.case import Case
from envlock.verify.rules import all_rules
from envlock.verify.unjudged import unjudged
from tests.unit.venvs import lock_of
from tests.unit.verdicts import ROOT, hostile_verdict, real_verdict, rule, verdict_schema

MATCH = judge(Summary(env="tf25", lock_digest="ab" * 32, target=".venv", mode="quick"), [])


def test_the_command_offers_every_form() -> None:
    """--format names them without importing a renderer, and lacks none."""
    assert OFFERED == FORMATS


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_can_be_written(form: Format) -> None:
    """Whatever a target calls itself: UTF-8, no control characters, one line feed at the end, the same each time."""
    for verdict in (MATCH, hostile_verdict()):
        text = render(verdict, form, rules=all_rules())
        assert text.encode("utf-8")
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ufffe]", text) or form in ("json", "sarif")
        assert text == render(verdict, form, rules=all_rules())


def test_json_is_valid_by_its_schema(tmp_path: Path) -> None:
    """A real verdict, a hostile one and a match are all that the published schema says, and not a key more."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(verdict_schema())
    validator.check_schema(verdict_schema())
    for verdict in (MATCH, hostile_verdict(), real_verdict(tmp_path)):
        document = json.loads(render(verdict, "json"))
        assert [error.message for error in validator.iter_errors(document)] == []
        assert (document["verdict"], document["exit_code"]) == (verdict.outcome, verdict.exit_code)


def test_the_schema_names_every_field() -> None:
    """A field that is added to a record is added to the published schema."""
    definitions = verdict_schema()["$defs"]
    records = (
        *(finding_model.Summary, finding_model.Finding, Unknown),
        *(machine_model.Machine, machine_model.Cpu, machine_model.Accelerators, machine_model.Accelerator),
        *(numbers_model.Compared, numbers_model.Tally, numbers_model.Row, Explanation),
    )
    for record in records:
        assert list(definitions[record.__name__.lower()]["properties"]) == list(record.__struct_fields__)


def test_json_keeps_order_and_whole_digests(tmp_path: Path) -> None:
    """What programs read is not abbreviated, and the most serious finding is the first."""
    verdict = real_verdict(tmp_path)
    document = json.loads(render(verdict, "json"))
    assert [row["rule"] for row in document["findings"]] == [finding.rule for finding in verdict.findings]
    assert document["findings"][0]["rule"] == "file-tampered"
    assert re.fullmatch(r"sha256 [0-9a-f]{64}", document["findings"][0]["expected"])
    assert document["unjudged"]["image-lock"] == "the target is not an image"


def test_what_was_not_judged_is_told(tmp_path: Path) -> None:
    """--quick reads no file, and says so of each rule that needs bytes; a rule that found something was judged."""
    quick = real_verdict(tmp_path, full=False).unjudged
    assert quick["file-tampered"] == "files were not read; --full compares every byte"
    (tmp_path / "full").mkdir()
    full = real_verdict(tmp_path / "full")
    assert "file-tampered" not in full.unjudged
    assert not full.unjudged.keys() & {finding.rule for finding in full.findings}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out.json", ("json", "out.json")),
        ("a/b.XML", ("junit", "a/b.XML")),
        ("envlock.sarif", ("sarif", "envlock.sarif")),
        ("comment.md", ("markdown", "comment.md")),
        ("report.html", ("html", "report.html")),
        ("verdict.txt", ("human", "verdict.txt")),
        ("github:annotations", ("github", "annotations")),
        ("junit:C:\\out\\r.txt", ("junit", "C:\\out\\r.txt")),
        ("C:\\out\\r.html", ("html", "C:\\out\\r.html")),
        ("markdown:-", ("markdown", "-")),
    ],
)
def test_output(text: str, expected: tuple[str, str]) -> None:
    """--output says the form by its extension, or before a colon."""
    assert parse_output(text) == expected


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("out", "out"),
        ("out.pdf", "out.pdf"),
        ("", "FILE"),
        ("json:", "FILE"),
        (":out.json", "out.json"),
        ("yaml:out", "out"),
        ("JSON:out", "out"),
    ],
)
def test_output_without_a_form(text: str, file: str) -> None:
    """A file whose form nobody said is refused, with the way to say it."""
    with pytest.raises(UsageError) as caught:
        parse_output(text)
    assert caught.value.reference == "unknown-format"
    assert caught.value.hint == f"Say it before the file: --output junit:{file}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rm -r /home/ana/churn/.venv/lib/zz.pth", "rm -r …/zz.pth"),
        ("rm -r '/home/ana maria/.venv/zz hook.pth'", "rm -r '…/zz hook.pth'"),
        ("#!/home/ana/.venv/bin/python", "#!…/python"),
        ("file:///home/ana/wheels/six.whl", "file://…/six.whl"),
        ("oci:/home/ana/out:tag", "oci:…/out:tag"),
        (r"C:\Users\ana\venv", "…/venv"),
        ("rm -r .venv/lib/zz.pth", "rm -r .venv/lib/zz.pth"),
        ("/usr/lib/python3/dist-packages/six.py", "/usr/lib/python3/dist-packages/six.py"),
        ("https://example.com/team/six.git", "https://example.com/team/six.git"),
        ("localhost:5000/team/churn:lock", "localhost:5000/team/churn:lock"),
        ("expected and/or found", "expected and/or found"),
    ],
)
def test_paths_lose_their_folders(text: str, expected: str) -> None:
    """An absolute path becomes its last part, but for the folders that every machine has; references stay."""
    assert without_folders(text) == expected


@pytest.mark.parametrize("form", FORMATS)
def test_folders_of_this_machine_stay_here(form: Format) -> None:
    """What is shown elsewhere names no home folder; the commands for this terminal, and JSON, are exact."""
    path = "/home/ana/churn/.venv/zz.pth"
    summary = replace(MATCH.summary, target="/home/ana/churn/.venv")
    verdict = judge(summary, [rule("startup-code").finding("zz.pth", found=path, path=path, fix=f"rm -r {path}")])
    assert ("/home/ana" in render(verdict, form)) == (form in ("human", "json"))


def test_lines_of_a_lock() -> None:
    """A finding stands at the table of its package, at what its family is about, or at the top."""
    raw = (ROOT / "lockfiles/pylock.tf25.toml").read_bytes()
    text = raw.decode().splitlines()
    lines = lock_lines("lockfiles\\pylock.tf25.toml", raw)
    assert lines.path == "lockfiles/pylock.tf25.toml"
    assert len(lines.packages) == text.count("[[packages]]")
    for name, line in lines.packages.items():
        assert text[line - 1 : line + 1] == ["[[packages]]", f'name = "{name}"']
    verdict: Verdict = hostile_verdict()
    version = next(finding for finding in verdict.findings if finding.subject == "six")
    assert lines.line_of(version) == 1  # its package is called otherwise
    python = next(finding for finding in verdict.findings if finding.rule == "python-patch")
    assert text[lines.line_of(python) - 1].startswith("requires-python")


def test_rules_of_accelerators_have_nothing_to_judge_without_one() -> None:
    """A machine that is known to have no GPU is no pass of the rules about drivers and GPU code."""
    lock = lock_of()
    machine = Machine(system="linux", cpu=Cpu(architecture="x86_64"), memory=1, accelerators=Accelerators())
    observation = Observation(target=".venv", full=False, environment=None, machine=machine)
    reasons = unjudged(Case(lock, observation), all_rules())
    assert reasons["accelerator-driver"] == reasons["accelerator-code"] == "this machine has no accelerator"
    gpu = Accelerator(kind="nvidia", name="NVIDIA A100-SXM4-40GB", model="A100")
    seen = replace(observation, machine=replace(machine, accelerators=Accelerators(devices=(gpu,), driver="535")))
    assert "accelerator-driver" not in unjudged(Case(lock, seen), all_rules())
