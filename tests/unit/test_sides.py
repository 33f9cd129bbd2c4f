"""What a word on the command line of `diff` means: an environment, a file, a revision, an image, a live environment."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.report import report_bytes
from envlock.model.edges import NoProgress, Registry
from envlock.model.engine import EngineImage
from envlock.model.lock import LockFile
from envlock.model.manifest import Environment, ImageTable, Manifest
from envlock.model.platform import Platform
from envlock.model.provenance import Signature
from envlock.model.report import Report
from envlock.model.revision import Revision
from envlock.model.side import Side
from envlock.operations.diff import diff_sides
from envlock.operations.reports import Trust
from envlock.operations.sides import Sources, open_side, open_sides
from tests.unit.fake_registry import FakeRegistry, serving
from tests.unit.reports import report
from tests.unit.test_verify_engine import PYTHON, FakeEngine, saved
from tests.unit.test_verify_image import Image, files_of, own_image
from tests.unit.test_verify_registry import REPOSITORY, push
from tests.unit.venvs import Venv, demo_wheel, lock_of

AMD64 = Platform("linux", "amd64")
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
COMMIT = "c" * 40


class History:
    """A repository of one commit, `main`, in place of git."""

    def __init__(self, files: Mapping[Path, bytes]) -> None:
        self.files = files
        self.shallow = False

    def resolve(self, text: str) -> Revision:
        """Know one branch."""
        if text not in ("main", "HEAD~1", "feature/a"):
            raise UsageError("unknown-revision", "git knows no commit by this name.", found=text)
        return Revision(commit=COMMIT, author="Ana", when="2026-01-01T00:00:00Z", subject="Lock")

    def file_at(self, commit: str, path: Path) -> bytes | None:
        """Return a file of the commit."""
        assert commit == COMMIT
        return self.files.get(path)

    def files_at(self, commit: str, folder: Path) -> tuple[str, ...]:
        """Return the names in a folder."""
        assert commit == COMMIT
        return tuple(sorted(path.name for path in self.files if path.parent == folder))

    def changes_of(self, path: Path, start: str = "HEAD") -> Iterator[Revision]:
        """Tell no story."""
        raise NotImplementedError


class Nobody:
    """Signs and checks nothing."""

    def sign(self, raw: bytes, key: str, namespace: str = "") -> bytes:
        """Refuse to be asked."""
        raise AssertionError(key)

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = "") -> Signature:
        """Refuse to be asked."""
        raise AssertionError(allowed)


@pytest.fixture
def lock(tmp_path: Path) -> LockFile:
    """Of the demo wheel."""
    return lock_of([demo_wheel(tmp_path / "wheels")], env="tf25")


@pytest.fixture
def project(tmp_path: Path, lock: LockFile, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """A project with one locked environment, and one that is not locked yet."""
    folder = tmp_path / "project"
    (folder / "lockfiles").mkdir(parents=True)
    (folder / "lockfiles/pylock.tf25.toml").write_bytes(lock.raw)
    monkeypatch.chdir(folder)
    image = ImageTable(base="debian-test", repository="registry.example.com/team/churn")
    return Manifest(
        folder=folder,
        path=folder / "envlock.toml",
        environments={"tf25": Environment(python="3.11", image=image), "other": Environment(python="3.11")},
    )


def sources(manifest: Manifest | None, files: Mapping[str, bytes] | None = None, **more: Any) -> Sources:
    """Return where sides come from; `files` are those of the commit, by path relative to the project's folder."""
    folder = manifest.folder if manifest is not None else Path.cwd()
    history = History({folder / name: raw for name, raw in (files or {}).items()})
    given: dict[str, Any] = {
        "revisions": lambda: history,
        "registry": _nowhere,
        "engines": _nowhere,
        "environment": _nowhere,
        "trust": _nowhere,
    } | more
    return Sources(manifest=manifest, folder=folder, platforms=(AMD64,), now=NOW, progress=NoProgress(), **given)


def _nowhere(*_: object) -> Any:
    raise AssertionError("nobody was to be asked")


def refused(text: str, found: Sources, kind: type[EnvlockError] = UsageError) -> EnvlockError:
    """Return why a side cannot be opened."""
    with pytest.raises(kind) as error:
        open_side(text, found)
    return error.value


def test_an_environment_of_the_manifest(project: Manifest, lock: LockFile) -> None:
    """A word is an environment before it is a folder of the same name; without a lock it says how to make it."""
    (project.folder / "tf25").mkdir()
    assert open_side("tf25", sources(project)) == Side(name="tf25", kind="lock", lock=lock)
    assert refused("other", sources(project)).reference == "no-lock"


def test_a_lock_file(project: Manifest, lock: LockFile) -> None:
    """By its path, with or without a manifest; one that is not there is missed as a lock."""
    for manifest in (project, None):
        side = open_side("lockfiles/pylock.tf25.toml", sources(manifest))
        assert side.lock == lock
    assert refused("pylock.gone.toml", sources(None)).reference == "no-lock"


