"""alternatives: the links that `update-alternatives --install` lines of postinst scripts ask for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import msgspec

from envlock.errors import UsageError
from envlock.image.effects.unrolled import literal
from envlock.image.tree import Tree

_OWNER = "alternatives"
_NOTED = "var/lib/dpkg/alternatives"
_TOOL = "update-alternatives"
_OPTIONS = frozenset({"--quiet", "--force", "--verbose"})


class Link(msgspec.Struct, frozen=True):
    """A generic path, the name of its alternative, and the path that this choice gives it."""

    link: str
    name: str
    path: str


class Choice(msgspec.Struct, frozen=True):
    """One `--install` with its slaves."""

    master: Link
    priority: int
    slaves: tuple[Link, ...] = ()


def apply(tree: Tree) -> None:
    """Link each name to its choice of the highest priority, the first package by name where several are equal.

    What a base from a registry has chosen stays, unless it was chosen by its priority and that is a lower one.
    """
    best: dict[str, Choice] = {}
    for package in tree.packages:
        for choice in choices(package.control.get("postinst", b""), package.deb.name):
            if tree.resolve(choice.master.path) is None:
                continue
            before = best.get(choice.master.name)
            if before is None or choice.priority > before.priority:
                best[choice.master.name] = choice
    for name, choice in sorted(best.items()):
        noted = f"{_NOTED}/{name}"
        known = noted in tree
        if known and not _yields(tree.read(noted).decode("utf-8", "replace"), choice.priority):
            continue
        for link in (choice.master, *choice.slaves):
            there = link.link.lstrip("/") in tree
            if tree.resolve(link.path) is None or (there and not known):
                continue
            tree.add(f"etc/alternatives/{link.name}", "symlink", owner=_OWNER, link=link.path)
            if not there:
                tree.add(link.link.lstrip("/"), "symlink", owner=_OWNER, link=f"/etc/alternatives/{link.name}")


def _yields(noted: str, priority: int) -> bool:
    """Tell whether what update-alternatives noted of a name gives way to a choice of this priority.

    Its file: `auto` or `manual`, the link, name and link of each slave, an empty line; then for each choice its path,
    its priority and a line for each slave.
    """
    head, _, rest = noted.partition("\n\n")
    mode, *links = head.split("\n")
    rows = rest.split("\n")
    priorities = [row for row in rows[1 :: 2 + (len(links) - 1) // 2] if row.lstrip("-").isdecimal()]
    return mode == "auto" and all(int(other) < priority for other in priorities)


def choices(script: bytes, package: str) -> Iterator[Choice]:
    """Iterate over the choices that a script of a package installs.

    Raises UsageError (`unread-script`) where a line is neither literal nor unrolled: nothing here evaluates shell.
    """
    try:
        text = script.decode("utf-8")
    except UnicodeDecodeError:
        return
    text = re.sub(r"\\\n", " ", literal(text, package))
    for line in text.splitlines():
        if _TOOL in line and "--install" in line and not line.lstrip().startswith("#"):
            for words in _commands(line):
                yield _choice(words, package)


def _commands(line: str) -> Iterator[list[str]]:
    """Cut a line of shell at its operators; return the arguments of each call of the tool."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.wordchars += "@%+,:=!^"
    words: list[str] = []
    for word in (*lexer, ";"):
        if set(word) <= set(";|&()<>"):
            if _TOOL in words and "--install" in words:
                yield words[words.index(_TOOL) + 1 :]
            words = []
        else:
            words.append(word)


def _choice(words: list[str], package: str) -> Choice:
    words = [word for word in words if word not in _OPTIONS]
    try:
        if words[0] != "--install" or any(mark in word for word in words for mark in "$`*?"):
            raise ValueError
        master, priority = Link(*words[1:4]), int(words[4])
        slaves = []
        for start in range(5, len(words), 4):
            if words[start] != "--slave":
                raise ValueError
            slaves.append(Link(*words[start + 1 : start + 4]))
    except (ValueError, IndexError, TypeError) as error:
        raise UsageError(
            "unread-script",
            "A postinst calls update-alternatives in a way that cannot be read without running it.",
            where=package,
            expected="--install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]...",
            found=" ".join(words),
            hint="leave the package out, or exclude it in the recipe",
        ) from error
    return Choice(master, priority, tuple(slaves))
