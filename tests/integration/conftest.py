"""What integration tests share: one small project, locked and built once, and the Engines.

Fixtures of a session stand here, by an import if need be: imported into each module that wants one, pytest makes one
for each module.
"""

from __future__ import annotations

import sys

import pytest

from tests.integration.engine_fixture import engine as engine
from tests.integration.podman_fixture import podman_engine as podman_engine
from tests.integration.project import Project
from tests.unit.wheels import make_wheel

TINY = """\
[env.tiny]
python = "{python}"
dependencies = ["demo"]

[[index]]
name = "wheels"
url = "wheels"
format = "flat"
default = true
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project on Debian bookworm that was locked and built."""
    project = Project(tmp_path_factory.mktemp("built"), cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    project.ok("build")
    return project


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one wheel of a few bytes, locked and synced without any network; leave it as it was."""
    manifest = TINY.format(python=f"{sys.version_info[0]}.{sys.version_info[1]}")
    project = Project(tmp_path_factory.mktemp("tiny"), manifest, cache=tmp_path_factory.mktemp("cache"))
    (project.folder / "wheels").mkdir()
    make_wheel(project.folder / "wheels")
    project.ok("lock")
    project.ok("sync")
    return project
