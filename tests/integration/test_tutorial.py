"""The tutorial is true: its commands are run in order from an empty folder, and print what the page shows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tools.tutorial import PAGE, File, Readers, holds, steps

from tests.integration.project import Project
from tests.integration.registry_server import serving

_ADDRESS = "127.0.0.1:5000"
"""Where the page says that its registry is."""


@pytest.mark.network
def test_tutorial(tmp_path: Path, built: Project) -> None:
    """Two people lock, verify, sign, review, build and push; every output is the page's, every exit code too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ENVLOCK_", "GIT_", "VIRTUAL_"))}
    environment = kept | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept["PATH"])),
        "ENVLOCK_CACHE_DIR": str(built.cache),  # its base is the tutorial's: unpacked once for both
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    root = tmp_path / "tutorial"
    root.mkdir()
    readers = Readers(root, environment)
    with serving(tmp_path / "registry") as server:
        for step in steps(PAGE.read_text("utf-8").replace(_ADDRESS, server.address)):
            if isinstance(step, File):
                readers.write(step)
                continue
            came = readers.type(step)
            printed = "\n".join(came.lines)
            assert came.code == step.code, f"{step.who}$ {step.command}\n{printed}"
            assert holds(step.output, came.lines), f"{step.who}$ {step.command}\n{printed}\n\nbut the page shows\n" + (
                "\n".join(step.output)
            )


def test_what_a_page_shows() -> None:
    """`…` stands for any text of a line, and alone for any lines; nothing else is left open."""
    came = ("train: locked", "  lockfiles/pylock.train.toml  sha256:abc", "", "done in 3 s")
    assert holds(("train: locked", "  lockfiles/pylock.train.toml  sha256:…", "", "done in … s"), came)
    assert holds(("train: locked", "…", "done in 3 s"), came)
    assert holds(("…",), came)
    assert not holds(("train: locked", "…", "done in 4 s"), came)
    assert not holds(("train: locked",), came)
    assert not holds((), came)
    assert holds((), ())
