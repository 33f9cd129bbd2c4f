"""Twenty real lock changes, each told rightly: as locks, as an image against a lock, as reports, and by the log."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envlock.adapters.git_history import GitRevisions
from envlock.cli.main import cli
from envlock.formats.report import report_bytes
from envlock.model import records
from envlock.model.change import Change, Difference
from envlock.model.lock import LockFile
from envlock.model.manifest_parser import find_manifest
from envlock.model.observation import Interpreter, Variables
from envlock.model.report import Installed, Report
from envlock.operations.log import story_of
from tests.unit.history import AT_TAG, START, STEPS, TAG, UNBUILT, History, Step
from tests.unit.reports import machine, report
from tests.unit.test_verify_image import own_image

PACKAGES = ("framework", "numerics", "accelerator", "model", "package")
"""Areas of packages; of `accelerator` also CUDA."""
numbered = pytest.mark.parametrize(
    ("number", "step"), list(enumerate(STEPS, 1)), ids=[f"{number:02}" for number in range(1, len(STEPS) + 1)]
)


def rows_of(changes: Iterable[Change]) -> list[str]:
    """Return changes as steps.toml tells them."""
    return [f"{each.area} {each.subject}: {each.before or '-'} → {each.after or '-'}" for each in changes]


def is_told(step: Step, changes: Iterable[Change]) -> None:
    """Compare changes with what somebody wrote down who knows."""
    changes = list(changes)
    if step.told:
        assert rows_of(changes) == list(step.told)
    else:
        assert rows_of(each for each in changes if each.impact == "results") == list(step.told_first)
    by_subject = {each.subject: each for each in changes}
    assert {subject: by_subject[subject].brought_by for subject in step.brought} == step.brought
    assert {subject: " › ".join(by_subject[subject].chain) for subject in step.chains} == step.chains


def pins_of(lock: LockFile) -> dict[str, str]:
    """Read the versions off a lock without a line of envlock's."""
    return {row["name"]: row["version"] for row in tomllib.loads(lock.raw.decode())["packages"]}


def moves(before: Mapping[str, str], after: Mapping[str, str]) -> set[tuple[str, str, str]]:
    """Return which packages are at another version."""
    names = {*before, *after}
    return {(name, before.get(name, ""), after.get(name, "")) for name in names if before.get(name) != after.get(name)}


def told_moves(difference: Difference) -> set[tuple[str, str, str]]:
    """Return the same of what was told."""
    return {
        (each.subject, each.before, each.after)
        for each in difference.changes
        if each.area in PACKAGES
        and each.subject not in ("CUDA", "cuda", "minimum driver")
        and each.before != each.after
    }


def diff(history: History, monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> Difference:
    """Run `envlock diff` in the repository."""
    monkeypatch.chdir(history.folder)
    ran = CliRunner().invoke(cli, ["diff", before, after, "--json"], standalone_mode=False)
    assert ran.exception is None, ran.exception
    document: dict[str, Any] = records.from_json(ran.stdout.encode(), dict)
    assert document.pop("schema") == 1
    return records.convert(document, Difference)


@numbered
def test_each_step(number: int, step: Step, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """`diff` of two revisions tells what was done, in order of what it does to results, and nothing else."""
    difference = diff(history, monkeypatch, f"{history.back(number - 1)}:tf25", f"{history.back(number)}:tf25")
    is_told(step, difference.changes)
    before, after = history.locks[number - 1], history.locks[number]
    assert told_moves(difference) == moves(pins_of(before), pins_of(after))
    assert (difference.before_digest, difference.after_digest) == (before.digest, after.digest)


def test_the_log_tells_the_same_story(history: History) -> None:
    """Newest first: who, when, which image, and what `diff` says of the step; the tag stands at its commit."""
    story = story_of(find_manifest(history.folder), "tf25", GitRevisions(history.folder))
    assert [(each.revision.subject, each.revision.author) for each in story.chapters] == [
        (step.subject, step.author) for step in reversed((START, *STEPS))
    ]
    assert [each.revision.when for each in story.chapters] == [step.date for step in reversed((START, *STEPS))]
    for number, (chapter, step) in enumerate(zip(reversed(story.chapters), (START, *STEPS), strict=True)):
        lock = history.locks[number]
        assert (chapter.lock_digest, chapter.tag) == (lock.digest, f"lock-{lock.digest[:32]}")
        assert list(chapter.images) == ([] if step.subject == UNBUILT else ["linux/amd64"])
        assert (TAG in chapter.revision.names) == (number == AT_TAG)
        if number:
            assert chapter.event == "changed"
            is_told(step, chapter.changes)
    assert story.chapters[-1].event == "added"


def test_images_against_locks(history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The image of one step against the lock of the next: told as between the locks themselves."""
    for number in (1, 10, 18):
        own_image(tmp_path / str(number), history.locks[number - 1], {})
        difference = diff(history, monkeypatch, f"oci:{tmp_path / str(number)}", f"{history.back(number)}:tf25")
        is_told(STEPS[number - 1], difference.changes)
        assert (difference.before_kind, difference.after_kind) == ("image", "lock")
    own_image(tmp_path / "newest", history.locks[-1], {})
    same = diff(history, monkeypatch, "tf25", f"oci:{tmp_path / 'newest'}")
    assert (same.changes, same.unsaid) == ((), ())


def reported(lock: LockFile) -> Report:
    """Return what somebody reports who has installed a lock and works with its settings."""
    base, settings = lock.lock.base, lock.lock.settings
    assert base is not None
    return report(
        full=True,
        interpreter=Interpreter(
            implementation="cpython", version=base.python, system="linux", machine="x86_64", libc="glibc 2.36"
        ),
        distributions=tuple(
            Installed(
                name=each.name,
                version=each.version,
                installer="envlock",
                contents=(each.wheels[0].contents,),
                requires=each.dependencies,
            )
            for each in lock.lock.packages
        ),
        variables=Variables(origin="shell", values=settings.variables),
        machine=machine(cpus=16),
    )


@numbered
def test_reports_of_each_step(
    number: int, step: Step, history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Reports of two who are a step apart: the packages, Python and settings that differ, each with its versions."""
    before, after = history.locks[number - 1], history.locks[number]
    for name, lock in (("ana.json", before), ("ben.json", after)):
        (tmp_path / name).write_bytes(report_bytes(reported(lock)))
    difference = diff(history, monkeypatch, str(tmp_path / "ana.json"), str(tmp_path / "ben.json"))
    assert told_moves(difference) == moves(pins_of(before), pins_of(after))
    told = {each.subject for each in difference.changes if each.area in ("settings", "python")}
    expected = {
        1: {"threads"},  # all five variables
        3: {"TF_DETERMINISTIC_OPS"},
        18: {"python"},
    }
    assert told == expected.get(number, set())
