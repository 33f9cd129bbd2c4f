"""The action for pull requests: its script before an `envlock` and a `gh` that note what they get."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/ci/review.sh"
ACTION = (ROOT / "review/action.yml").read_text("utf-8")
ENVLOCK = """#!{python} -IS
import json, os, sys
with open("calls", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
assert "GH_TOKEN" not in os.environ, "what reads files of a stranger holds no token"
code, changed = int(os.environ["CODE"]), os.environ["CHANGED"].split()
rows = [{{"env": env, "state": "changed", "stale": []}} for env in changed]
rows.append({{"env": "same", "state": "unchanged", "stale": []}})
review = {{"environments": rows, "missing": ["framework-change"] if code == 1 else []}}
for word in sys.argv[1:] if code < 2 else ():
    if word.startswith(("json:", "markdown:")):
        with open(word.partition(":")[2], "w") as file:
            file.write(json.dumps(review) if word.startswith("json") else "## Environments @here `$(touch evil)`\\n")
sys.exit(code)
"""
GH = """#!{python} -IS
import json, os, sys
words = sys.argv[1:]
with open("gh", "a") as file:
    file.write(json.dumps(words) + "\\n")
if os.environ.get("REFUSED", "nothing") in words[1:]:
    sys.exit(f"gh: Resource not accessible by integration (HTTP 403)")
comments = json.load(open("comments")) if os.path.exists("comments") else {{}}
if words[1] == "user":
    login = os.environ.get("LOGIN")
    sys.exit(print(login) if login else "gh: Resource not accessible by integration (HTTP 403)")
url = next(word for word in words if word.startswith("repos/"))
if url.endswith("/labels"):
    print("\\n".join(json.loads(os.environ["LABELS"])))
elif "--input" in words:
    body = json.load(open(words[words.index("--input") + 1]))["body"]
    number = url.rpartition("/")[2] if "PATCH" in words else str(len(comments) + 10)
    comments[number] = {{"body": body, "by": os.environ.get("LOGIN", "Bot")}}
    json.dump(comments, open("comments", "w"))
    print(json.dumps({{"body": body}}))
else:
    _, author, _, marker, _ = words[words.index("--jq") + 1].split('"')
    print("\\n".join(n for n, c in comments.items() if c["by"] == author and c["body"].startswith(marker)))
"""
FORGED = "<!-- envlock review of . -->\n## ✓ Environments\n"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the runners have a bash")


class Job:
    """A pull request's folder, in which the script is run as often as somebody pushes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        for name, text in {"envlock": ENVLOCK, "gh": GH}.items():
            (self._programs / name).write_text(text.format(python=Path(sys.executable).resolve()))
            (self._programs / name).chmod(0o755)
        (self._programs / "python3").symlink_to(Path(sys.executable).resolve())
        self.err = ""

    def run(
        self,
        code: int = 1,
        changed: str = "train",
        labels: tuple[str, ...] = (),
        *,
        variables: Mapping[str, str] | None = None,
    ) -> int:
        """Run the script and return its exit status."""
        for name in ("output", "summary", "calls", "gh"):
            (self.folder / name).unlink(missing_ok=True)
        environment = {
            "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_REPOSITORY": "team/churn",
            "INPUT_BASE": "HEAD",
            "INPUT_NUMBER": "5",
            "GH_TOKEN": "planted-token",
            "CODE": str(code),
            "CHANGED": changed,
            "LABELS": json.dumps(labels),
            **(variables or {}),
        }
        done = subprocess.run(
            ["bash", str(SCRIPT)], cwd=self.folder, env=environment, check=False, capture_output=True, text=True
        )
        self.err = done.stderr
        assert "planted-token" not in done.stdout + done.stderr
        assert not (self.folder / "evil").exists()
        return done.returncode

    def lines(self, name: str) -> list[Any]:
        """Return the calls of a program."""
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def text(self, name: str) -> str:
        """Return what was written for GitHub."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def comments(self) -> list[str]:
        """Return the comments that are ours; those of strangers stand untouched."""
        path = self.folder / "comments"
        found = json.loads(path.read_text()) if path.exists() else {}
        assert all(each["body"] == FORGED for each in found.values() if each["by"] == "mallory")
        return [each["body"] for each in found.values() if each["by"] != "mallory"]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_inputs_of_the_action() -> None:
    """Every variable that the script reads is set from an input that the action has, and none is set in vain."""
    text = SCRIPT.read_text("utf-8")
    steps = ACTION.partition("runs:\n")[2]
    read = re.findall(r"(?:INPUT_\w+|GH_TOKEN)", text)
    assert set(read) == set(re.findall(r"^ +(INPUT_\w+|GH_TOKEN):", steps, re.MULTILINE))
    inputs = re.findall(r"^  ([\w-]+):\n    description", ACTION.partition("outputs:\n")[0], re.MULTILINE)
    assert sorted(set(re.findall(r"inputs\.([\w-]+)", ACTION))) == sorted(inputs)
    for path in re.findall(r"\$GITHUB_ACTION_PATH/\.\./([\w/.]+)", steps):
        assert os.access(ROOT / path, os.X_OK)


def test_one_comment_that_is_updated(job: Job) -> None:
    """The first push writes it, the next one changes it, and what it says is not run by any shell."""
    assert job.run() == 1
    assert job.text("output") == 'exit-code=1\nchanged=train\nmissing=["framework-change"]\n'
    assert re.findall(r"steps\.review\.outputs\.([\w-]+)", ACTION) == ["exit-code", "changed", "missing"]
    (first,) = job.comments
    assert first == "<!-- envlock review of . -->\n## Environments @here `$(touch evil)`\n"
    assert job.run(code=0, labels=("framework-change", "two words")) == 0
    assert len(job.comments) == 1
    assert [call[2] for call in job.lines("gh")].count("PATCH") == 1
    (call,) = job.lines("calls")
    assert [word for word in call if word.startswith("--label")] == ["--label=framework-change", "--label=two words"]
    assert call[-3:] == ["--", "HEAD", "HEAD"]
    assert job.text("summary") == ""


@pytest.mark.parametrize("login", ["", "release-robot"])
def test_a_comment_of_a_stranger(job: Job, login: str) -> None:
    """One that looks like ours is not written over, for its author could change it back: ours is another one."""
    (job.folder / "comments").write_text(json.dumps({"7": {"body": FORGED, "by": "mallory"}}))
    for _ in range(2):
        job.run(variables={"LOGIN": login} if login else None)
    assert len(job.comments) == 1


def test_nothing_to_say(job: Job) -> None:
    """A pull request that changes no lock gets no comment; one that no longer does has its comment corrected."""
    assert job.run(code=0, changed="") == 0
    assert job.comments == []
    job.run()
    job.run(code=0, changed="")
    assert len(job.comments) == 1


def test_no_answer(job: Job) -> None:
    """Where envlock gives none, a comment that says more than is known is not left standing."""
    assert job.run(code=2) == 2
    assert (job.comments, job.text("output")) == ([], "exit-code=2\n")
    job.run()
    assert job.run(code=2) == 2
    assert "There is no answer (exit code 2)" in job.comments[0]


@pytest.mark.parametrize(
    "variables",
    [
        {"INPUT_COMMENT": "false"},
        {"GH_TOKEN": ""},
        {"INPUT_NUMBER": ""},
        {"REFUSED": "POST"},
        {"REFUSED": "--paginate"},
    ],
)
def test_the_step_summary_instead(job: Job, variables: dict[str, str]) -> None:
    """Where no comment is wanted or allowed, as with a fork's token, the step summary has it; the status stays."""
    assert job.run(variables={"INPUT_LABELS": '["a", "b c"]', **variables}) == 1
    assert job.text("summary") == "## Environments @here `$(touch evil)`\n"
    assert job.comments == []
    if "INPUT_COMMENT" not in variables and variables.get("REFUSED") != "POST":
        assert {"--label=a", "--label=b c"} <= set(job.lines("calls")[0])


@pytest.mark.parametrize("given", ["null", "", "[]"])
def test_no_labels(job: Job, given: str) -> None:
    """What GitHub says for an event without a pull request is no label."""
    job.run(variables={"GH_TOKEN": "", "INPUT_LABELS": given})
    assert not [word for word in job.lines("calls")[0] if word.startswith("--label")]


def test_several_projects_of_one_repository(job: Job) -> None:
    """Each working directory has a comment of its own."""
    job.run(variables={"INPUT_PLACE": "one"})
    job.run(variables={"INPUT_PLACE": "two"})
    assert len(job.comments) == 2


def test_words_of_inputs(job: Job) -> None:
    """Arguments and files are words; quotes and globs mean nothing, and options cannot pass for the base."""
    words = "--allow-unsigned\n$(touch evil) *"
    job.run(variables={"INPUT_ARGS": words, "INPUT_OUTPUT": "review.json x.md", "INPUT_BASE": "--help"})
    (call,) = job.lines("calls")
    assert call[1:5] == ["--allow-unsigned", "$(touch", "evil)", "*"]
    assert [call[at + 1] for at, word in enumerate(call) if word == "--output"][2:] == ["review.json", "x.md"]
    assert call[-3:] == ["--", "--help", "HEAD"]


def test_no_base(job: Job) -> None:
    """An event without one, such as a manual start, ends with the next step."""
    assert job.run(variables={"INPUT_BASE": ""}) == 2
    assert "give the input base" in job.err
