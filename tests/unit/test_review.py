"""What a change of the locks means to its reviewers, and what it needs to be merged."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.edges import NoProgress, Signatures
from envlock.model.manifest_parser import find_manifest
from envlock.model.provenance import Signature
from envlock.model.review import Review
from envlock.operations.reports import Trust
from envlock.operations.review import Reviewer, review_changes
from envlock.operations.verify import Witnesses
from envlock.report.inert import COMMENT
from envlock.report.review import review_github, review_json, review_text
from envlock.report.review_markdown import review_markdown
from tests.unit.reports import NobodySigns
from tests.unit.reviewed import LOCK, MANIFEST, REVIEW, Files, History, Team

BUMP = {"tensorflow": "2.6.0"}
NOTED = '\n[review]\nlabels = { signers = "trust", review = "terms" }\n'


def reviewed(
    team: Team, base: Files, *labels: str, head: Files | None = None, signatures: Signatures | None = None
) -> Review:
    """Review the folder, or another revision, against files of before."""
    reviewer = Reviewer(
        trust=lambda _: Trust(signatures=signatures or NobodySigns()),
        witnesses=Witnesses(records=None, progress=NoProgress()),  # type: ignore[arg-type]  # a report has no files
        labels=labels,
        today=datetime.date(2026, 11, 22),
    )
    history = History(team.folder, main=base, topic=head if head is not None else {})
    named = "topic" if head is not None else None
    return review_changes(find_manifest(team.folder), history, "main", named, reviewer)


def bumped(team: Team, review: str = "") -> Files:
    """Have three teammates report, then move the framework; return the files of before."""
    team.write("envlock.toml", (MANIFEST + review).encode())
    lock = team.lock()
    team.report("ana", lock)
    team.report("ben", lock, six="1.16.0")
    before = team.files()
    team.write("envlock.toml", (MANIFEST.replace("2.5.0", "2.6.0") + review).encode())
    after = team.lock(**BUMP)
    team.report("cem", after, **BUMP)
    return before


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "project")


def test_nothing_changed(team: Team) -> None:
    """Locks that are as they were need nothing, whatever else changed."""
    team.lock()
    review = reviewed(team, team.files())
    assert (review.exit_code, review.told, review.demands) == (0, (), ())
    assert review_text(review) == "main (6d61696e0000) → the work tree: no lock changed\n"


def test_framework_without_its_label(team: Team) -> None:
    """The change is ranked, the label of the policy is missing, and teammates who would no longer match are named."""
    before = bumped(team, REVIEW)
    review = reviewed(team, before)
    (train,) = review.told
    assert (review.exit_code, train.state, train.stale) == (1, "changed", ())
    assert train.changes[0].subject == "tensorflow"
    assert {effect.name: effect.turn for effect in train.effects} == {"ana": "broken", "ben": "apart", "cem": "mended"}
    assert [(each.label, each.given, each.matters) for each in review.demands] == [
        ("framework-change", False, ("framework",)),
        ("tell-the-team", False, ("reports",)),
    ]
    assert review.demands[0].because == ("train: tensorflow 2.5.0 → 2.6.0",)
    assert review.demands[1].because == ("train: the report of ana no longer matches",)


def test_framework_with_its_label(team: Team) -> None:
    """Labels that are there are enough; others do no harm."""
    before = bumped(team, REVIEW)
    assert reviewed(team, before, "framework-change").exit_code == 1
    review = reviewed(team, before, "framework-change", "tell-the-team", "unrelated")
    assert (review.exit_code, review.missing) == (0, ())


def test_a_pull_request_cannot_drop_the_policy(team: Team) -> None:
    """The policy is that of before, and that it is taken out is told."""
    before = bumped(team, REVIEW)
    team.write("envlock.toml", MANIFEST.replace("2.5.0", "2.6.0").encode())
    review = reviewed(team, before)
    assert (review.exit_code, review.asked_by) == (1, "base")
    assert review.notes == ("envlock.toml: [review] asks for other labels than before",)


def test_a_policy_that_is_new(team: Team) -> None:
    """Where there was none before, the pull request's own holds."""
    before = bumped(team)
    manifest = MANIFEST.replace("2.5.0", "2.6.0") + REVIEW
    team.write("envlock.toml", manifest.encode())
    review = reviewed(team, before)
    assert (review.exit_code, review.asked_by) == (1, "head")


