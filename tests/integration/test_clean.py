"""Environments of different make in which nothing is wrong: not one false alarm."""

from __future__ import annotations

import contextlib
from pathlib import Path
from unittest import mock

import pytest

from tests.integration.bench import Seen, clean_variables, invoke, invoke_for_real
from tests.integration.clean import ENVIRONMENTS, PYTHONS, Clean, Place
from tests.integration.project import Project

pytestmark = pytest.mark.network

ONE = """
[env.py{short}]
python = "{version}"
dependencies = ["jmespath==0.10.0", "tqdm==4.64.0", "markupsafe"]
as-of = "2025-01-01"
"""
GPU = """
[env.gpu]
python = "3.11"
dependencies = ["jmespath==0.10.0", "tqdm==4.64.0", "markupsafe"]
as-of = "2025-01-01"
hardware = ["a100"]
cuda = "base"
settings = { threads = 8 }

[hardware.a100]
accelerator = { kind = "nvidia", models = ["A100"], driver = ">=450" }
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A lock for each Python."""
    text = "".join(ONE.format(version=version, short=version.replace(".", "")) for version in PYTHONS) + GPU
    project = Project(tmp_path_factory.mktemp("clean") / "project", text, cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    return project


@pytest.fixture(scope="module")
def wheels(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked wheels in one folder."""
    project.ok("fetch")
    folder = tmp_path_factory.mktemp("wheels")
    assert project.cache is not None
    for wheel in project.cache.rglob("*.whl"):
        (folder / wheel.name).hardlink_to(wheel)
    return folder


def verify(place: Place, clean: Clean, mode: str) -> Seen:
    """Verify an environment as its owner would."""
    cache = {"ENVLOCK_CACHE_DIR": str(place.project.cache)}
    variables = clean_variables() | cache | place.variables
    variables = {name: value for name, value in variables.items() if name not in place.without}
    words = (clean.env, "--python", place.target or str(place.venv), mode)
    if place.before:
        return invoke_for_real(*words, folder=place.project.folder, variables=variables, before=place.before)
    with contextlib.ExitStack() as stack:
        if place.machine is not None:
            observed = mock.patch("envlock.adapters.machine.observe_machine", return_value=place.machine)
            stack.enter_context(observed)
        return invoke(*words, folder=place.project.folder, variables=variables)


@pytest.mark.parametrize("clean", ENVIRONMENTS, ids=lambda clean: clean.name)
def test_clean(project: Project, wheels: Path, tmp_path: Path, clean: Clean) -> None:
    """Exit code 0 in both modes, and nothing is told but what the table allows."""
    place = Place(project, tmp_path, wheels)
    clean.make(place)
    for mode in ("--quick", "--full"):
        seen = verify(place, clean, mode)
        assert seen.code == 0, f"{mode}: {seen}"
        assert set(seen.rules) <= set(clean.notes), f"{mode}: {seen}"
