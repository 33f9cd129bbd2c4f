"""What CI runs: the script of the GitHub Action, the lines of the GitLab job, the entry of the pre-commit hook."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from envlock.cli.main import cli
from tests.integration.project import Project, Result

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/ci/verify.sh"
ACTION = (ROOT / "action.yml").read_text("utf-8")
GITLAB = (ROOT / "docs/ci/gitlab.yml").read_text("utf-8")
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Job:
    """One run of the action's script, and what it left for GitHub."""

    def __init__(self, project: Project, folder: Path, **inputs: str) -> None:
        output, summary = folder / "output", folder / "summary"
        variables = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        variables |= {"PATH": PATH, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        self.result = project.run_command("bash", str(SCRIPT), environment=variables)
        self.outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        self.summary = summary.read_text("utf-8") if summary.exists() else ""


@pytest.fixture
def tampered(tiny: Project) -> Iterator[Path]:
    """A module of the project's environment, edited until the test ends."""
    (path,) = tiny.folder.glob(".venv/lib/python*/site-packages/demo/__init__.py")
    before = path.read_bytes()
    path.write_bytes(before.replace(b"1", b"2"))
    yield path
    path.write_bytes(before)


@pytest.fixture
def stale(tiny: Project) -> Iterator[None]:
    """A manifest that the lock no longer follows from, until the test ends."""
    path = tiny.folder / "envlock.toml"
    before = path.read_text("utf-8")
    path.write_text(before + "\n[env.tiny.settings]\nthreads = 2\n", "utf-8")
    yield
    path.write_text(before, "utf-8")


def lines(project: Project, script: str) -> Result:
    """Run lines of a shell as a runner does: the first that fails ends it."""
    return project.run_command("bash", "-e", "-c", script, environment={"PATH": PATH})


def test_inputs_of_the_action() -> None:
    """Every variable that the script reads is set from an input that the action has, and none is set in vain."""
    read = set(re.findall(r"INPUT_\w+", SCRIPT.read_text("utf-8")))
    passed = dict(re.findall(r"(INPUT_\w+): \$\{\{ inputs\.([\w-]+) \}\}", ACTION))
    inputs = re.findall(r"^  ([\w-]+):\n    description", ACTION.partition("outputs:\n")[0], re.MULTILINE)
    assert read == set(passed)
    assert sorted([*passed.values(), "working-directory"]) == sorted(inputs)
    written = set(re.findall(r'echo "([\w-]+)=', SCRIPT.read_text("utf-8")))
    assert written == set(re.findall(r"steps\.verify\.outputs\.([\w-]+)", ACTION))


def test_action_on_a_match(tiny: Project, tmp_path: Path) -> None:
    """The lock is checked, the environment made and proven; outputs, step summary and the files asked for are there."""
    job = Job(tiny, tmp_path, env="tiny", args="--full --strict", output=f"{tmp_path}/v.sarif junit:{tmp_path}/v")
    assert (job.result.code, job.outputs) == (0, {"exit-code": "0", "verdict": "match"})
    assert job.summary.startswith("## ✓ tiny: match\n")
    assert job.result.out.startswith("tiny: the lock is fresh\n")
    assert json.loads((tmp_path / "v.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (tmp_path / "v").read_text("utf-8").startswith("<?xml")


def test_action_on_an_edited_file(tiny: Project, tmp_path: Path, tampered: Path) -> None:
    """A finding is an annotation at the lock's line and stands in the summary; the exit status is the verdict's."""
    job = Job(tiny, tmp_path, args="--full", sync="false")
    assert (job.result.code, job.outputs) == (4, {"exit-code": "4", "verdict": "integrity"})
    assert re.search(
        r"^::error file=lockfiles/pylock.tiny.toml,line=\d+,title=demo.*file-tampered", job.result.out, re.MULTILINE
    )
    assert job.summary.startswith("## ✗ tiny: INTEGRITY FAILURE\n")


def test_action_on_a_stale_lock(tiny: Project, tmp_path: Path, stale: None) -> None:
    """It fails before anything is installed; where that is not asked for, verify finds it."""
    job = Job(tiny, tmp_path)
    assert (job.result.code, job.outputs, job.summary) == (1, {"exit-code": "1", "verdict": ""}, "")
    job = Job(tiny, tmp_path, sync="false", check_lock="false")
    assert (job.result.code, job.outputs["verdict"]) == (1, "drift")
    assert "lock-stale" in job.summary


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"env": "none"}, "[unknown-env]"),
        ({"args": "--ful", "sync": "false"}, "No such option"),
        ({"args": "--image oci:none"}, "[no-layout]"),
        ({"output": "nowhere/v.json", "sync": "false"}, "[no-output]"),
    ],
)
def test_action_without_a_verdict(tiny: Project, tmp_path: Path, inputs: dict[str, str], reason: str) -> None:
    """A job that was written wrongly ends with 2 and the reason; no environment is made for an image's sake."""
    job = Job(tiny, tmp_path, **inputs)
    assert (job.result.code, job.outputs) == (2, {"exit-code": "2", "verdict": ""})
    assert reason in job.result.err
    assert " in .venv" not in job.result.out + job.result.err


def test_gitlab_job(tiny: Project) -> None:
    """Its lines run as they stand, and its artifacts are what they write."""
    script = GITLAB.partition("  script:\n")[2].partition("  artifacts:")[0]
    commands = [line.strip().removeprefix("- ") for line in script.splitlines()]
    mine = [command for command in commands if command.startswith("envlock ")]
    assert len(mine) == 3
    result = lines(tiny, "\n".join(mine))
    assert (result.code, result.err.count("error")) == (0, 0)
    artifacts = set(re.findall(r"envlock\.\w+", GITLAB.partition("  artifacts:")[2]))
    written = {path.name for path in tiny.folder.glob("envlock.*")} - {"envlock.toml"}
    assert artifacts == written == {"envlock.xml", "envlock.html"}


def test_commands_in_the_docs_exist() -> None:
    """Every option that docs/ci.md, the GitLab job and the hook give to a command of envlock is one of it."""
    text = "\n".join([GITLAB, HOOKS, (ROOT / "docs/ci.md").read_text("utf-8")])
    found = re.findall(r"envlock ((?:lock|sync|verify|run|review)\b[^`\n#;]*)", text)
    assert len(found) > 5
    with click.Context(cli) as ctx:
        for words in map(shlex.split, found):
            command = cli.get_command(ctx, words[0])
            assert command is not None
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            given = {word for word in words[: words.index("--") if "--" in words else None] if word.startswith("-")}
            assert given <= known, words


def test_pre_commit_hook(tiny: Project, stale: None) -> None:
    """It runs for files that a lock follows from, and fails with the next step where one is stale."""
    (entry,) = re.findall(r"entry: (.*)", HOOKS)
    (files,) = re.findall(r"files: (.*)", HOOKS)
    result = lines(tiny, entry)
    assert result.code == 1
    assert "envlock lock tiny" in result.out + result.err
    for name in (
        "envlock.toml",
        "lockfiles/pylock.tiny.toml",
        "app/requirements-dev.txt",
        "requirements.in",
        "uv.lock",
    ):
        assert re.search(files, name), name
    for name in ("train.py", "my-envlock.toml.md", "requirements.md"):
        assert not re.search(files, name), name
