"""Prints the reference page of the built-in probes: python tools/probes_page.py > docs/probes.md."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

SUITES = Path(__file__).resolve().parent.parent / "src" / "envlock" / "data" / "probes"

HEAD = """\
# Built-in probes

A probe is a small computation that gives the same bits again and again where nothing changes, and other bits where
something did.
`envlock fingerprint` asks those of the frameworks that are locked, `envlock verify --numerics` asks them again.

Their inputs come of integer arithmetic, never of a random number generator; what draws at random sets its seed first.
Each is asked twice in a process, so that noise is not taken for drift.
There are two passes: *canonical* is one thread, deterministic algorithms and no setting;
*configured* is what programs really get.
A version of a framework that lacks an operation lacks its probe.

A name is `framework.area.operation`.
What a probe is sensitive to is what may change its bits, and so where to look when they differ;
one that is sensitive to nothing but a mistake tells that the ground is firm.
"""
_TABLE = "\n## {framework}\n\n{count}.\n\n| probe | sensitive to | device |\n| --- | --- | --- |\n"


class Definition(NamedTuple):
    """A probe, as its suite defines it."""

    name: str
    """framework.area.operation, of those on a GPU framework.gpu.area.operation or framework.gpu.operation."""
    sensitive: str
    device: str


def suites(folder: Path = SUITES) -> dict[str, Path]:
    """Return the scripts of the suites by framework, in alphabetical order."""
    return {path.stem.replace("_", "-"): path for path in sorted(folder.glob("*.py"))}


def definitions(framework: str, text: str) -> tuple[Definition, ...]:
    """Return the probes that a suite defines, in the order of its text, of which nothing is run.

    A definition is a call, of ``probe`` or of what calls it in turn, with two literals: a name and a line.
    """
    called = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call)]
    called.sort(key=lambda each: (each.lineno, each.col_offset))
    named = re.compile(rf"{re.escape(framework)}(\.\w+)+\Z")
    found = []
    for call in called:
        match call.args:
            case [ast.Constant(value=str(name)), ast.Constant(value=str(sensitive)), *_] if named.match(name):
                found.append(Definition(name, sensitive, "gpu" if name.startswith(f"{framework}.gpu.") else "cpu"))
    return tuple(found)


def page(folder: Path = SUITES) -> str:
    """Return the page: a table of probes for each framework."""
    parts = [HEAD]
    for framework, path in suites(folder).items():
        rows = definitions(framework, path.read_text("utf-8"))
        on_gpu = sum(row.device == "gpu" for row in rows)
        count = f"{len(rows)} probes" + (f", {on_gpu} of them of a GPU" if on_gpu else "")
        parts.append(_TABLE.format(framework=framework, count=count))
        parts += [
            "| `{}` | {} | {} |\n".format(row.name, row.sensitive.replace("|", "\\|"), row.device) for row in rows
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
