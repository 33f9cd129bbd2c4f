"""Hooks of MkDocs: what the site shows in another way than a clone."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]+)\]\((?P<target>\.\./[^)\s]*)\)")

_TYPED = re.compile(r'<span class="go">(?P<prompt>[a-z]+\$ )(?P<command>.*?)</span>')


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page's text without links that climb out of docs/; a site has no such page, a clone has the file."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match["target"].partition("#")[0]))
        if not target.startswith("../"):
            return match[0]
        path = target.removeprefix("../")
        return match["text"] if path in match["text"] else f"{match['text']} (`{path}`)"

    return _LINK.sub(shown, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Return a page whose prompts with a name (`ana$`) stand out as bare ones do, which is all that Pygments knows."""
    return _TYPED.sub(r'<span class="gp">\g<prompt></span>\g<command>', html)
