"""`envlock diff` as a user runs it: in a real repository, on a real environment, on images and reports."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from envlock.formats.pylock import read_lock
from tests.integration.project import Project
from tests.unit.test_verify_image import own_image


def git(folder: Path, *arguments: str) -> str:
    """Run git, as somebody whose settings are no one's."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    names = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *names, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def story(tiny: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository of two commits, of which the second one fixes the number of threads."""
    folder = tmp_path_factory.mktemp("story") / "project"
    shutil.copytree(tiny.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    project = Project(folder, None, cache=tiny.cache)
    git(folder, "init", "-q")
    git(folder, "add", "envlock.toml", "lockfiles")
    git(folder, "commit", "-qm", "Lock")
    path = folder / "envlock.toml"
    path.write_text(path.read_text("utf-8") + "\n[env.tiny.settings]\nthreads = 2\n", "utf-8")
    project.ok("lock")
    git(folder, "commit", "-qam", "Two threads")
    return project


def differences(project: Project, before: str, after: str, *options: str) -> list[tuple[str, str, str]]:
    """Return (subject, before, after) of each change."""
    rows = project.ok("diff", before, after, *options, "--json").json["changes"]
    return [(row["subject"], row["before"], row["after"]) for row in rows]


def test_two_revisions(story: Project) -> None:
    """A commit against its parent, against the lock here, and by name; git diff's exit codes."""
    threads = [("threads", "as many as there are CPUs", "2")]
    assert differences(story, "HEAD~1:tiny", "HEAD:tiny") == threads
    assert differences(story, "main~1:lockfiles/pylock.tiny.toml", "tiny") == threads
    assert differences(story, "HEAD:tiny", "lockfiles/pylock.tiny.toml") == []
    assert story.run("diff", "HEAD~1:tiny", "tiny", "--exit-code").code == 1
    assert story.run("diff", "HEAD:tiny", "tiny", "--exit-code").out == "HEAD:tiny → tiny: the same file\n"


def test_a_lock_and_what_is_installed(story: Project) -> None:
    """Every byte of it: the same; with one file edited another build of that version; the threads as they are."""
    cpus = len(os.sched_getaffinity(0))
    (found,) = story.folder.glob(".venv/lib/python*/site-packages/demo/__init__.py")
    result = story.ok("diff", "tiny", ".venv", "--full", "--json").json
    assert (result["before_kind"], result["after_kind"], result["unchanged_packages"]) == ("lock", "environment", 1)
    assert [row["subject"] for row in result["changes"]] == (["threads"] if cpus != 2 else [])
    assert {row["subject"] for row in result["unsaid"]} >= {"machine", "commit"}
    kept = found.read_bytes()
    try:
        found.write_bytes(kept + b"# edited\n")
        (change,) = [row for row in differences(story, "HEAD~1:tiny", ".venv", "--full") if row[0] == "demo"]
        assert change == ("demo", "1.0", "1.0")
    finally:
        found.write_bytes(kept)


def test_an_image_and_a_lock(story: Project) -> None:
    """An image is the lock that it holds, whichever commit that is from."""
    lock = read_lock(story.lock_path("tiny"))
    own_image(story.folder / "out", lock, {"opt/venv/x": b"x"})
    assert story.ok("diff", "oci:out", "tiny").out == "oci:out → tiny: the same lock\n"
    assert differences(story, "HEAD~1:tiny", "oci:out") == [("threads", "as many as there are CPUs", "2")]


def test_two_reports(story: Project, tmp_path: Path) -> None:
    """Two shells of one machine: another number of threads; as Markdown it is fit for a pull request."""
    for name, threads in (("ana", "1"), ("ben", "3")):
        variables = {"OMP_NUM_THREADS": threads}
        story.ok("report", "--python", ".venv", "-o", f"{tmp_path}/{name}.json", environment=variables)
    one, other = f"{tmp_path}/ana.json", f"{tmp_path}/ben.json"
    assert differences(story, one, other) == [("threads", "1", "3")]
    text = story.ok("diff", one, other, "--format", "markdown").out
    assert "| <code>threads</code><br><sub>by OMP&#95;NUM&#95;THREADS in " in text
    assert "| <code>1</code> | <code>3</code> |" in text


def test_what_cannot_be_found(story: Project, tmp_path: Path) -> None:
    """Each with its reference and a next step: a typo, a commit without the lock, no commit, no repository."""
    clone = tmp_path / "clone"
    git(story.folder, "clone", "-q", "--depth=1", f"file://{story.folder}", str(clone))
    unborn = tmp_path / "unborn"
    shutil.copytree(story.folder / "lockfiles", unborn / "lockfiles")
    shutil.copy(story.folder / "envlock.toml", unborn)
    git(unborn, "init", "-q")
    bare = tmp_path / "bare"
    shutil.copytree(unborn, bare, ignore=shutil.ignore_patterns(".git"))
    for folder, revision, reference in (
        (story.folder, "mian:tiny", "unknown-revision"),
        (story.folder, "HEAD:gone", "no-lock-there"),
        (clone, "HEAD~1:tiny", "shallow-clone"),
        (unborn, "HEAD:tiny", "unborn-branch"),
        (bare, "HEAD:tiny", "no-git-repository"),
    ):
        result = Project(folder, None, cache=story.cache).run("diff", revision, "tiny")
        assert (result.code, f"[{reference}]" in result.err, "next: " in result.err) == (2, True, True), result.err


def test_a_detached_head(story: Project, tmp_path: Path) -> None:
    """A commit that no branch names is a revision as any other."""
    clone = tmp_path / "clone"
    git(story.folder, "clone", "-q", str(story.folder), str(clone))
    git(clone, "checkout", "-q", "HEAD~1")
    detached = Project(clone, None, cache=story.cache)
    assert differences(detached, "HEAD:tiny", "origin/main:tiny") == [("threads", "as many as there are CPUs", "2")]


@pytest.mark.network
def test_an_image_that_was_built(built: Project, tmp_path: Path) -> None:
    """What `build` wrote holds the lock; a lock that was edited since differs from it."""
    built.ok("build", "-o", f"oci:{tmp_path}/out")
    result = built.ok("diff", f"oci:{tmp_path}/out", "small", "--json").json
    assert (result["changes"], result["unsaid"], result["before_kind"]) == ([], [], "image")
    assert result["before_digest"] == result["after_digest"]
