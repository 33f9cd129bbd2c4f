"""What integration tests share: one small project, locked and built once, and the Engines.

Fixtures of a session stand here, by an import if need be: imported into each module that wants one, pytest makes one
for each module.
"""

from __future__ import annotations

import pytest

from tests.integration.engine_fixture import engine as engine
from tests.integration.podman_fixture import podman_engine as podman_engine
from tests.integration.project import Project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project on Debian bookworm that was locked and built."""
    project = Project(tmp_path_factory.mktemp("built"), cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    project.ok("build")
    return project
