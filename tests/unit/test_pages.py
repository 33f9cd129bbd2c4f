"""What people read in a browser: Markdown and HTML, inert whatever a target calls itself."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from envlock.model.finding import Summary, judge
from envlock.report.formats import render
from envlock.report.inert import COMMENT
from envlock.report.markdown import STEP_SUMMARY
from envlock.verify.rules import all_rules
from tests.unit.verdicts import HOSTILE, NUMBERS, hostile_verdict, real_verdict, rule, waived

SUMMARY = Summary(env="tf25", lock_digest="ab" * 32, target=".venv", mode="full", packages=44, locked_packages=44)
VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, texts, and whether everything was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.raw[self.open[-1]] = data
        else:
            self.texts.append(data)

    def texts_of(self, *, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def drifted() -> str:
    rows = [rule("package-version").finding(name, expected="1", found="2", fix="envlock sync") for name in ("a", "b")]
    rows += [rule("package-extra").finding(name, fix=f"envlock sync   (or add {name})") for name in ("c", "e")]
    rows.append(rule("startup-code").finding("z.pth", fix="rm z.pth   (or lock it)"))
    rows.append(waived(rule("package-extra").finding("d"), "needed (until 2027-03-31)"))
    verdict = judge(SUMMARY, rows, unjudged={"image-lock": "the target is not an image"})
    return render(verdict, "html", rules=all_rules())


def test_page_is_whole_and_needs_nothing_else() -> None:
    """Every element is closed; nothing is fetched from anywhere, and the policy names style and script by digest."""
    page = Page(drifted())
    assert page.open == []
    policy = next(str(each["content"]) for each in page.texts_of(tag="meta") if "http-equiv" in each)
    for name, text in page.raw.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not any(key in ("src", "srcset", "style", "onclick") for _, each in page.elements for key in each)
    assert all(str(each["href"]).startswith("#rule-") for each in page.texts_of(tag="a"))
    assert not re.search(r"url\(|@import|https?://", page.raw["style"] + page.raw["script"])


def test_page_is_inert() -> None:
    """A target's names are text and nothing else: no element, attribute or link comes of them."""
    page = Page(render(hostile_verdict(), "html", rules=all_rules()))
    assert page.open == []
    assert [tag for tag, _ in page.elements].count("script") == 1
    own = {"html", "head", "meta", "title", "style", "body", "header", "div", "h1", "span", "p", "code", "ul", "li",
           "b", "main", "section", "h2", "ol", "pre", "fieldset", "legend", "label", "input", "small", "article", "h3",
           "a", "dl", "dt", "dd", "table", "caption", "tbody", "tr", "th", "td", "details", "summary", "thead",
           "footer", "script", "figure", "svg", "desc", "rect", "text"}  # fmt: skip
    assert {tag for tag, _ in page.elements} <= own
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert not any("\x1b" in text or "\u202e" in text for text in page.texts)


def test_page_tells_every_part(tmp_path: Path) -> None:
    """Findings of one reason share a card; waivers, remarks, what was looked at and all rules are there."""
    page = Page(drifted())
    text = "\n".join(page.texts)
    assert "2 findings" in text
    assert "Waived: needed (until 2027-03-31)" in text
    assert "rm z.pth  # or lock it" in text
    assert "(or add" not in text  # what is different for each finding of a card is left away
    assert "not judged: the target is not an image" in text
    assert "✓ nothing found" in text
    identities = [each["id"] for _, each in page.elements if "id" in each]
    assert len(identities) == len(set(identities))
    assert {f"rule-{rule.id}" for rule in all_rules()} <= set(identities)
    assert {each["href"] for each in page.texts_of(tag="a")} <= {f"#{name}" for name in identities}
    assert [each["id"] for each in page.texts_of(tag="input")] == ["show-error", "show-warning", "show-waived"]
    assert "demo" in render(real_verdict(tmp_path), "html", rules=all_rules())


