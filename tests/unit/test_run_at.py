"""What `run --at` puts beside an earlier lock: files of the commit, today's where they are the same, envlock.sum."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from envlock.adapters.git_history import GitRevisions
from envlock.errors import IntegrityError, UsageError
from envlock.image.sums import Sums, format_sums, read_sums
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import find_manifest
from envlock.operations.run_at import Earlier, bring, lock_at
from tests.unit.repositories import GitRepository
from tests.unit.venvs import lock_of
from tests.unit.wheels import make_wheel


class Past:
    """A project whose first commit has a lock with a wheel beside it; today both are gone."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            monkeypatch.delenv(name)
        self.repository = GitRepository(root)
        self.root = root
        (root / "envlock.toml").write_text('[env.demo]\npython = "3.11"\ndependencies = ["demo"]\n')
        wheel = make_wheel(root)
        self.raw = wheel.read_bytes()
        self.lock = lock_of([wheel], base_python="3.11.2")
        wheel.unlink()
        self.sha256 = hashlib.sha256(self.raw).hexdigest()
        self.beside = root / "lockfiles" / "wheels" / self.sha256[:16] / wheel.name
        self.sums = root / "lockfiles" / "envlock.sum"
        self.path = root / "lockfiles" / "pylock.demo.toml"
        self.path.parent.mkdir()
        self.path.write_bytes(self.lock.raw)

    def vouch(self, lock: str, digest: str) -> None:
        self.sums.write_bytes(format_sums(Sums(images={(lock, "linux/amd64"): f"sha256:{digest * 64}"})))

    def place(self, raw: bytes) -> None:
        self.beside.parent.mkdir(parents=True, exist_ok=True)
        self.beside.write_bytes(raw)

    @property
    def manifest(self) -> Manifest:
        return find_manifest(self.root)

    def brought(self, *, sums: bool = False) -> Earlier:
        revisions = GitRevisions(self.root)
        earlier = lock_at(self.manifest, "demo", revisions, "HEAD~1")
        bring(earlier, self.manifest, revisions, sums=sums)
        return earlier

    def found(self, earlier: Earlier) -> bytes | None:
        path = earlier.folder / self.beside.relative_to(self.path.parent)
        return path.read_bytes() if path.exists() else None

    def go_on(self) -> None:
        """Commit what is here, then take the lock away."""
        self.repository.commit("Lock")
        self.path.unlink()
        self.repository.commit("Drop the lock")


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(tmp_path / "project", monkeypatch)


def test_a_wheel_that_the_commit_has(past: Past) -> None:
    """It is taken out of the history, whatever stands in its place today."""
    past.place(past.raw)
    past.repository.commit("With its wheel")
    past.place(b"another")
    past.path.unlink()
    past.repository.commit("Drop the lock")
    earlier = past.brought()
    assert past.found(earlier) == past.raw
    assert earlier.lock_file.digest == past.lock.digest
    assert earlier.venv == past.root / ".envlock" / "at" / f"demo-{past.lock.digest[:12]}"
    assert past.repository.git("status", "--porcelain") == ""


def test_a_wheel_that_only_stands_here(past: Past) -> None:
    """It is taken where it is the locked one; another one of its name is not."""
    past.go_on()
    assert past.found(past.brought()) is None
    past.place(b"another")
    assert past.found(past.brought()) is None
    past.place(past.raw)
    assert past.found(past.brought()) == past.raw


def test_what_vouches_for_the_image(past: Past) -> None:
    """The commit's envlock.sum and today's together; today's file is not touched, and neither may contradict."""
    past.vouch(past.lock.digest, "a")
    past.go_on()
    past.vouch("b" * 64, "b")
    today = past.sums.read_bytes()
    earlier = past.brought(sums=True)
    assert sorted(read_sums(earlier.sums).images) == sorted(
        [(past.lock.digest, "linux/amd64"), ("b" * 64, "linux/amd64")]
    )
    assert past.sums.read_bytes() == today
    past.vouch(past.lock.digest, "c")
    with pytest.raises(IntegrityError) as caught:
        past.brought(sums=True)
    assert caught.value.reference == "sums-mismatch"


def test_a_commit_without_the_lock(past: Past) -> None:
    """It says which file is not there, and how to find the commits that have it."""
    past.go_on()
    with pytest.raises(UsageError) as caught:
        lock_at(past.manifest, "demo", GitRevisions(past.root), "HEAD")
    assert (caught.value.reference, caught.value.where) == ("no-lock-there", "HEAD:demo")
    assert caught.value.expected == "lockfiles/pylock.demo.toml"
