"""What holds for every test: none is timed, and what envlock wrote in all of them says nothing of this machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SWEEP_S = 8.0
"""Seconds that the search may take; small files come first, and layers as far as it gets."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search what the whole session wrote for this machine's names and addresses; a find fails the session."""
    from tests.integration.private import of_this_machine, search, written

    factory = getattr(session.config, "_tmp_path_factory", None)
    folder = getattr(factory, "_basetemp", None)
    if folder is None or hasattr(session.config, "workerinput"):
        return
    found = search(written(folder), of_this_machine() | {str(folder): "folder of the tests"}, patience=_SWEEP_S)
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nprivate:", *found[:20], sep="\n  ")
