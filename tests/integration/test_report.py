"""`report` and `compare` as two people use them: real environments, a real repository, the real command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.project import Project
from tests.unit.wheels import make_wheel


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody."""
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def venv(folder: Path, wheels: Path, **versions: str) -> None:
    """Make .venv in a folder, with wheels of these versions laid into it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (site,) = (folder / ".venv").glob("lib/python*/site-packages")
    for name, version in versions.items():
        shutil.unpack_archive(make_wheel(wheels, name, version), site, "zip")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Two clones of one project without manifest or lock, with other releases installed."""
    folder = tmp_path_factory.mktemp("people")
    ana = Project(folder / "ana", None)
    (ana.folder / "train.csv").write_text("1,0\n")
    (ana.folder / ".gitignore").write_text(".venv/\n*.json\n")
    git(ana.folder, "init", "-q")
    git(ana.folder, "add", ".")
    git(ana.folder, "commit", "-qm", "Train")
    git(folder, "clone", "-q", "ana", "ben")
    ben = Project(folder / "ben", None)
    venv(ana.folder, folder, tensorflow="2.5.0", six="1.15.0")
    venv(ben.folder, folder, tensorflow="2.6.0", six="1.15.0")
    return {"ana": ana, "ben": ben}


def reported(project: Project, name: str, *options: str, threads: str = "4") -> Path:
    """Have a report made in a project, and return its file."""
    path = project.folder.parent / f"{name}.json"
    project.ok("report", *options, "-o", str(path), environment={"OMP_NUM_THREADS": threads})
    return path


def test_two_laptops_find_the_cause(people: dict[str, Project]) -> None:
    """Without manifest or lock: the same commit and data, and the framework and threads by name; exit code 1."""
    ana = reported(people["ana"], "ana", "--python", ".venv", "--input", "train.csv", threads="8")
    ben = reported(people["ben"], "ben", "--input", "train.csv")
    result = people["ana"].run("compare", str(ana), str(ben))
    assert result.code == 1
    lines = result.out.splitlines()
    commit = json.loads(ana.read_bytes())["checkout"]["commit"]
    assert lines[0] == f"ana | ben: same commit {commit[:8]}, same data (train.csv)"
    assert [line.split()[:4] for line in lines if line.startswith("RESULTS")] == [
        ["RESULTS", "tensorflow", "2.5.0", "2.6.0"],
        ["RESULTS", "threads", "8", "4"],
    ]
    assert "next:  agree on one: envlock lock --from-venv .venv" in result.out
    assert people["ana"].run("compare", str(ana), str(ana)).code == 0


def test_files_of_one_version_are_compared_where_they_were_hashed(people: dict[str, Project]) -> None:
    """--full on both: the same version with an edited file is found."""
    before = reported(people["ana"], "before", "--full")
    (module,) = people["ana"].folder.glob(".venv/lib/python*/site-packages/six/__init__.py")
    module.write_text("value = 2\n")
    after = reported(people["ana"], "after", "--full")
    result = people["ana"].run("compare", "--json", str(before), str(after))
    assert result.code == 1
    assert [(each["area"], each["subject"]) for each in result.json["disagreements"]] == [("files", "six 1.15.0")]
    assert not any("files" in each["subject"] for each in result.json["unseen"])


def test_edits_and_shallow_clones_are_told(people: dict[str, Project], tmp_path: Path) -> None:
    """A tracked file that differs from the commit makes the code another one; a shallow clone has no first commit."""
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{people['ana'].folder}", "shallow")
    shallow = Project(tmp_path / "shallow", None)
    (shallow.folder / "train.csv").write_text("1,1\n")
    path = reported(shallow, "shallow", "--python", str(people["ana"].folder / ".venv"))
    checkout = json.loads(path.read_bytes())["checkout"]
    assert checkout["dirty"] is True
    assert "root" not in checkout
    whole = reported(people["ana"], "whole")
    result = shallow.run("compare", "--json", str(whole), str(path))
    assert ("code", "uncommitted changes") in [(e["area"], e["subject"]) for e in result.json["disagreements"]]


def test_report_of_an_environment_of_the_manifest(people: dict[str, Project], tmp_path: Path) -> None:
    """Where there is a manifest, its data and its lock are in the report, which knows no name of this place."""
    manifest = '[env.churn]\npython = "3.11"\ndependencies = ["six"]\ninputs = ["data.csv", "gone.csv"]\n'
    project = Project(tmp_path / "churn", manifest)
    (project.folder / "data.csv").write_text("1\n")
    project.lock_path("churn").parent.mkdir()
    project.lock_path("churn").write_bytes(b"a lock\n")
    result = project.ok("report", "--python", str(people["ana"].folder / ".venv"))
    assert set(result.json["inputs"]) == {"data.csv", "gone.csv"}
    assert result.json["inputs"]["gone.csv"] is None
    assert result.json["lock"]["env"] == "churn"
    assert "checkout" not in result.json
    for private in (str(tmp_path), "people", "/.venv"):
        assert private not in result.out
    assert project.run("report", "other").code == 2


def test_output_that_cannot_be_written(people: dict[str, Project]) -> None:
    """A folder that cannot be made is exit code 2, and no part of a report is left."""
    result = people["ana"].run("report", "-o", "train.csv/x.json")
    assert result.code == 2
    assert "error:" in result.err
