"""The documentation is whole: pages, links, commands, codes, schemas, and the site that is made of it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
import yaml
from markdown.extensions.toc import slugify
from tools import commands_page, exit_codes_page

from envlock.cli.main import COMMANDS, cli
from envlock.verify.rules import IDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(sorted(DOCS.rglob("*.md")))
OTHERS = tuple(
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "benchmarks/README.md",
        "examples/augmentation/README.md",
    )
)
REFERENCE = DOCS / "reference"
_FENCE = re.compile(r"^ *(```+)(?P<kind>[\w-]*)[^\n]*\n(?P<body>.*?)^ *\1$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_TYPED = re.compile(r"^ *(?:[a-z]*\$ )?(?P<line>(?:[A-Z_]+=\S+ )*envlock(?: .*)?)$", re.MULTILINE)


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_generated_pages_are_current() -> None:
    """`make pages` writes them again when this fails."""
    assert (REFERENCE / "commands.md").read_text("utf-8") == commands_page.page()
    assert (REFERENCE / "exit-codes.md").read_text("utf-8") == exit_codes_page.page()


def test_every_page_is_in_the_navigation() -> None:
    """No page is lost, and none is promised that is not there."""
    configuration = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), yaml.SafeLoader)

    def pages(entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for below in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
            yield from pages(below)

    assert sorted(pages(configuration["nav"])) == sorted(str(path.relative_to(DOCS)) for path in PAGES)


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of this repository, and a heading or an anchor that is in it."""
    broken = []
    for match in _LINK.finditer(_FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            broken.append(match["target"])
    assert broken == []


def _anchors(page: Path) -> set[str]:
    text = _FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {slugify(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each), "-") for each in headings} | set(
        re.findall(r'<a id="([^"]+)">', text)
    )


def test_reference_is_whole() -> None:
    """Every command, exit code, rule and schema has its place in the reference."""
    commands = (REFERENCE / "commands.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"\n## envlock {name}\n" not in commands] == []
    codes = (REFERENCE / "exit-codes.md").read_text("utf-8")
    assert [code for code in (0, 1, 2, 3, 4, 130, 141) if f"\n| {code} | " not in codes] == []
    rules = (DOCS / "rules.md").read_text("utf-8")
    assert [name for name in IDS if name not in rules] == []
    formats = (REFERENCE / "formats.md").read_text("utf-8")
    for schema in sorted((DOCS / "schemas").glob("*.json")):
        assert json.loads(schema.read_text("utf-8"))["properties"]["schema"]["const"] == 1, schema.name
        assert f"(../schemas/{schema.name})" in formats


def test_every_variable_and_type_is_told() -> None:
    """A variable that the code reads by name, and a type or label that it gives images, is in the reference."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    commands = (REFERENCE / "commands.md").read_text("utf-8")
    assert sorted(name for name in set(re.findall(r'"(ENVLOCK_[A-Z_]+)"', code)) if f"`{name}`" not in commands) == []
    formats = (REFERENCE / "formats.md").read_text("utf-8")
    types = set(re.findall(r'"(application/vnd\.(?:envlock|in-toto|cyclonedx)[\w.+-]*)"', code))
    assert types
    labels = set(re.findall(r'^LABEL_\w+ = "([\w.]+)"', code, re.MULTILINE))
    assert sorted(name for name in types | labels if f"`{name}`" not in formats) == []


def test_every_error_of_the_code_is_found() -> None:
    """References that are passed on, chosen or put together are found too, each under its own code."""
    found = exit_codes_page.references(exit_codes_page.PACKAGE)
    assert found["unknown-group", 2] == {"There is no group …."}
    assert found["contents-mismatch", 4] == {"… does not have the contents digest that the lock gives."}
    assert found["newer-lock", 2] == {"The lock was written by a newer envlock."}
    assert found["no-blob", 2] == {"The registry lacks a layer of the image."}
    assert ("rate-limited", 2) in found
    assert ("no-metadata", 2) in found


def _typed() -> Iterator[tuple[str, str]]:
    for page in (*PAGES, *OTHERS):
        if page.parent == REFERENCE and page.stem == "commands":
            continue
        for block in _FENCE.finditer(page.read_text("utf-8")):
            if block["kind"] in ("console", "sh", "bash", ""):
                yield from ((_named(page), match["line"]) for match in _TYPED.finditer(block["body"]))


def _words(line: str) -> Iterator[list[str]]:
    """Yield the words of each envlock command of a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word in ("&&", "|", ";", ">", ">>", "<", "||"):
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                command.pop(0)
            if command[:1] == ["envlock"]:
                yield command[1:]
            command = []
        else:
            command.append(word)


def parsed(words: list[str]) -> None:
    """Parse a command line as envlock would, running nothing; raises click's UsageError."""
    context = click.Context(cli, info_name="envlock")
    command: click.Command = cli
    while isinstance(command, click.Group):
        _, rest, _ = command.make_parser(context).parse_args(list(words))
        if not rest:
            return
        name, *words = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name}")
        command, context = found, click.Context(found, info_name=name, parent=context)
    given, _, _ = command.make_parser(context).parse_args(list(words))
    for parameter in command.params:
        values = given.get(str(parameter.name))
        for value in values if isinstance(values, (list, tuple)) else (values,):
            if isinstance(parameter.type, click.Choice) and isinstance(value, str):
                parameter.type.convert(value, parameter, context)


@pytest.mark.parametrize("page", sorted({page for page, _ in _typed()}))
def test_what_pages_tell_to_type_can_be_typed(page: str) -> None:
    """Every command line in a block of a page has a command, options and choices that exist."""
    wrong = []
    for name, line in _typed():
        for words in _words(line) if name == page else ():
            try:
                parsed([word for word in words if word not in ("…", "...")])
            except click.UsageError as error:
                wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=_named)
def test_options_named_in_sentences_exist(page: Path) -> None:
    """`envlock COMMAND --option` within a sentence names a command and options that exist."""
    wrong = []
    for text in re.findall(
        r"(?<!`)`((?:ENVLOCK_\w+=\S+ )?envlock [^`\n]+)`(?!`)", _FENCE.sub("", page.read_text("utf-8"))
    ):
        words = text.partition("&&")[0].partition(" -- ")[0].split()[1:]
        while words and (words[0].startswith("-") or words[0] == "envlock"):
            words = words[2:] if words[0] == "-C" else words[1:]
        if not words or not re.fullmatch("[a-z-]+", words[0]):
            continue
        command = cli.get_command(click.Context(cli), words[0])
        if command is None:
            wrong.append(text)
            continue
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if isinstance(command, click.Group):
            known |= {
                each for below in command.commands.values() for parameter in below.params for each in parameter.opts
            }
        options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(words[1:]))
        wrong += [f"{text}: {option}" for option in options if option not in known | {"--help"}]
    assert wrong == []


class _Elsewhere(HTMLParser):
    """What a page fetches by itself: scripts, styles, pictures, frames."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(given.get("href", ""))
        elif tag in ("script", "img", "iframe", "source"):
            self.fetched.append(given.get("src", ""))


def test_site_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    """The site builds without a warning, and fetches no script, style, font or picture of another host."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (0, "")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) == len(PAGES) + 1  # 404.html
    for page in pages:
        fetched = _Elsewhere(page.read_text("utf-8")).fetched
        assert [each for each in fetched if re.match(r"(https?:)?//", each)] == [], page.name
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(url\(|@import )[\"']?(https?:)?//", style.read_text("utf-8")), style.name