def test_a_quick_match_does_not_say_too_much() -> None:
    """A page that says `match` says how deep it looked."""
    quick = judge(Summary(env="tf25", lock_digest="ab" * 32, target=".venv", mode="quick"), [])
    text = render(quick, "html", rules=all_rules())
    assert (
        "The target is what the lock says, by version and size; --full compares every byte. Nothing was found." in text
    )
    assert "<article" not in text


def test_a_page_stays_light() -> None:
    """Ten thousand findings are cut to what a browser opens at once, unless everything is asked for."""
    many = judge(SUMMARY, [rule("file-unrecorded").finding(f"f{at:05}") for at in range(10_000)])
    assert "and 9,700 more; the JSON output holds all of them" in render(many, "html", rules=all_rules())
    assert "f09999" in render(many, "html", rules=all_rules(), everything=True)


def test_markdown() -> None:
    """A table a section; notes, waived findings and what was not judged are folded; commands can be copied."""
    verdict = judge(
        SUMMARY,
        [
            rule("package-version").finding("six", expected="1", found="2", fix="envlock sync tf25   (or lock it)"),
            waived(rule("package-extra").finding("d"), "needed (until 2027-03-31)"),
        ],
        unjudged={"image-lock": "the target is not an image"},
    )
    assert render(verdict, "markdown") == (
        "## ✗ tf25: drift\n\n"
        "<code>.venv</code> against the lock <code>sha256&#58;abababababab</code>: 44 packages; "
        "compared byte for byte. 1 error, 1 waived.\n\n"
        "### May change behaviour (1)\n\n"
        "| what | expected | found | why |\n| --- | --- | --- | --- |\n"
        "| <code>six</code><br><sub>package-version</sub> | <code>1</code> | <code>2</code> "
        "| Another release is other code. |\n\n"
        "<details><summary>Waived (1)</summary>\n\n"
        "| what | expected | found | why |\n| --- | --- | --- | --- |\n"
        "| <code>d</code><br><sub>package-extra</sub> |  |  | waived&#58; needed &#40;until 2027-03-31&#41; |\n\n"
        "</details>\n\n"
        "### Next\n\n```sh\nenvlock sync tf25  # or lock it\n```\n\n"
        "<details><summary>Not judged (1)</summary>\n\n"
        "- 1 rule, the target is not an image: image-lock\n\n"
        "</details>\n"
    )


def test_markdown_is_inert() -> None:
    """No link, image, HTML, heading or further cell comes of a target's names, and nobody is mentioned."""
    markdown_it = pytest.importorskip("markdown_it")
    text = render(hostile_verdict(), "markdown")
    html = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    page = Page(html)
    assert page.open == []
    own = {"h2", "h3", "p", "code", "table", "thead", "tbody", "tr", "th", "td", "br", "sub", "details", "summary",
           "ul", "li", "pre"}  # fmt: skip
    assert {tag for tag, _ in page.elements} <= own
    tags = [tag for tag, _ in page.elements]
    numbers = 2 * len(NUMBERS.tallies) + 5 * 2  # rows of the suite that was compared
    assert tags.count("td") == 4 * len(hostile_verdict().findings) + numbers
    assert any("<script>alert(1)</script>" in part for part in page.texts)
    outside = re.sub(r"<(code|pre)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r"(@|&#64;|#|&#35;)\w", outside)
    assert "www." not in text.partition("### Next")[0]
    assert HOSTILE.count("```") and "````sh" in text


@pytest.mark.parametrize(("everything", "limit"), [(False, COMMENT), (True, STEP_SUMMARY)])
def test_markdown_keeps_the_limit(everything: bool, limit: int) -> None:
    """Long lists are cut and counted, so that a comment or a step summary is taken at all."""
    findings = [rule("file-unrecorded").finding(f"é{at:05}" * 20, found="✗" * 400) for at in range(2_000)]
    text = render(judge(SUMMARY, findings), "markdown", everything=everything)
    assert limit / 8 < len(text.encode()) <= limit
    assert re.search(r"\| and [\d,]+ more \|", text)