def test_another_list_of_signers(team: Team) -> None:
    """Whose reports count is part of the terms: a label can be asked for it, and it is told anyway."""
    team.write("envlock.toml", (MANIFEST + NOTED).encode())
    team.lock()
    before = team.files()
    team.write("lockfiles/allowed_signers", b"mallory ssh-ed25519 AAAA\n")
    review = reviewed(team, before)
    assert (review.exit_code, [each.label for each in review.missing]) == (1, ["trust"])
    assert review.notes == ("lockfiles/allowed_signers: other keys than before may sign reports",)
    assert reviewed(team, before, "trust").exit_code == 0


@pytest.mark.parametrize("matter", ["framework", "hardware", "settings", "compat"])
def test_a_lock_that_is_taken_out_needs_every_label(team: Team, matter: str) -> None:
    """Else a policy of hardware alone could be gone around by a new name."""
    before = bumped(team, f'\n[review]\nlabels = {{ {matter} = "ask" }}\n')
    (team.folder / LOCK).unlink()
    assert [each.label for each in reviewed(team, before).missing] == ["ask"]


def test_an_environment_under_another_name(team: Team) -> None:
    """A lock that is taken out needs what a change of its framework needs, or a new name would be a way around."""
    before = bumped(team, REVIEW)
    manifest = (MANIFEST + REVIEW).replace("env.train", "env.other")
    team.write("envlock.toml", manifest.encode())
    team.lock("other", **BUMP)
    (team.folder / LOCK).unlink()
    review = reviewed(team, before)
    assert [(each.env, each.state) for each in review.told] == [("other", "added"), ("train", "removed")]
    assert review.demands[0].because == ("train: its lock is taken out",)
    assert review.exit_code == 1
    assert "other: a new environment, with tensorflow 2.6.0\n" in review_text(review)
    assert "## <code>train</code>: its lock is taken out, with tensorflow 2.5.0\n" in review_markdown(review)


def test_stale_lock(team: Team) -> None:
    """A manifest that was edited without its lock fails, though no lock differs."""
    team.lock()
    before = team.files()
    team.write("envlock.toml", MANIFEST.replace("2.5.0", "2.6.0").encode())
    review = reviewed(team, before)
    assert (review.exit_code, review.told[0].state) == (1, "unchanged")
    assert review.told[0].stale == ("requirements: tensorflow==2.5.0 → tensorflow==2.6.0",)
    assert "::error file=lockfiles/pylock.train.toml,line=1,title=train%3A the lock is stale::" in review_github(review)


@pytest.mark.parametrize("known", [True, False])
def test_environment_without_a_lock(team: Team, known: bool) -> None:
    """One that comes without a lock fails; one that never had any is not what this change is about."""
    extra = '[env.more]\npython = "3.9"\ndependencies = ["six"]\n'
    team.lock()
    before = team.files()
    team.write("envlock.toml", (MANIFEST + extra).encode())
    if known:
        before = {**before, "envlock.toml": (MANIFEST + extra).encode()}
    review = reviewed(team, before)
    assert [(each.env, each.stale) for each in review.told] == ([] if known else [("more", ("there is no lock",))])
    assert review.exit_code == (0 if known else 1)


def test_before_the_first_manifest(team: Team) -> None:
    """Everything is new, and nothing has to be agreed on."""
    team.lock()
    review = reviewed(team, {})
    assert [(each.env, each.state) for each in review.told] == [("train", "added")]
    assert review.exit_code == 0


def test_two_revisions(team: Team) -> None:
    """With HEAD the work tree does not count: its lock may be anything."""
    before = bumped(team, REVIEW)
    after = team.files()
    team.write(LOCK, b"<<<<<<< ours\n")
    review = reviewed(team, before, head=after)
    assert (review.head, review.exit_code) == ("topic", 1)
    assert {effect.name: effect.turn for effect in review.told[0].effects}["ana"] == "broken"
    with pytest.raises(UsageError, match="no manifest"):
        reviewed(team, before, head={})


def test_a_lock_that_cannot_be_read(team: Team) -> None:
    """The error says on which side it is."""
    team.lock()
    before = {**team.files(), LOCK: b"<<<<<<< ours\n"}
    with pytest.raises(UsageError) as caught:
        reviewed(team, before)
    assert (caught.value.reference, caught.value.where) == ("conflict-markers", f"main:{LOCK}")


