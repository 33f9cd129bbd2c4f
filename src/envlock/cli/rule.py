"""`envlock rule`."""

from __future__ import annotations

import click

from envlock.errors import UsageError


@click.command("rule")
@click.argument("rule_id", required=False, metavar="[ID]")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print as JSON.")
def command(rule_id: str | None, *, as_json: bool) -> None:
    """Say what a rule of verify checks, and why. Without ID, list all of them."""
    import difflib

    import msgspec

    from envlock.report.rules import rule_text, rules_text
    from envlock.verify.rules import all_rules

    rules = {rule.id: rule for rule in all_rules()}
    if rule_id is not None and rule_id not in rules:
        near = difflib.get_close_matches(rule_id, rules, 1)
        raise UsageError(
            "unknown-rule",
            f"No rule is called {rule_id!r}.",
            found=rule_id,
            hint=f"Did you mean {near[0]!r}?" if near else "List them: envlock rule",
        )
    chosen = list(rules.values()) if rule_id is None else [rules[rule_id]]
    if as_json:
        import json

        click.echo(json.dumps({"schema": 1, "rules": [msgspec.to_builtins(rule) for rule in chosen]}, indent=2))
    else:
        click.echo(rules_text(chosen) if rule_id is None else rule_text(chosen[0]), nl=False)
