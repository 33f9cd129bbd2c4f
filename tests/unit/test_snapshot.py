"""A project as a commit has it is read like any other, and writes nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.operations.check import check_environment
from envlock.operations.snapshot import snapshot
from tests.unit.reviewed import MANIFEST, History, Team

SOURCES = """\
[env.train]
python = "3.9"
from = ["requirements.txt", "../shared/more.txt"]
"""


def test_everything_a_lock_follows_from(tmp_path: Path) -> None:
    """Requirements with what they include, also beside the project, are there: the lock is as fresh as it was."""
    team = Team(tmp_path / "project", SOURCES)
    team.write("requirements.txt", b"-r deeper/base.txt\nsix\n")
    team.write("deeper/base.txt", b"-c pins.txt  # of all\nnumpy\n")
    team.write("deeper/pins.txt", b"numpy<2\n")
    team.write("../shared/more.txt", b"tensorflow==2.5.0\n")
    team.lock()
    shared = {"../shared/more.txt": b"tensorflow==2.5.0\n"}
    history = History(team.folder, then={**team.files(), **shared})
    made = snapshot(history, history.resolve("then").commit, team.folder, tmp_path / "into", name="then")
    assert made is not None
    assert made.folder.is_relative_to(tmp_path / "into")
    assert check_environment(made, "train") == []
    (made.folder / "deeper/pins.txt").write_text("numpy<1.20\n")
    assert check_environment(made, "train") == ["from requirements.txt: -c numpy<2 → -c numpy<1.20"]


def test_no_manifest(tmp_path: Path) -> None:
    """A commit before the first manifest has none; a pyproject.toml of another tool alone is none either."""
    team = Team(tmp_path / "project")
    others = {"pyproject.toml": b"[project]\nname = 'x'\n"}, {"pyproject.toml": b"tool = 1\n"}
    history = History(team.folder, old=others[0], odd=others[1], older={})
    for name in ("old", "odd", "older"):
        commit = history.resolve(name).commit
        assert snapshot(history, commit, team.folder, tmp_path / name, name=name) is None


def test_table_of_pyproject(tmp_path: Path) -> None:
    """[tool.envlock] of a pyproject.toml serves there too."""
    text = MANIFEST.replace("[env.", "[tool.envlock.env.")
    history = History(tmp_path / "project", then={"pyproject.toml": text.encode()})
    made = snapshot(history, history.resolve("then").commit, tmp_path / "project", tmp_path / "into", name="then")
    assert made is not None
    assert list(made.environments) == ["train"]


def test_errors_name_the_commit(tmp_path: Path) -> None:
    """A manifest that cannot be read is told with the revision that has it."""
    history = History(tmp_path / "project", then={"envlock.toml": b"[env.train]\npithon = '3'\n"})
    with pytest.raises(UsageError) as caught:
        snapshot(history, history.resolve("then").commit, tmp_path / "project", tmp_path / "into", name="then")
    assert (caught.value.reference, caught.value.where) == ("unknown-key", "then:envlock.toml: env.train")


@pytest.mark.parametrize("source", ["../" * 40 + "evil.txt", "x/../../" * 20 + "evil.txt", "a\\u0000b", ""])
def test_paths_that_climb_out(tmp_path: Path, source: str) -> None:
    """What a hostile manifest or file names outside of the repository is neither written nor read.

    A review tells what such a file holds: of a machine of CI, its secrets.
    """
    project = tmp_path / "project"
    named = f'"{source}", ' if source else ""
    manifest = f'[env.train]\npython = "3.9"\nfrom = [{named}"requirements.txt"]\n'

    class Anything(History):
        def file_at(self, commit: str, path: Path) -> bytes | None:
            return super().file_at(commit, path) or b"evil\n"

    files = {"envlock.toml": manifest.encode(), "requirements.txt": f"-r {tmp_path}/planted.txt\n".encode()}
    history = Anything(project, then=files)
    with pytest.raises(UsageError) as caught:
        snapshot(history, history.resolve("then").commit, project, tmp_path / "into", name="then")
    assert caught.value.reference == "no-requirements"
    assert caught.value.where.startswith("then:")
    assert not (tmp_path / "planted.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"into", "project"}
    assert not list(tmp_path.parent.glob("evil.txt"))
