"""Prints the reference page of verify's rules: python tools/rules_page.py > docs/rules.md."""

from __future__ import annotations

import sys

from envlock.report.rules import rules_markdown
from envlock.verify.rules import all_rules

if __name__ == "__main__":
    sys.stdout.write(rules_markdown(all_rules()))
