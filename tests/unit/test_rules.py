"""The catalogue of rules: one rule, one module, one name everywhere."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

import envlock.verify.rules as catalogue
from envlock.cli.rule import command
from envlock.errors import UsageError
from envlock.model.factor_table import FACTORS
from envlock.report.rules import by_family, rule_text, rules_json, rules_markdown, rules_text


def test_every_module_is_a_rule_of_its_name() -> None:
    """No rule is forgotten in the catalogue, and none is called otherwise than its file."""
    (folder,) = catalogue.__path__
    modules = {path.stem.replace("_", "-") for path in Path(folder).glob("*.py") if path.stem != "__init__"}
    assert modules == set(catalogue.IDS)
    assert [rule.id for rule in catalogue.all_rules()] == list(catalogue.IDS)


def test_rules_explain_themselves() -> None:
    """Each has sentences for what and why."""
    for rule in catalogue.all_rules():
        assert rule.title.endswith("."), rule.id
        assert rule.why.endswith("."), rule.id


def test_the_listing_goes_by_family() -> None:
    """`envlock rule` lists every rule in one line, those of a family together."""
    lines = [line.split()[:2] for line in rules_text(catalogue.all_rules()).splitlines()]
    assert sorted(name for _, name in lines) == sorted(catalogue.IDS)
    families = [family for family, _ in lines]
    assert families == sorted(families, key=families.index)
    assert lines[0] == ["LOCK", "lock-stale"]


def test_one_rule_in_full() -> None:
    """What, why, impact, the severity under every policy, the exit code, the source."""
    rules = {rule.id: rule for rule in catalogue.all_rules()}
    assert (
        rule_text(rules["package-missing"])
        == """\
package-missing (PKG: installed packages)

Every package of the lock is installed.

Why:       Code that imports it fails, or silently takes another path.
Impact:    compat
Severity:  error
Exit code: 1
"""
    )
    assert rule_text(rules["python-patch"]).splitlines()[-4:] == [
        "Impact:    compat",
        "Severity:  warning; error under bitwise; info under compatible",
        "Exit code: 1 with --strict",
        "Source:    Measured, see docs/numerics-measured.md: no NumPy probe differs between CPython 3.9 and 3.11.",
    ]
    assert "Exit code: none, it is a note" in rule_text(rules["waiver-unused"])


def test_rules_as_json() -> None:
    """With the severity under each policy and the exit code of an error, for programs."""
    document = rules_json(catalogue.all_rules())
    assert document["schema"] == 1
    rows = {row["id"]: row for row in document["rules"]}
    assert rows.keys() == set(catalogue.IDS)
    assert rows["python-patch"]["severities"] == {"bitwise": "error", "numeric": "warning", "compatible": "info"}
    assert (rows["file-tampered"]["exit_code"], rows["package-unproven"]["exit_code"]) == (4, 3)


def test_the_command_tells_rules_and_variables() -> None:
    """By their names; another name is an error that names the nearest."""
    run = CliRunner().invoke
    assert run(command, ["threads-count"]).output.startswith("threads-count (ENV: settings)\n")
    told = run(command, ["OPENBLAS_CORETYPE"]).output
    assert ("Impact:    results" in told, "else variable-unset" in told) == (True, True)
    assert json.loads(run(command, ["PYTHONPATH", "--json"]).output)["variable"]["impact"] == "security"
    assert [row["id"] for row in json.loads(run(command, ["preload", "--json"]).output)["rules"]] == ["preload"]
    for typed, near in {"pyton-path": "python-path", "omp_num_threads": "OMP_NUM_THREADS"}.items():
        failed = run(command, [typed]).exception
        assert isinstance(failed, UsageError)
        assert (failed.reference, failed.hint) == ("unknown-rule", f"Did you mean {near!r}?")


def test_the_page_lists_every_rule_and_variable() -> None:
    """docs/rules.md has a heading for each rule and a row for each variable."""
    page = rules_markdown(catalogue.all_rules())
    assert [line[4:] for line in page.splitlines() if line[4:] in catalogue.IDS and line.startswith("### ")] == [
        rule.id for rule in by_family(catalogue.all_rules())
    ]
    assert all(f"`{name}`" in page for factor in FACTORS for name in factor.names)
