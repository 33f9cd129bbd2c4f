"""`envlock review` in real repositories: what it says of a pull request, and what CI makes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.project import Project
from tests.integration.test_ci import GITLAB, PATH, ROOT
from tests.unit.reviewed import MANIFEST, REVIEW, Team

QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder: Path, *words: str) -> str:
    """Run git as a teammate."""
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, env={**os.environ, **QUIET}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`main` with a lock and two signed reports; `topic`, checked out, with another framework and its lock."""
    folder = tmp_path_factory.mktemp("review") / "churn"
    team = Team(folder, MANIFEST + REVIEW)
    git(folder, "init", "-q")
    lock = team.lock()
    team.report("ana", lock)
    team.report("ben", lock)
    key = folder.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    team.write("lockfiles/allowed_signers", f'ana@example.com namespaces="envlock-report" {public}\n'.encode())
    for path in (folder / "lockfiles/reports/train").glob("*.json"):
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "envlock-report", "-f", str(key), str(path)]
        subprocess.run(command, check=True, capture_output=True)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Lock")
    git(folder, "switch", "-qc", "topic")
    team.write("envlock.toml", (MANIFEST.replace("2.5.0", "2.6.0") + REVIEW).encode())
    team.lock(tensorflow="2.6.0")
    git(folder, "commit", "-qam", "Take TensorFlow 2.6")
    return folder


def test_pull_request(repository: Path) -> None:
    """The work tree, or its commit, against the branch that it shall go to; with the labels it passes."""
    project = Project(repository, None)
    result = project.run("review", "main", environment=QUIET)
    assert result.code == 1, result.err
    assert "2 reports that matched and would no longer:\n    ana (" in result.out
    assert "signed by ana@example.com" in result.out
    assert "✗ label framework-change: missing" in result.out
    labels = ("--label", "framework-change", "--label", "tell-the-team")
    result = project.run("review", "main", "topic", "--json", *labels, environment=QUIET)
    assert (result.code, result.json["head"], result.json["missing"]) == (0, "topic", [])
    assert str(repository.parent) not in result.out


def test_reports_that_are_refused(repository: Path) -> None:
    """A report that was altered after signing, and one whose signature was dropped, end with 4 and are both named."""
    reports = repository / "lockfiles/reports/train"
    before = {path: path.read_bytes() for path in reports.iterdir()}
    (reports / "ana.json").write_bytes(before[reports / "ana.json"].replace(b"2.5.0", b"2.6.0"))
    (reports / "ben.json.sig").unlink()
    try:
        result = Project(repository, None).run("review", "main", "--format", "markdown", environment=QUIET)
    finally:
        for path, raw in before.items():
            path.write_bytes(raw)
    assert result.code == 4
    assert "✗ Reports are refused" in result.out
    assert re.search(r"lockfiles/reports/train/ana\.json: .*\[wrong-signature\]", result.out)
    assert re.search(r"lockfiles/reports/train/ben\.json: .*\[unsigned-report\]", result.out)
    assert "tensorflow" in result.out
    assert str(repository.parent) not in result.out


def test_bad_input(repository: Path, tmp_path: Path) -> None:
    """No repository, no commit yet, no such commit: each is said with the next step."""
    project = Project(tmp_path, MANIFEST)
    assert "[no-git-repository]" in project.run("review", "main", environment=QUIET).err
    git(tmp_path, "init", "-q")
    assert "[unborn-branch]" in project.run("review", "main", environment=QUIET).err
    result = Project(repository, None).run("review", "mian", "--output", "review.pdf", environment=QUIET)
    assert (result.code, "[unknown-format]" in result.err) == (2, True)
    result = Project(repository, None).run("review", "mian", environment=QUIET)
    assert (result.code, "[unknown-revision]" in result.err, "main" in result.err) == (2, True, True)


def test_action_in_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    """One commit alone was checked out: the script brings the base, and leaves summary, outputs and status."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=topic", repository.as_uri(), "clone")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    variables = {
        "PATH": PATH,
        "INPUT_BASE": git(repository, "rev-parse", "main"),
        "INPUT_LABELS": '["tell-the-team"]',
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    result = Project(clone, None).run_command("bash", str(ROOT / "tools/ci/review.sh"), environment=QUIET | variables)
    assert result.code == 1, result.err
    assert (tmp_path / "output").read_text() == 'exit-code=1\nchanged=train\nmissing=["framework-change"]\n'
    assert "::error title=This needs the label framework-change::train: tensorflow 2.5.0 → 2.6.0" in result.out
    assert "The label <code>framework-change</code> **is missing**" in (tmp_path / "summary").read_text("utf-8")


def test_gitlab_job(repository: Path) -> None:
    """Its lines run as they stand, with labels that hold blanks."""
    script = GITLAB.partition("envlock-review:")[2].partition("  script:\n")[2].partition("  artifacts:")[0]
    commands = [line.strip().removeprefix("- ") for line in script.splitlines() if "python3 -m" not in line]
    variables = {
        "PATH": PATH,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(repository, "rev-parse", "main"),
        "CI_MERGE_REQUEST_LABELS": "framework-change,two words,tell-the-team",
    }
    lines = "\n".join(command for command in commands if not command.startswith("PATH="))
    result = Project(repository, None).run_command("sh", "-e", "-c", lines, environment=QUIET | variables)
    assert result.code == 0, result.err
    assert (repository / "review.md").read_text("utf-8").startswith("## ✓ Environments\n")
    said = Project(repository, None).run("review", "main", "--json", "--label", "two words", environment=QUIET)
    assert json.loads(said.out)["labels"] == ["two words"]
