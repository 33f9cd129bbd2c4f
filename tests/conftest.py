"""What holds for every test: none is timed, and what envlock wrote in all of them says nothing of this machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SWEEP_S = 20.0
"""Seconds that the search may take; small files come first."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search what the whole session wrote for this machine's names and addresses; a find fails the session."""
    from tests.integration.private import of_this_machine, search, written

    folder = getattr(getattr(session.config, "_tmp_path_factory", None), "_basetemp", None)
    if folder is None or hasattr(session.config, "workerinput"):
        return
    files = list(written(folder))
    found = search(files, of_this_machine() | {str(folder): "folder of the tests"}, patience=_SWEEP_S)
    print(f"\nsearched for what is private: {found.searched:,} of {len(files):,} files, {len(found.lines)} finds")
    if found.lines:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(*found.lines[:20], sep="\n  ")
