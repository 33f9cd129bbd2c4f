"""`envlock rule`."""

from __future__ import annotations

from collections.abc import Iterable

import click

from envlock.errors import UsageError


@click.command("rule")
@click.argument("rule_id", required=False, metavar="[ID | VARIABLE]")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print as JSON.")
def command(rule_id: str | None, *, as_json: bool) -> None:
    """Say what a rule of verify checks, why, and how severe it is; or what an environment variable changes.

    Without ID, list all rules.
    """
    import json

    import msgspec

    from envlock.model.factors import factor_of
    from envlock.report.rules import factor_text, rule_text, rules_json, rules_text
    from envlock.verify.rules import all_rules

    rules = {rule.id: rule for rule in all_rules()}
    factor = factor_of(rule_id or "")
    if factor is not None:
        document = {"schema": 1, "variable": msgspec.to_builtins(factor)}
        click.echo(json.dumps(document, indent=2) + "\n" if as_json else factor_text(factor), nl=False)
        return
    if rule_id is not None and rule_id not in rules:
        raise UsageError(
            "unknown-rule",
            f"No rule is called {rule_id!r}, and no variable that changes numbers or code.",
            found=rule_id,
            hint=_nearest(rule_id, rules),
        )
    chosen = list(rules.values()) if rule_id is None else [rules[rule_id]]
    if as_json:
        click.echo(json.dumps(rules_json(chosen), indent=2))
    else:
        click.echo(rules_text(chosen) if rule_id is None else rule_text(chosen[0]), nl=False)


def _nearest(typed: str, rules: Iterable[str]) -> str:
    """Return the hint that names the rule or variable nearest to what was typed, in whatever case."""
    import difflib

    from envlock.model.factor_table import FACTORS

    names = (*rules, *(name for factor in FACTORS for name in factor.names))
    known = {name.lower().replace("_", "-"): name for name in names}
    near = difflib.get_close_matches(typed.lower().replace("_", "-"), known, 1)
    return f"Did you mean {known[near[0]]!r}?" if near else "List them: envlock rule"
