"""`init` writes a manifest from what is there, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from envlock.cli.main import cli
from envlock.errors import UsageError
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.manifest_parser import find_manifest
from envlock.operations.git_files import ATTRIBUTES, with_lines
from envlock.operations.init import initial_manifest
from envlock.operations.surroundings import Surroundings, look_around

MACHINE = ("laptop", HardwareClass(memory_gib=">=16", accelerator=AcceleratorClass(kind="none")))


def look(folder: Path, python: str | None = None) -> Surroundings:
    return look_around(folder, python=python, default_python="3.11")


def manifest_of(folder: Path, python: str | None = None) -> str:
    return initial_manifest(folder, look(folder, python), env="train", machine=MACHINE)


def venv(folder: Path, *distributions: str, requested: tuple[str, ...] = ()) -> None:
    site = folder / ".venv" / "lib" / "python3.9" / "site-packages"
    for name in distributions:
        (site / f"{name}.dist-info").mkdir(parents=True)
        if name in requested:
            (site / f"{name}.dist-info" / "REQUESTED").touch()
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.9.18\n", "utf-8")


def test_old_framework_in_requirements(tmp_path: Path) -> None:
    """The whole text: a pinned framework decides the cutoff, the venv the Python, the Python the base."""
    (tmp_path / "requirements.txt").write_text("tensorflow==2.5.0\npandas\n", "utf-8")
    venv(tmp_path, "tensorflow-2.5.0")
    assert manifest_of(tmp_path) == (
        "# What `envlock lock` pins; `envlock add` and `envlock remove` edit it too.\n"
        "\n"
        "[env.train]\n"
        'python = "3.9"                           # from .venv\n'
        'from = "requirements.txt"\n'
        'frameworks = { tensorflow = "==2.5.0" }  # what decides the results\n'
        "dependencies = []\n"
        'as-of = "release"                        # releases after the framework\'s do not exist; '
        'or a date, or "none"\n'
        "\n"
        "[env.train.image]\n"
        'base = "debian-bullseye-python3.9"       # what `envlock build` puts it on\n'
        "\n"
        "# [env.train.settings]\n"
        "# threads = 8\n"
        '# env = { PYTHONHASHSEED = "0" }\n'
        "\n"
        "# This machine, as a class of hardware that environments may name.\n"
        "# [hardware.laptop]\n"
        '# memory-gib = ">=16"\n'
        '# accelerator = {kind = "none"}\n'
    )


def test_pins_beside_the_framework(tmp_path: Path) -> None:
    """Where other releases are pinned, a cutoff could make them impossible: none is written."""
    (tmp_path / "requirements.txt").write_text("torch==2.5.1\npandas==2.2.3\n", "utf-8")
    text = manifest_of(tmp_path)
    assert 'frameworks = { torch = "==2.5.1" }' in text
    assert 'as-of = "none"' in text


def test_unpinned_framework_is_what_the_venv_has(tmp_path: Path) -> None:
    """The version that runs now is the one to keep."""
    (tmp_path / "requirements.txt").write_text("torch>=2\n", "utf-8")
    venv(tmp_path, "torch-2.5.1")
    assert look(tmp_path).frameworks == {"torch": "==2.5.1"}


def test_other_locks_go_first(tmp_path: Path) -> None:
    """poetry.lock before pyproject.toml; its pins decide, and the framework among its roots is named."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "c"\ndependencies = ["torch"]\n[dependency-groups]\ndev = []\n', "utf-8"
    )
    (tmp_path / "poetry.lock").write_text('[[package]]\nname = "torch"\nversion = "2.5.1"\n', "utf-8")
    text = manifest_of(tmp_path)
    assert 'from = "poetry.lock"                     # also here: pyproject.toml' in text
    assert '# groups = ["dev"]' in text
    assert 'frameworks = { torch = "==2.5.1" }' in text
    assert "poetry.lock says which releases" in text


def test_pyproject_of_groups_alone(tmp_path: Path) -> None:
    """A project without dependencies is locked by its groups; one that only configures tools says nothing."""
    (tmp_path / "pyproject.toml").write_text('[dependency-groups]\ndev = ["ruff"]\n', "utf-8")
    assert '\ngroups = ["dev"]' in manifest_of(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n", "utf-8")
    with pytest.raises(UsageError, match="no virtual environment"):
        manifest_of(tmp_path)


def test_venv_alone(tmp_path: Path) -> None:
    """What somebody asked for is wanted, at its version; seeds are not."""
    venv(
        tmp_path,
        "pip-24.0",
        "xgboost-2.0.0",
        "scipy-1.11.1",
        "requests-2.31.0",
        requested=("requests-2.31.0", "pip-24.0"),
    )
    assert look(tmp_path).requirements == ("requests==2.31.0",)
    venv(tmp_path / "other", "xgboost-2.0.0", "scipy-1.11.1")
    found = look(tmp_path / "other")
    assert (found.requirements, found.frameworks) == (("scipy==1.11.1",), {"xgboost": "==2.0.0"})
    assert "envlock lock --from-venv .venv" in manifest_of(tmp_path / "other")


def test_python_without_a_base(tmp_path: Path) -> None:
    """No recipe has it: a registry's image is suggested as a comment."""
    (tmp_path / "requirements.txt").write_text("six\n", "utf-8")
    text = manifest_of(tmp_path, "3.10")
    assert '# base = "registry.example.com/python:3.10-slim"' in text
    (tmp_path / ".python-version").write_text("3.13.1\n", "utf-8")
    assert look(tmp_path).python == "3.13"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a repository git's files are prepared; nothing is overwritten without --force."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("six\n", "utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text(".venv*\n*.pyc", "utf-8")
    said = run().output
    assert said.splitlines() == [
        "wrote envlock.toml",
        "wrote .gitattributes",
        "wrote .gitignore",
        "  next: envlock lock train",
        "  then: envlock merge-driver --install, for merges that relock",
    ]
    assert find_manifest(tmp_path).environment("train").from_ == ("requirements.txt",)
    assert (tmp_path / ".gitignore").read_text("utf-8") == ".venv*\n*.pyc\n/.envlock/\n/lockfiles/wheels/\n"
    again = run()
    assert isinstance(again.exception, UsageError)
    assert again.exception.reference == "manifest-exists"
    assert run("--force").output.splitlines()[0] == "wrote envlock.toml"


def test_lines_are_added_once() -> None:
    """A pattern that is there stays as the user has it."""
    once = with_lines("* text=auto\n", ATTRIBUTES)
    assert with_lines(once, ATTRIBUTES) == once
    assert with_lines("lockfiles/*.toml text\n", ATTRIBUTES).count("lockfiles/*.toml") == 1
