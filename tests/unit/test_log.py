"""The story of a lock: each commit that changed it, what changed that matters, and the image that it stands for."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from envlock.adapters.git_history import GitRevisions
from envlock.cli.main import cli
from envlock.errors import UsageError
from envlock.formats.pylock import write_lock
from envlock.image.sums import Sums, format_sums
from envlock.model.artifact import Wheel
from envlock.model.lock import LockFile, Package, Settings
from envlock.model.manifest_parser import find_manifest
from envlock.model.story import Story
from envlock.operations.log import story_of
from envlock.report.story import story_json, story_markdown, story_text
from tests.unit.repositories import GitRepository
from tests.unit.venvs import lock_of

OTHER = '[env.other]\npython = "3.11"\ndependencies = ["x"]\n'
MANIFEST = f'[env.demo]\npython = "3.11"\ndependencies = ["numpy"]\n{OTHER}'


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def package(name: str, version: str) -> Package:
    """Return a package with a wheel that nobody fetches."""
    file = f"{name}-{version}-py3-none-any.whl"
    sha256 = hashlib.sha256(file.encode()).hexdigest()
    wheel = Wheel(
        name=file, size=1, sha256=sha256, contents=sha256, record=sha256, url=f"https://files.example.com/{file}"
    )
    return Package(name=name, version=version, wheels=(wheel,))


def lock(numpy: str, threads: int | None = None, packages: tuple[str, ...] = ()) -> LockFile:
    """Return the lock of a numpy and of some other packages, with an image."""
    return lock_of(
        packages=[package("numpy", numpy), *(package(name, "1.0") for name in packages)],
        base_python="3.11.2",
        settings=Settings(threads=threads),
    )


class Told:
    """A repository whose lock was added, moved to another numpy, and given threads, by three people."""

    def __init__(self, root: Path) -> None:
        self.repository = GitRepository(root)
        self.root = root
        (root / "envlock.toml").write_text(MANIFEST)
        self.path = root / "lockfiles" / "pylock.demo.toml"
        self.path.parent.mkdir()
        self.locks = [lock("1.19.5"), lock("1.26.4"), lock("1.26.4", threads=8)]
        self.commits = [
            self.write(locked.raw, subject, author, day)
            for locked, subject, author, day in zip(
                self.locks, ("Lock", "Take a new numpy", "Set threads"), ("Ana", "Ben", "Cleo"), (1, 2, 3), strict=True
            )
        ]

    def write(self, raw: bytes | None, subject: str, author: str = "Ana", day: int = 9) -> str:
        if raw is None:
            self.path.unlink()
        else:
            self.path.write_bytes(raw)
        return self.repository.commit(subject, author=author, day=day)

    def vouch(self, locked: LockFile, digest: str) -> None:
        images = {(locked.digest, "linux/amd64"): f"sha256:{digest * 64}"}
        (self.root / "lockfiles" / "envlock.sum").write_bytes(format_sums(Sums(images=images)))

    def story(
        self, env: str = "demo", start: str = "HEAD", most: int | None = None, *, at: Path | None = None
    ) -> Story:
        folder = at or self.root
        return story_of(find_manifest(folder), env, GitRevisions(folder), start=start, most=most)

    def refused(self, env: str, start: str = "HEAD") -> UsageError:
        with pytest.raises(UsageError) as caught:
            self.story(env, start)
        return caught.value


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "project")


def test_who_changed_what_and_when(told: Told) -> None:
    """Newest first; each change is ranked against the commit's parent; the first one says what it holds."""
    threads, numpy, first = told.story().chapters
    assert [chapter.revision.author for chapter in (threads, numpy, first)] == ["Cleo", "Ben", "Ana"]
    assert [chapter.event for chapter in (threads, numpy, first)] == ["changed", "changed", "added"]
    assert [(change.subject, change.before, change.after) for change in numpy.changes] == [
        ("numpy", "1.19.5", "1.26.4")
    ]
    assert threads.changes[0].area == "settings"
    assert (first.changes, first.remark) == ((), "1 package for Python 3.11")
    assert [chapter.lock_digest for chapter in (first, numpy, threads)] == [each.digest for each in told.locks]
    assert numpy.tag == f"lock-{told.locks[1].digest[:32]}"


def test_the_image_of_a_lock_is_found_where_it_was_vouched_for(told: Told) -> None:
    """In the commit itself, else in the newest one: people build after they have committed."""
    told.vouch(told.locks[0], "a")
    told.repository.commit("Build")
    images = [chapter.images for chapter in told.story().chapters]
    assert images == [{}, {}, {"linux/amd64": f"sha256:{'a' * 64}"}]


def test_a_lock_that_went_and_came_back(told: Told) -> None:
    """Its end and its return are told; so is one that cannot be read, and the one after it."""
    told.write(None, "Drop it")
    assert told.story(most=1).chapters[0].event == "removed"
    assert told.story().uncommitted is False
    told.write(b"<<<<<<< HEAD\n", "Half a merge")
    told.write(told.locks[0].raw, "Mend it")
    mended, half, removed, *_ = told.story().chapters
    assert (mended.event, "cannot be read" in mended.remark) == ("changed", True)
    assert (half.event, half.changes, half.tag) == ("unreadable", (), "")
    assert removed.event == "removed"
    assert "this lock cannot be read" in story_text(told.story())


