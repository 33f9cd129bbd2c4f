"""The frame of a page that needs nothing else: no network, no font, and no script where none may run.

A Content-Security-Policy names the one style sheet and the one script by their digests, so that nothing else of the
file could run, whatever a target or a report calls itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files as resources

from envlock import __version__
from envlock.report.page_tables import text


def page(title: str, body: Iterable[str], *, style: str, script: str) -> str:
    """Return a page.

    Args:
        title: as text.
        body: lines of HTML, of a header and a main element.
        style: CSS.
        script: JavaScript, without which the page says all the same.
    """
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{text(title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        *body,
        f"<footer>Made by envlock {text(__version__)}.</footer>",
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


@cache
def asset(name: str) -> str:
    """Return the text of a style sheet or script of ours."""
    return resources("envlock").joinpath("data", "report", name).read_text("utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
