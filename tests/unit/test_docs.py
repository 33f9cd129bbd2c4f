"""The reference pages are what the code says."""

from __future__ import annotations

from pathlib import Path

from envlock.cli.main import COMMANDS
from envlock.report.rules import rules_markdown
from envlock.verify.rules import all_rules

ROOT = Path(__file__).parents[2]


def test_rules_page_is_generated() -> None:
    """docs/rules.md lists every rule; write it again with the function below when this fails."""
    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == rules_markdown(all_rules())


def test_readme_names_every_command() -> None:
    """A user finds each command on the README's page."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"envlock {name}" not in readme] == []


def test_no_host_of_a_registry_in_the_locks() -> None:
    """Our own locks serve every mirror: they hold no URL at all."""
    for path in (ROOT / "lockfiles").glob("pylock.*.toml"):
        assert "://" not in path.read_text("utf-8"), path.name