def test_where_to_begin_and_how_many(told: Told) -> None:
    """A revision, a range and -n; a range without a change is no error."""
    assert [chapter.revision.subject for chapter in told.story(start="HEAD~1").chapters] == ["Take a new numpy", "Lock"]
    assert [chapter.revision.subject for chapter in told.story(start="HEAD~1..").chapters] == ["Set threads"]
    story = told.story(most=1)
    assert (len(story.chapters), story.more, told.story(most=3).more) == (1, True, False)
    assert "There are older changes" in story_text(story)
    assert "no change of lockfiles/pylock.demo.toml, HEAD..HEAD" in story_text(told.story(start="HEAD..HEAD"))


def test_a_lock_that_nobody_committed(told: Told) -> None:
    """What is here and in no commit is said, and how to see it."""
    told.path.write_bytes(told.locks[0].raw)
    story = told.story()
    assert story.uncommitted
    assert "envlock diff HEAD:demo demo" in story_text(story)


def test_there_is_no_history(told: Told) -> None:
    """Neither locked nor committed, or before the first lock: the next step; no such environment: its neighbours."""
    error = told.refused("other")
    assert (error.reference, error.hint) == ("no-history", "envlock lock other")
    (told.root / "lockfiles" / "pylock.other.toml").write_bytes(told.locks[0].raw)
    assert told.refused("other").hint == "git add lockfiles/pylock.other.toml && git commit"
    assert told.refused("dmeo").hint == "Did you mean 'demo'?"
    assert told.refused("../../x").reference == "unknown-env"
    assert told.refused("demo", "nope").reference == "unknown-revision"
    nothing = told.repository.git("hash-object", "-t", "tree", "-w", os.devnull)
    early = told.repository.git("commit-tree", "-m", "Root", nothing)
    assert told.refused("demo", early).hint == "envlock log demo tells its history up to now"


def test_an_environment_that_the_manifest_no_longer_has(told: Told) -> None:
    """Its history is told all the same."""
    (told.root / "envlock.toml").write_text(OTHER)
    told.write(None, "Drop the environment")
    assert [chapter.event for chapter in told.story().chapters] == ["removed", "changed", "changed", "added"]


def test_a_shallow_clone_says_where_it_ends(told: Told, tmp_path: Path) -> None:
    """Nobody takes its oldest commit for the first lock."""
    told.repository.clone(tmp_path / "shallow", "--depth", "2")
    story = told.story(at=tmp_path / "shallow")
    assert [chapter.event for chapter in story.chapters] == ["changed", "cut-off"]
    assert story.chapters[1].changes == ()
    assert "git fetch --unshallow" in story_text(story)


def test_text_and_markdown(told: Told) -> None:
    """Three changes of each commit unless all are asked for; names can neither steer a terminal nor be Markdown."""
    many = lock("1.26.4", 8, packages=tuple(f"p{number}" for number in range(5)))
    told.write(many.raw, "Five | <b>more</b> @ana \x1b[2J", author="D`a`n")
    story = told.story()
    text = story_text(story)
    assert text.count("\n  + p") == 3
    assert "and 2 more changes; -v lists all" in text
    assert "\x1b" not in text
    assert story_text(story, everything=True).count("\n  + p") == 5
    markdown = story_markdown(story)
    assert "<b>" not in markdown
    assert "@ana" not in markdown
    assert "- **<code>numpy</code>** <code>1.19.5</code> → <code>1.26.4</code>" in markdown
    short = story_markdown(story, limit=900)
    assert len(short.encode()) <= 900
    assert "older change" in short
    whole = json.loads(story_json(story))
    assert (whole["schema"], len(whole["chapters"][0]["changes"])) == (1, 5)


def test_a_lock_that_is_only_written_anew(told: Told) -> None:
    """Nothing that matters changed, which is said."""
    again = write_lock(replace(told.locks[2].lock, as_of="2025-01-01T00:00:00Z"))
    told.write(again, "Relock")
    chapter = told.story(most=1).chapters[0]
    assert chapter.event == "changed"
    assert all(change.impact != "results" for change in chapter.changes)


def test_the_command(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """`envlock log demo` in its forms; several environments have to be told apart."""
    monkeypatch.chdir(told.root)

    def run(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["log", *arguments], catch_exceptions=False).output

    assert run("demo").startswith("demo: 3 changes of lockfiles/pylock.demo.toml\n")
    assert run("demo", "HEAD~2", "--format", "markdown").startswith("## <code>demo</code>: 1 change")
    assert json.loads(run("demo", "-n", "1", "--json"))["more"] is True
    with pytest.raises(UsageError, match="several environments"):
        run()