def test_a_report_that_is_taken_out(team: Team) -> None:
    """Taking out the report of somebody who no longer matches is told as what it is."""
    before = bumped(team, REVIEW)
    (team.folder / "lockfiles/reports/train/ana.json").unlink()
    review = reviewed(team, before, "framework-change")
    assert {effect.name: effect.turn for effect in review.told[0].effects}["ana"] == "gone"
    assert review.missing[0].because == ("train: the report of ana is kept no more",)


def test_a_report_that_is_taken_out_before_the_lock_changes(team: Team) -> None:
    """Two pull requests are no way around the label: the first one needs it too."""
    team.write("envlock.toml", (MANIFEST + REVIEW).encode())
    team.report("ana", team.lock())
    before = team.files()
    (team.folder / "lockfiles/reports/train/ana.json").unlink()
    review = reviewed(team, before)
    assert [(each.state, each.effects[0].turn) for each in review.told] == [("unchanged", "gone")]
    assert [each.label for each in review.missing] == ["tell-the-team"]
    assert "1 report that this change takes out:\n    ana\n" in review_text(review)


def test_text(team: Team) -> None:
    """What people read on a terminal."""
    text = review_text(reviewed(team, bumped(team, REVIEW)))
    assert text.startswith("main (6d61696e0000) → the work tree: 1 lock changed, 2 labels missing\n")
    assert "1 report that matched and would no longer:\n    ana (2026-11-22)\n      tensorflow: expected 2.6.0" in text
    assert "✗ label framework-change: missing\n    train: tensorflow 2.5.0 → 2.6.0\n" in text
    assert "have it agreed, and give the pull request the labels framework-change, tell-the-team" in text


def test_json(team: Team) -> None:
    """Machines read the same."""
    said = json.loads(review_json(reviewed(team, bumped(team, REVIEW))))
    assert (said["schema"], said["exit_code"], said["missing"]) == (1, 1, ["framework-change", "tell-the-team"])
    assert said["environments"][0]["difference"]["changes"][0]["area"] == "framework"


def test_github(team: Team) -> None:
    """Errors for what fails the job, a warning for who no longer matches."""
    lines = review_github(reviewed(team, bumped(team, REVIEW))).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::warning", "::error", "::error", "envlock"]
    assert lines[0].startswith("::warning file=lockfiles/pylock.train.toml,line=1,title=train%3A 1 report would no lo")
    assert lines[1] == ("::error title=This needs the label framework-change::train: tensorflow 2.5.0 → 2.6.0")


def test_markdown_is_inert_and_fits(team: Team) -> None:
    """Names of strangers are no links, mentions or HTML; a comment never grows over what GitHub takes."""
    hostile = "![x](//example.com)@everyone<img>"
    team.write("envlock.toml", MANIFEST.encode())
    lock = team.lock()
    before = team.files()
    team.lock(tensorflow="2.6.0")
    for number in range(150):
        team.report(f"{number:03}-{hostile.replace('/', '')}", lock)
    text = review_markdown(reviewed(team, before))
    assert len(text.encode()) <= COMMENT
    assert "@everyone" not in text
    assert "<img" not in text
    assert "](" not in text
    assert "more" in text


class NobodyChecks(NobodySigns):
    """A machine without ssh-keygen."""

    def check(self, *_: object) -> Signature:
        """Say that nobody can tell."""
        return Signature(standing="unreadable", key="SHA256:x", why="ssh-keygen is not on this machine")


def test_signatures_that_nobody_can_check(team: Team) -> None:
    """They are told beside the changes, and are 3; a label that is missing is 1 all the same."""
    before = bumped(team, REVIEW)
    (signed,) = team.folder.glob("lockfiles/reports/*/ben.json")
    signed.with_name("ben.json.sig").write_text("a signature")
    review = reviewed(team, before, signatures=NobodyChecks())
    assert review.exit_code == 1
    assert "✗ Reports could not be checked:" in review_markdown(review)
    assert "reports were not checked" in review_github(review)
    labels = [demand.label for demand in review.missing]
    agreed = reviewed(team, before, *labels, signatures=NobodyChecks())
    assert (agreed.exit_code, agreed.environments[0].changes != ()) == (3, True)
    assert "reports not checked" in review_text(agreed)