def test_a_lock_of_a_revision(project: Manifest, lock: LockFile) -> None:
    """`REV:ENV` and `REV:FILE` read what the commit has, not what lies here."""
    (project.folder / "lockfiles/pylock.tf25.toml").unlink()
    found = sources(project, {"lockfiles/pylock.tf25.toml": lock.raw, "lockfiles/pylock.gone.toml": lock.raw})
    for text in ("main:tf25", "HEAD~1:tf25", "feature/a:tf25", "main:lockfiles/pylock.tf25.toml", "main:gone"):
        side = open_side(text, found)
        assert (side.name, side.kind, side.digest) == (text, "lock", lock.digest)


def test_a_revision_without_the_lock(project: Manifest, lock: LockFile) -> None:
    """It is said which locks the commit has."""
    error = refused("main:other", sources(project, {"lockfiles/pylock.tf25.toml": lock.raw}))
    assert (error.reference, error.where, error.expected) == ("no-lock-there", "main:other", "one of: tf25")
    assert error.hint == "envlock log other tells since when there is one"


def test_a_mistyped_revision(project: Manifest) -> None:
    """What has an environment's name after the colon, or a name that no image can have before it, is git's to miss."""
    for text in ("mian:tf25", "HEAD~9:tf25", "HEAD:gone"):
        error = refused(text, sources(project))
        assert (error.reference, error.hint) == (
            "unknown-revision",
            "An image of a registry is written with its host: HOST/NAME:TAG",
        )


def test_no_git(project: Manifest) -> None:
    """Without a repository a revision is told to need one, and an image is still an image."""

    def none() -> Any:
        raise UsageError("no-git-repository", "This folder is in no work tree of git.", hint="git init")

    assert refused("main:tf25", sources(project, revisions=none)).reference == "no-git-repository"
    assert _asked_for("team/app:v1", project, revisions=none) == "team/app:v1"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("registry.example.com/team/churn:tf25", "registry.example.com/team/churn:tf25"),
        ("localhost:5000/churn:v1", "localhost:5000/churn:v1"),
        ("registry.example.com/team/churn", "registry.example.com/team/churn:latest"),
        ("python:3.11-slim", "library/python:3.11-slim"),
        ("team/app:v1", "team/app:v1"),
        (":v1", "registry.example.com/team/churn:v1"),
    ],
)
def test_references_of_images(project: Manifest, text: str, asked: str) -> None:
    """What git does not know and has a host, a tag or a digest is asked of a registry."""
    assert _asked_for(text, project) == asked


def _asked_for(text: str, project: Manifest, **more: Any) -> str:
    """Return the reference that a registry is asked for."""

    class AskedError(Exception):
        """What was asked."""

    class Asking:
        def manifest(self, reference: object) -> Any:
            raise AskedError(str(reference))

    with pytest.raises(AskedError) as asked:
        open_side(text, sources(project, registry=Asking, **more))
    return str(asked.value)


@pytest.mark.parametrize("text", ["tf52", "venvs/old", "./gone", ".venv", "Reports/x"])
def test_nothing_of_that_name(project: Manifest, text: str) -> None:
    """It is said what a side may be, and which environments there are."""
    error = refused(text, sources(project))
    assert (error.reference, error.found) == ("unknown-side", text)
    assert error.hint == ("Did you mean 'tf25'?" if text == "tf52" else "Environments here: other, tf25")
    assert error.expected.startswith("an environment of the manifest, a lock, REV:ENV")
    assert refused(text, sources(None)).hint.startswith("There is no envlock.toml")


def test_a_folder_that_is_an_image(project: Manifest, lock: LockFile) -> None:
    """A layout is named as one."""
    own_image(project.folder / "out", lock, {})
    assert refused("out", sources(project)).expected == "oci:out"


def test_a_live_environment(project: Manifest) -> None:
    """A folder, and an interpreter by its name; its platform is the interpreter's."""
    (project.folder / ".venv/bin").mkdir(parents=True)
    (project.folder / ".venv/bin/python3.11").write_bytes(b"\x7fELF")
    asked = []

    def environment(path: Path) -> Report:
        asked.append(path)
        return report()

    for text in (".venv", ".venv/bin/python3.11"):
        side = open_side(text, sources(project, environment=environment))
        assert (side.kind, side.platform) == ("environment", AMD64)
    assert asked == [Path(".venv"), Path(".venv/bin/python3.11")]


def test_an_image_of_ours(project: Manifest, lock: LockFile) -> None:
    """Its documents and the layer of its lock are enough; the same lock is no difference."""
    image = own_image(project.folder / "out", lock, {"opt/venv/x": b"x"})
    image.blob(image.layers[0]).unlink()  # nobody reads it
    before, after = open_sides("oci:out", "tf25", sources(project))
    assert (before.kind, before.digest, before.platform) == ("image", lock.digest, AMD64)
    assert diff_sides(before, after).changes == ()


