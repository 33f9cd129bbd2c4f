"""What a command's edges have in common."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from envlock.cli.wiring import wire
from envlock.model.edges import NoProgress, Registry
from envlock.model.index import Indexes


def test_all_threads_of_a_command_share_one_registry_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a token that one of them was granted serves the others."""
    monkeypatch.setenv("ENVLOCK_CACHE_DIR", str(tmp_path))
    edges, together = wire(Indexes(), NoProgress(), offline=True), Barrier(8)

    def opened() -> Registry:
        together.wait()
        return edges.registry()

    with ThreadPoolExecutor(8) as threads:
        found = [future.result() for future in [threads.submit(opened) for _ in range(8)]]
    assert len({id(each) for each in found}) == 1
