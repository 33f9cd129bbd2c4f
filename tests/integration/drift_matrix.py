"""The drift matrix as a page: `python -m tests.integration.drift_matrix` writes docs/drift-matrix.md."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tests.integration.clean import ENVIRONMENTS
from tests.integration.drift import Drift
from tests.integration.drifts_files import FILES
from tests.integration.drifts_hardware import HARDWARE
from tests.integration.drifts_images import IMAGES
from tests.integration.drifts_interpreter import INTERPRETERS
from tests.integration.drifts_lock import LOCKS
from tests.integration.drifts_packages import PACKAGES
from tests.integration.drifts_settings import SETTINGS

DRIFTS: tuple[Drift, ...] = (*PACKAGES, *FILES, *INTERPRETERS, *SETTINGS, *HARDWARE, *IMAGES, *LOCKS)
PAGE = Path(__file__).parents[2] / "docs/drift-matrix.md"
_TOP = """\
# What `envlock verify` catches

{drifts} kinds of drift, each made for real by `tests/integration/test_drift.py`, and {clean} environments in which \
nothing is wrong, by `tests/integration/test_clean.py`.
The tests hold every row against what the command says; this page is written from their tables by \
`python -m tests.integration.drift_matrix`.

A cell is the exit code and the rule: 1 drift, 2 no verdict, 3 could not verify, 4 bytes contradict the lock.
`--quick` (the default) reads metadata and sizes, so that it cannot see bytes that changed under the same size: –.
[Rules](rules.md) says what each rule checks, and why.
"""
_CLEAN = """\

## Not one false alarm

Exit code 0 in both modes and nothing said, but for what is named.

| environment | notes |
| --- | --- |
"""


def page() -> str:
    """Return the page."""
    parts = [_TOP.format(drifts=len(DRIFTS), clean=len(ENVIRONMENTS))]
    for kind, rows in groupby(DRIFTS, key=lambda drift: drift.kind):
        parts.append(f"\n## {kind}\n\n| drift | --quick | --full |\n| --- | --- | --- |\n")
        for drift in rows:
            asked = f" ({' '.join(f'`{word}`' for word in drift.options)})" if drift.options else ""
            cells = (_cell(*drift.expected(mode)) for mode in ("--quick", "--full"))
            parts.append(f"| {drift.name}{asked} | {' | '.join(cells)} |\n")
    parts.append(_CLEAN)
    parts += (f"| {clean.name} | {', '.join(f'`{rule}`' for rule in clean.notes)} |\n" for clean in ENVIRONMENTS)
    return "".join(parts)


def _cell(rule: str, code: int) -> str:
    return f"{code} `{rule}`" if rule else "–"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
