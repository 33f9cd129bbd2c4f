"""Runs docs/tutorial.md as a reader would: python tools/tutorial.py FOLDER runs it there and writes what came into it.

A block `console` holds commands, each after the prompt of whoever types it (`ana$`, `ben$`, or `$` above both folders),
and what they print; a block with `title="FILE"` is that file. Other blocks are not run. `# exit 1` after a command says
how it ends. In what is printed `…` stands for any text of a line, and alone in a line for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
ANY = "…"
_BLOCK = re.compile(r"^```(?P<kind>[\w-]+)(?P<rest>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="(?P<path>[^"]+)"')
_PROMPT = re.compile(r"^(?P<who>[a-z]*)\$ (?P<command>.+)$")
_EXIT = re.compile(r"\s+# exit (\d+)$")
_PROGRESS = re.compile(r"  .*: \d+(\.\d+)? s")
"""A line of progress on stderr: which of them appear depends on the machine's speed."""
_VARIES = {
    r"\b[0-9a-f]{12,64}\b": ANY,  # a digest or a commit, whole or cut
    r"\b[0-9a-f]{7,11}\b(?=.*\b(?:Ana|Ben)\b)": ANY,
    r"(?<=commit )[0-9a-f]{7,11}\b": ANY,
    r"SHA256:[\w+/]+": f"SHA256:{ANY}",
    r"(?<=Python 3\.11\.)\d+": ANY,
    r"\b[\d.]+ GB free": f"{ANY} GB free",
}
"""What is another with every run or machine, and what stands for it in the page."""
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b(?:[T ][\d:]+Z?)?")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the reader writes."""

    path: str
    body: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A command that the reader types, and what the page says comes."""

    who: str
    command: str
    code: int
    output: tuple[str, ...]
    span: tuple[int, int]
    """Where its output stands in the page, in characters."""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What a command printed, and how it ended."""

    code: int
    lines: tuple[str, ...]


def steps(text: str) -> Iterator[File | Step]:
    """Yield the files and commands of a page, in order."""
    for block in _BLOCK.finditer(text):
        title = _TITLE.search(block["rest"])
        if title:
            yield File(path=title["path"], body=block["body"])
        elif block["kind"] == "console":
            yield from _commands(block["body"], block.start("body"))


def _commands(body: str, start: int) -> Iterator[Step]:
    at, rows = start, []
    for line in body.splitlines():
        rows.append((at, line))
        at += len(line) + 1
    prompts = [number for number, (_, line) in enumerate(rows) if _PROMPT.match(line)]
    for number, following in zip(prompts, [*prompts[1:], len(rows)], strict=True):
        match = _PROMPT.match(rows[number][1])
        assert match is not None
        code = _EXIT.search(match["command"])
        output = rows[number + 1 : following]
        begin = rows[number][0] + len(rows[number][1]) + 1
        yield Step(
            who=match["who"],
            command=_EXIT.sub("", match["command"]),
            code=int(code[1]) if code else 0,
            output=tuple(line for _, line in output),
            span=(begin, begin + sum(len(line) + 1 for _, line in output)),
        )


class Readers:
    """The people of the tutorial: each types in a shell, of which the working folder and what is exported last."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = environment
        self.folders: dict[str, Path] = {}

    def write(self, file: File) -> None:
        """Write a file, its path given from above the folders of all."""
        path = self.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.body, "utf-8")

    def type(self, step: Step) -> Came:
        """Run a command where its reader stands."""
        folder = self.folders.get(step.who, self.root)
        script = f"{step.command}\nended=$?\npwd >&3\nexit $ended"
        reading, writing = os.pipe()
        done = subprocess.run(
            ["bash", "-c", f"exec 3>&{writing}\n{script}"],
            cwd=folder,
            env={**self.environment, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            check=False,
        )
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as told:
            self.folders[step.who] = Path(told.read().strip() or folder)
        lines = (line for line in done.stdout.decode("utf-8").splitlines() if not _PROGRESS.fullmatch(line))
        return Came(code=done.returncode, lines=tuple(lines))


def holds(expected: tuple[str, ...], came: tuple[str, ...]) -> bool:
    """Whether lines are those that a page shows, `…` standing for anything."""
    parts = []
    for line in expected:
        one = ".*?".join(re.escape(part) for part in line.rstrip().split(ANY))
        parts.append("(?:.*\n)*?" if line.strip() == ANY else f"{one}[ ]*\n")
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in came)) is not None


def shown(came: tuple[str, ...], before: tuple[str, ...], page: str) -> tuple[str, ...]:
    """Return what a page shows of an output: what it showed where that holds, else what came, less what varies."""
    return before if holds(before, came) else tuple(_less(line, page) for line in came)


def _less(line: str, page: str) -> str:
    for pattern, instead in _VARIES.items():
        line = re.sub(pattern, instead, line)
    return _DATE.sub(lambda match: match[0] if match[0][:10] in page else ANY, line).rstrip()


def rewritten(text: str, readers: Readers) -> str:
    """Run a page and return it with what came."""
    parts, at = [], 0
    for step in steps(text):
        if isinstance(step, File):
            readers.write(step)
            continue
        came = readers.type(step)
        sys.stderr.write(f"{step.who}$ {step.command}\n" + "".join(f"    {line}\n" for line in came.lines))
        if came.code != step.code:
            sys.stderr.write(f"  !!! ended with {came.code}, not {step.code}\n")
        start, end = step.span
        parts += [text[at:start], *(f"{line}\n" for line in shown(came.lines, step.output, text))]
        at = end
    return "".join([*parts, text[at:]])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    PAGE.write_text(rewritten(PAGE.read_text("utf-8"), Readers(folder, os.environ)), "utf-8")
