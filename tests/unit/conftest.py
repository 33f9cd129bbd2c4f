"""What several unit tests share."""

from __future__ import annotations

import pytest

from tests.unit.history import History, make_history


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The held history as a git repository; nobody changes it."""
    return make_history(tmp_path_factory.mktemp("history"))