def test_an_image_that_lies_about_its_lock(project: Manifest, lock: LockFile) -> None:
    """A label that names another lock is no small thing."""
    own_image(project.folder / "out", lock, {}, labels={"dev.envlock.lock.digest": f"sha256:{'0' * 64}"})
    error = refused("oci:out", sources(project), IntegrityError)
    assert (error.reference, error.exit_code, error.found) == ("bad-image", 4, f"sha256:{lock.digest}")


def test_an_image_whose_lock_is_gone(project: Manifest, lock: LockFile) -> None:
    """What could not be read is no match."""
    image = own_image(project.folder / "out", lock, {})
    image.blob(image.layers[1]).unlink()
    error = refused("oci:out", sources(project), EnvlockError)
    assert (error.reference, error.exit_code) == ("no-lock-layer", 3)


def test_anybodys_image(tmp_path: Path, project: Manifest, lock: LockFile) -> None:
    """What is installed in it is read off its layers and held against the lock."""
    venv = Venv(tmp_path / "root/opt/venv")
    venv.install(next((tmp_path / "wheels").iterdir()))
    Image(project.folder / "out", [{"usr/bin/python3.11": b"\x7fELF"}, files_of(venv)])
    side = open_side("oci:out", sources(project), (AMD64,))
    assert side.lock is None
    assert side.report is not None
    assert side.report.full
    difference = diff_sides(Side(name="tf25", kind="lock", lock=lock), side)
    assert [change.subject for change in difference.changes] == []
    assert difference.unchanged_packages == 1


def test_an_image_of_a_registry(tmp_path: Path, project: Manifest, lock: LockFile) -> None:
    """Ours is asked for its documents and the small layer of its lock, nothing else."""
    image = own_image(project.folder / "out", lock, {"opt/venv/x": b"x"})
    fake = FakeRegistry()
    push(fake, image)
    session = Session(environment={}, daemon=tmp_path / "daemon.json", sleep=lambda _: None)
    registry: Callable[[], Registry] = lambda: OciRegistry(session)  # noqa: E731
    with serving(fake):
        side = open_side(f"{fake.address}/{REPOSITORY}:latest", sources(project, registry=registry), (AMD64,))
    assert side.digest == lock.digest
    fetched = {path.rpartition("/")[2] for path in fake.paths("GET") if "/blobs/" in path}
    assert fetched == {str(image.config["digest"]), str(image.layers[1]["digest"])}


def test_reports(project: Manifest) -> None:
    """A report here, and one that a commit keeps."""
    raw = report_bytes(report())
    (project.folder / "ana.json").write_bytes(raw)
    found = sources(project, {"lockfiles/reports/tf25/ana.json": raw}, trust=lambda: trust(demanded=False))
    for text in ("ana.json", "main:lockfiles/reports/tf25/ana.json"):
        side = open_side(text, found)
        assert (side.name, side.kind, side.report, side.platform) == (text, "report", report(), AMD64)
    error = refused("main:lockfiles/reports/tf25/ben.json", found)
    assert (error.reference, error.exit_code) == ("no-report-there", 2)
    assert refused("gone.json", found).reference == "no-report"


def test_reports_that_nobody_signed(project: Manifest) -> None:
    """Where a project wants signatures, neither a file nor a commit gets a report past that."""
    raw = report_bytes(report())
    (project.folder / "ana.json").write_bytes(raw)
    found = sources(project, {"ana.json": raw}, trust=lambda: trust(demanded=True))
    for text in ("ana.json", "main:ana.json"):
        error = refused(text, found, IntegrityError)
        assert (error.reference, error.exit_code) == ("unsigned-report", 4)


def trust(*, demanded: bool) -> Trust:
    """Return a trust that has no signature to check."""
    return Trust(signatures=Nobody(), demanded=demanded)


def test_images_of_an_engine_and_an_archive(tmp_path: Path, project: Manifest, lock: LockFile) -> None:
    """They are read whole, once: for their lock where they are ours, else for what is installed."""
    venv = Venv(tmp_path / "root/opt/venv")
    venv.install(next((tmp_path / "wheels").iterdir()))
    layers = [PYTHON, files_of(venv)]
    for own in (True, False):
        held = [{"opt/envlock/pylock.tf25.toml": lock.raw}] if own else []
        archive, image_id = saved([*layers, *held])
        (tmp_path / "image.tar").write_bytes(archive)
        shown = EngineImage(
            image_id=image_id, system="linux", architecture="amd64", diff_ids=(), variables={}, labels={}
        )
        engine = FakeEngine(shown)
        engine.archive = archive
        for text in ("engine:demo", image_id, f"docker-archive:{tmp_path}/image.tar"):
            side = open_side(text, sources(project, engines=partial(nullcontext, engine)), (AMD64,))
            assert (side.name, side.kind, side.digest) == (text, "image", lock.digest if own else "")
            difference = diff_sides(side, Side(name="tf25", kind="lock", lock=lock))
            assert (difference.changes, difference.unchanged_packages) == ((), 1)
