"""Every form of a verdict, by name; and what `--output` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, get_args

from envlock.errors import UsageError, one_line
from envlock.model.finding import Rule, Verdict
from envlock.report.lock_lines import LockLines
from envlock.report.portable import portable
from envlock.report.style import Style, plain

Format = Literal["human", "json", "junit", "sarif", "github", "markdown", "html"]

_EXACT: tuple[Format, ...] = ("human", "json")
FORMATS: tuple[Format, ...] = get_args(Format)
_EXTENSIONS: dict[str, Format] = {
    ".txt": "human",
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
}


def render(
    verdict: Verdict,
    form: Format,
    *,
    rules: Sequence[Rule] = (),
    lock: LockLines | None = None,
    style: Style = plain,
    width: int = 100,
    everything: bool = False,
) -> str:
    """Return a verdict in one of its forms; it ends with a line feed and can be encoded as UTF-8.

    What is made to be shown elsewhere holds no folder of this machine; the text and JSON are for here, and exact.

    Args:
        verdict: of one target.
        form: one of FORMATS.
        rules: all that were asked, in their order; JUnit, SARIF and HTML tell what became of each.
        lock: where SARIF results and GitHub annotations are placed.
        style: how words are marked; human alone.
        width: in columns; human alone.
        everything: human and HTML list what they would only count; Markdown may have the size of a step summary,
            instead of a comment's.
    """
    shown = verdict if form in _EXACT else portable(verdict)
    text = _render(shown, form, rules, lock, style, width, everything)
    text += "" if text.endswith("\n") else "\n"
    # What is left undecoded of a name becomes its escape, which JSON too reads as such.
    return text.encode("utf-8", "backslashreplace").decode()


def _render(
    verdict: Verdict,
    form: Format,
    rules: Sequence[Rule],
    lock: LockLines | None,
    style: Style,
    width: int,
    everything: bool,
) -> str:
    match form:
        case "human":
            from envlock.report.verdict import verdict_text

            return verdict_text(verdict, style=style, width=width, everything=everything)
        case "json":
            from envlock.report.verdict import verdict_json

            return verdict_json(verdict)
        case "junit":
            from envlock.report.junit import verdict_junit

            return verdict_junit(verdict, rules)
        case "sarif":
            from envlock.report.sarif import verdict_sarif

            return verdict_sarif(verdict, rules, lock)
        case "github":
            from envlock.report.github import verdict_github

            return verdict_github(verdict, lock)
        case "markdown":
            from envlock.report.inert import COMMENT
            from envlock.report.markdown import STEP_SUMMARY, verdict_markdown

            return verdict_markdown(verdict, limit=STEP_SUMMARY if everything else COMMENT)
        case "html":
            from envlock.report.page import verdict_html

            return verdict_html(verdict, rules, everything=everything)


def parse_output(text: str) -> tuple[Format, str]:
    """Return (form, path) of an `--output`: FORMAT:FILE, or a FILE whose extension says the form.

    Raises UsageError (`unknown-format`).
    """
    name, colon, path = text.partition(":")
    if colon and path and name in FORMATS:
        return name, path
    form = _EXTENSIONS.get(PurePath(text).suffix.lower())
    if form is None or not name:
        file = path if colon else name
        raise UsageError(
            "unknown-format",
            "It is not clear in which form the file is to be written.",
            where=f"--output {one_line(text)}",
            expected=f"a file that ends in {', '.join(_EXTENSIONS)}; or FORMAT:FILE with {', '.join(FORMATS)}",
            hint=f"Say it before the file: --output junit:{one_line(file or 'FILE')}",
        )
    return form, text
