"""Prints the reference page of the built-in probes: python tools/probes_page.py > docs/probes.md."""

from __future__ import annotations

import sys
from pathlib import Path

from envlock.observe.probe_list import probes_in

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


def suites(folder: Path = SUITES) -> dict[str, Path]:
    """Return the scripts of the suites by framework, in alphabetical order."""
    return {path.stem.replace("_", "-"): path for path in sorted(folder.glob("*.py"))}


def page(folder: Path = SUITES) -> str:
    """Return the page: a table of probes for each framework."""
    parts = [HEAD]
    for framework, path in suites(folder).items():
        rows = probes_in(framework, path.read_text("utf-8"))
        on_gpu = sum(row.device == "gpu" for row in rows)
        count = f"{len(rows)} probes" + (f", {on_gpu} of them of a GPU" if on_gpu else "")
        parts.append(_TABLE.format(framework=framework, count=count))
        parts += [
            "| `{}` | {} | {} |\n".format(row.name, row.sensitive.replace("|", "\\|"), row.device) for row in rows
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
