"""`envlock lock` on the real index and the real Debian archive."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from uv import find_uv_bin

from tests.integration.project import SMALL, Project

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was locked once."""
    project = Project(tmp_path_factory.mktemp("project"), cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    return project


def test_locking_again_changes_nothing(project: Project) -> None:
    """The same inputs give the same bytes."""
    before = project.lock_path().read_bytes()
    assert "unchanged" in project.ok("lock").out
    assert project.lock_path().read_bytes() == before


def test_empty_cache_another_machine(project: Project, tmp_path: Path) -> None:
    """Time zone, locale, umask, home and cache do not reach the lock, nor does an old lock of the same pins."""
    other = Project(tmp_path / "elsewhere", cache=tmp_path / "cache")
    away = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv")}
    other.ok("lock", environment=away)
    assert other.lock_path().read_bytes() == project.lock_path().read_bytes()


def test_lock_is_a_pylock(project: Project) -> None:
    """packaging reads it, and each package has exactly one wheel."""
    document = tomllib.loads(project.lock_path().read_text("utf-8"))
    Pylock.from_dict(document).validate()
    assert [len(package["wheels"]) for package in document["packages"]] == [1, 1]
    assert {package["name"] for package in document["packages"]} == {"click", "pyyaml"}


def test_uv_installs_from_it(project: Project, tmp_path: Path) -> None:
    """uv needs no envlock to install from the lock."""
    uv, venv = find_uv_bin(), tmp_path / "venv"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "VIRTUAL_ENV"))}
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", venv], check=True, env=clean)
    subprocess.run([uv, "pip", "sync", "--quiet", "--python", venv, project.lock_path()], check=True, env=clean)
    code = "import click, yaml, importlib.metadata as m; print(m.version('click'), yaml.__version__)"
    said = subprocess.run([venv / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["8.1.7", "6.0.2"]


def test_omitted_urls_name_no_host(project: Project, tmp_path: Path) -> None:
    """urls = "omit" keeps no URL; fetch places the files where uv looks for them."""
    other = Project(
        tmp_path / "omit", SMALL.replace("[env.small.image]", 'urls = "omit"\n[env.small.image]'), cache=project.cache
    )
    other.ok("lock")
    text = other.lock_path().read_text("utf-8")
    assert "://" not in text
    assert other.run("fetch").code == 0
    for package in tomllib.loads(text)["packages"]:
        wheel = package["wheels"][0]
        assert (other.folder / "lockfiles" / wheel["path"]).stat().st_size == wheel["size"]


def test_check_is_offline_and_names_the_input(project: Project, tmp_path: Path) -> None:
    """A changed manifest is stale (1) and says what changed; comments change nothing."""
    other = Project(tmp_path / "check", cache=tmp_path / "cache")
    other.lock_path().parent.mkdir()
    other.lock_path().write_bytes(project.lock_path().read_bytes())
    assert other.run("--offline", "lock", "--check").code == 0
    manifest = other.folder / "envlock.toml"
    manifest.write_text("# a comment\n" + SMALL, "utf-8")
    assert other.run("--offline", "lock", "--check").code == 0
    manifest.write_text(SMALL.replace("8.1.7", "8.1.8"), "utf-8")
    stale = other.run("--offline", "lock", "--check")
    assert stale.code == 1
    assert "requirements: click==8.1.7 → click==8.1.8" in stale.out


def test_pins_stay_until_asked(tmp_path: Path) -> None:
    """A later cutoff moves nothing by itself; -P moves one pin."""
    project = Project(
        tmp_path / "pins",
        '[env.small]\npython = "3.11"\ndependencies = ["click", "six"]\nas-of = "2021-06-01"\n',
        cache=tmp_path / "c",
    )
    project.ok("lock")
    (project.folder / "envlock.toml").write_text(
        '[env.small]\npython = "3.11"\ndependencies = ["click", "six"]\nas-of = "2025-01-01"\n', "utf-8"
    )

    def versions() -> dict[str, str]:
        packages = tomllib.loads(project.lock_path().read_text("utf-8"))["packages"]
        return {package["name"]: package["version"] for package in packages}

    project.ok("lock")
    assert versions() == {"click": "8.0.1", "six": "1.16.0"}
    project.ok("lock", "-P", "six")
    assert versions() == {"click": "8.0.1", "six": "1.17.0"}
    project.ok("lock", "-U")
    assert versions() == {"click": "8.1.8", "six": "1.17.0"}


def test_unsatisfiable_keeps_uvs_explanation(project: Project) -> None:
    """Exit 2 with uv's own words, and the old lock stays."""
    other = Project(project.folder.with_name("unsatisfiable"), SMALL.replace("8.1.7", "99.0"), cache=project.cache)
    result = other.run("lock")
    assert result.code == 2
    assert "[unsatisfiable]" in result.err
    assert "click==99.0" in result.err
    assert not other.lock_path().exists()


def test_unknown_recipe(project: Project) -> None:
    """A misspelt base offers the nearest one."""
    other = Project(project.folder.with_name("recipe"), SMALL.replace("bookworm", "bookwurm"), cache=project.cache)
    result = other.run("lock")
    assert result.code == 2
    assert "[unknown-recipe]" in result.err
    assert "debian-bookworm-python3.11" in result.err


def test_as_of_release_needs_a_framework(project: Project) -> None:
    """There must be something whose release date counts."""
    other = Project(
        project.folder.with_name("release"), SMALL.replace('"2025-01-01"', '"release"'), cache=project.cache
    )
    result = other.run("lock")
    assert result.code == 2
    assert "[no-framework]" in result.err
