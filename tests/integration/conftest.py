"""What integration tests share: one small project, locked and built once."""

from __future__ import annotations

import pytest

from tests.integration.project import Project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project on Debian bookworm that was locked and built."""
    project = Project(tmp_path_factory.mktemp("built"), cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    project.ok("build")
    return project
