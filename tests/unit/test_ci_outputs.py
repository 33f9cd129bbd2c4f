"""What CI servers read: JUnit, SARIF and GitHub's commands, by their schemas and limits."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from envlock.model.finding import Summary, Verdict, judge
from envlock.report.formats import Format, render
from envlock.report.lock_lines import LockLines
from envlock.verify.rules import all_rules
from tests.unit.verdicts import HOSTILE, hostile_verdict, real_verdict, rule, sarif_schema, waived

SUMMARY = Summary(env="tf25", lock_digest="ab" * 32, target=".venv", mode="full")
LOCK = LockLines(path="lockfiles/pylock.tf25.toml", packages={"six": 321, "p0": 9}, tables={"requires-python": 6})
MATCH = judge(SUMMARY, [])


def junit(verdict: Verdict) -> dict[str, ET.Element]:
    """Return the test cases by name, after the document was held against the schema."""
    text = render(verdict, "junit", rules=all_rules())
    document = ET.fromstring(text)
    cases = {case.get("name", ""): case for case in document.iter("testcase")}
    assert int(document.get("tests", "")) == len(cases)
    for kind in ("failure", "error"):
        assert int(document.get(f"{kind}s", "")) == len(list(document.iter(kind)))
    return cases


def sarif(verdict: Verdict, lock: LockLines | None = LOCK) -> dict[str, Any]:
    """Return the one run of the verdict, after the document was held against the schema."""
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(render(verdict, "sarif", rules=all_rules(), lock=lock))
    errors = jsonschema.Draft4Validator(sarif_schema()).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    (run,) = document["runs"]
    return dict(run)


def commands(verdict: Verdict, command: str) -> list[str]:
    lines = render(verdict, "github", lock=LOCK).splitlines()
    return [line for line in lines if line.startswith(f"::{command} ")]


def test_junit_is_valid_by_the_schema_of_jenkins(tmp_path: Path) -> None:
    """A match, a hostile verdict and a real one follow junit-10.xsd."""
    xmlschema = pytest.importorskip("xmlschema")
    schema = xmlschema.XMLSchema(str(Path(__file__).parent / "schemas" / "junit-10.xsd"))
    for verdict in (MATCH, hostile_verdict(), real_verdict(tmp_path)):
        schema.validate(io.StringIO(render(verdict, "junit", rules=all_rules())))


def test_junit_has_a_case_for_every_rule() -> None:
    """Failures, errors, skips and passes are told apart, and a rule that nobody handed in is not lost."""
    verdict = hostile_verdict()
    cases = junit(verdict)
    assert cases.keys() == {rule.id for rule in all_rules()} | {"some-rule"}
    outcome = {name: [child.tag for child in case] for name, case in cases.items()}
    assert outcome["file-tampered"] == outcome["package-version"] == outcome["some-rule"] == ["failure"]
    assert outcome["bytecode-unproven"] == ["error"]
    assert outcome["image-lock"] == ["skipped"]
    assert outcome["file-unrecorded"] == ["skipped", "system-out"]
    assert outcome["package-extra"] == outcome["python-patch"] == ["system-out"]
    assert outcome["package-missing"] == []


def test_junit_tells_all_findings_of_a_rule_in_one_failure() -> None:
    """CI servers show the first failure of a case: it counts the others, and its text has them, up to a hundred."""
    many = judge(SUMMARY, [rule("package-version").finding(f"p{at:03}", expected="1", found="2") for at in range(120)])
    (failure,) = junit(many)["package-version"]
    assert failure.get("message") == "p000: expected 1, found 2 (and 119 more)"
    assert "error: p099\n" in (failure.text or "")
    assert "and 20 more\n" in (failure.text or "")


def test_junit_of_one_failure() -> None:
    """The text of a failure is the finding: what, expected, found, why, and the command that mends it."""
    verdict = judge(SUMMARY, [rule("package-version").finding("six", expected="1", found="2", fix="envlock sync tf25")])
    (failure,) = junit(verdict)["package-version"]
    assert (failure.get("type"), failure.get("message")) == ("drift", "six: expected 1, found 2")
    assert failure.text == (
        "Every package is installed at its locked version, once.\n\nerror: six\n  expected  1\n  found     2\n"
        "  why       Another release is other code.\n  next      envlock sync tf25\n"
    )


def test_sarif_is_valid_by_the_schema_of_oasis(tmp_path: Path) -> None:
    """A match, a hostile verdict, one without a lock to point at, and a real one follow SARIF 2.1.0."""
    for verdict in (MATCH, hostile_verdict(), real_verdict(tmp_path)):
        sarif(verdict)
        sarif(verdict, None)


def test_sarif_results() -> None:
    """A result stands at its package's line of the lock, names its rule, and is suppressed where it is waived."""
    verdict = judge(
        SUMMARY,
        [
            rule("package-version").finding("six", expected="1", found="2", fix="envlock sync tf25", package="six"),
            waived(rule("package-extra").finding("debugpy", found="1.8"), "needed (until 2027-03-31)"),
        ],
        unjudged={"image-lock": "the target is not an image"},
    )
    run = sarif(verdict)
    version, extra = run["results"]
    assert run["tool"]["driver"]["rules"][version["ruleIndex"]]["id"] == version["ruleId"] == "package-version"
    assert version["level"] == "error" and extra["level"] == "note"
    assert version["message"]["text"] == (
        "six: expected 1, found 2. Another release is other code. Next: envlock sync tf25"
    )
    place = version["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "lockfiles/pylock.tf25.toml", "uriBaseId": "%SRCROOT%", "index": 0}
    assert place["region"] == {"startLine": 321}
    assert version["suppressions"] == []
    assert extra["suppressions"][0]["justification"] == "needed (until 2027-03-31)"
    assert run["invocations"][0]["exitCode"] == 1
    assert run["invocations"][0]["properties"] == {"unjudged": {"image-lock": "the target is not an image"}}


def test_sarif_fingerprints_outlive_versions() -> None:
    """The same finding of tomorrow's run is the same alert, though another version is found; two files are two."""
    files = [rule("file-tampered").finding(f"six: {name}", found="x", path=name, package="six") for name in "ab"]
    first, second = (result["partialFingerprints"] for result in sarif(judge(SUMMARY, files))["results"])
    assert first != second
    later = [replace(file, found="y") for file in files]
    assert [result["partialFingerprints"] for result in sarif(judge(SUMMARY, later))["results"]] == [first, second]


def test_sarif_messages_hold_no_links_or_placeholders() -> None:
    """Brackets that would be a link, and braces that would be an argument, are escaped."""
    verdict = judge(SUMMARY, [rule("package-extra").finding("[click](https://b.example) {0}")])
    assert sarif(verdict)["results"][0]["message"]["text"].startswith(r"\[click\](https://b.example) {{0}}.")


def test_sarif_counts_what_no_viewer_shows() -> None:
    """More results than GitHub takes are cut, the least serious ones, and that is said."""
    findings = [rule("file-unrecorded").finding(f"f{at:05}") for at in range(5_100)]
    verdict = judge(SUMMARY, [*findings, rule("package-missing").finding("six")])
    (run,) = json.loads(render(verdict, "sarif", rules=all_rules(), lock=LOCK))["runs"]
    assert len(run["results"]) == 5_000
    assert run["results"][0]["ruleId"] == "package-missing"
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("101 more findings")


def test_github_annotations() -> None:
    """An annotation stands at its line of the lock; what its syntax reserves is escaped."""
    verdict = judge(
        SUMMARY, [rule("package-version").finding("six, 100%: x", expected="1", found="2", package="six", fix="f")]
    )
    (line,) = commands(verdict, "error")
    assert line == (
        "::error file=lockfiles/pylock.tf25.toml,line=321,title=six%2C 100%25%3A x [package-version]"
        "::expected 1, found 2%0AAnother release is other code.%0Anext: f"
    )
    assert render(verdict, "github").startswith("::error title=six")


def test_github_shows_ten_of_each() -> None:
    """GitHub drops what is more than ten of a step: the tenth says how many more there are, and of which rules."""
    errors = [rule("package-version").finding(f"p{at}", package=f"p{at}") for at in range(11)]
    warnings = [rule("package-extra").finding(f"w{at}") for at in range(10)]
    verdict = judge(SUMMARY, [*errors, *warnings, waived(errors[0], "accepted")])
    shown = commands(verdict, "error")
    assert len(shown) == 10
    assert shown[-1].endswith("::2 more errors: package-version (2). The step's summary lists them.")
    assert len(commands(verdict, "warning")) == 10
    assert commands(verdict, "notice") == []


def test_github_takes_no_command_from_a_target() -> None:
    """Every line of the output is a command of ours, or the summary."""
    lines = render(hostile_verdict(), "github", lock=LOCK).splitlines()
    own = re.compile(r"::(error|warning|notice) file=lockfiles/pylock\.tf25\.toml,line=\d+,title=[^,:]*::[^\r\n]*")
    assert all(own.fullmatch(line) for line in lines[:-1])
    assert lines[-1].startswith("envlock verify tf25: ")
    assert HOSTILE.splitlines()[0].replace("%", "%25") in lines[0]


def test_github_gets_no_command_of_old() -> None:
    """Runners take `##[name]` for a command wherever in a line it stands: what a target says of itself is none."""
    finding = rule("package-extra").finding("x##[error]y", why="##[add-mask]1", found="##[group]")
    verdict = judge(replace(SUMMARY, env="##[stop-commands]z", python="##[debug]"), [finding])
    assert "##[" not in render(verdict, "github", lock=LOCK)
    assert "##\\[debug]" in render(verdict, "github", lock=LOCK)


def test_no_line_for_people_begins_as_a_command() -> None:
    """GitHub's runner reads what is printed for people too, and skips the blanks before `::`."""
    verdict = judge(SUMMARY, [rule("package-extra").finding("x", why="::error::x " + "y" * 90 + " ::add-mask::z")])
    lines = [line.strip() for line in render(verdict, "human").splitlines()]
    assert not any(line.startswith("::") for line in lines)
    assert "\\::error::x" in lines


@pytest.mark.parametrize("part", ["[", "   (", " ", "a", "'/", "]("])
@pytest.mark.parametrize("form", ["sarif", "markdown", "html"])
def test_long_names_take_no_square_of_time(part: str, form: Format) -> None:
    """A name of 300,000 characters is rendered at once: a search that starts anew at each would take minutes."""
    name = (part * 300_000)[:300_000]
    verdict = judge(SUMMARY, [rule("package-version").finding(name, expected=name, fix=name)])
    assert render(verdict, form, rules=all_rules(), lock=LOCK)


def test_links_in_messages_are_escaped_however_nested() -> None:
    """SARIF makes links of `[text](target)`; nothing that a target is called becomes one."""
    finding = rule("package-extra").finding("[[a](b)[c[d]e](f)")
    (result,) = sarif(judge(SUMMARY, [finding]))["results"]
    assert re.search(r"(?<!\\)\]\(", result["message"]["text"]) is None


def test_reasons_hold_no_folder_of_this_machine() -> None:
    """Why a rule was not judged is cut as findings are."""
    verdict = judge(SUMMARY, [], unjudged={"image-lock": "cannot read /home/ana/x.toml"})
    for form in ("junit", "sarif", "markdown", "html"):
        assert "ana" not in render(verdict, form, rules=all_rules())
