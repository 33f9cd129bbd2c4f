"""The catalogue of rules: one rule, one module, one name everywhere."""

from __future__ import annotations

from pathlib import Path

import envlock.verify.rules as catalogue
from envlock.report.rules import rule_text, rules_text


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


def test_listing_and_one_rule() -> None:
    """`envlock rule` lists them in one line each, and tells all about one."""
    lines = rules_text(catalogue.all_rules()).splitlines()
    assert len(lines) == len(catalogue.IDS)
    first = catalogue.all_rules()[0]
    assert lines[0].split()[:2] == ["PKG", "package-missing"]
    assert rule_text(first) == (
        "package-missing (PKG, error, impact compat, exit code 1)\n\nEvery package of the lock is installed.\n"
        "Why: Code that imports it fails, or silently takes another path.\n"
    )
