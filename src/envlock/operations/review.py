"""`envlock review`: what a change of the locks means, for those who have to agree to it."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.formats.pylock import read_lock
from envlock.model.edges import Revisions
from envlock.model.lock import LockFile
from envlock.model.manifest import Manifest
from envlock.model.report import Checkout
from envlock.model.review import MATTERS_OF_LOCKS, Demand, Review, Reviewed, State
from envlock.model.revision import Revision
from envlock.model.unknown import Unknown
from envlock.operations.check import check_environment
from envlock.operations.reports import Opened, Trust, open_reports
from envlock.operations.review_reports import Judge, effects
from envlock.operations.snapshot import error_in, snapshot
from envlock.operations.verify import Witnesses
from envlock.verify.difference import compare_locks


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """What a review is held against."""

    trust: Callable[[Manifest], Trust]
    """Whose signatures on kept reports count, by the later manifest."""
    witnesses: Witnesses
    labels: Collection[str]
    """Those that the pull request has."""
    today: datetime.date
    """By UTC; waivers end."""
    checkout: Checkout | Unknown | None = None
    """Of this project, so that a report of another one is told."""


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """The project before and after."""

    before: Manifest | None
    """None where there was no manifest yet."""
    before_name: str
    after: Manifest
    head: str
    """As the user named the later side; empty for the work tree."""

    @property
    def after_name(self) -> str:
        """How output calls the later side."""
        return self.head or "work tree"


def review_changes(project: Manifest, revisions: Revisions, base: str, head: str | None, reviewer: Reviewer) -> Review:
    """Hold the locks of `base` against those of `head`, or of the work tree.

    Args:
        project: of the work tree.
        revisions: of its repository.
        base: a revision (gitrevisions(7)).
        head: another one; None for the files as they are now.
        reviewer: labels, trust and terms.

    Raises what `Revisions.resolve` raises, UsageError where a manifest, a lock or a report of either side cannot be
    read (`no-manifest` where the later one has none), and IntegrityError (`edited-lock`).
    """
    earlier = revisions.resolve(base)
    later = revisions.resolve(head) if head is not None else None
    with tempfile.TemporaryDirectory(prefix="envlock-") as name:
        folder = Path(name)
        before = snapshot(revisions, earlier.commit, project.folder, folder / "before", name=base)
        after = project
        if later is not None and head is not None:
            after = _later(snapshot(revisions, later.commit, project.folder, folder / "after", name=head), head)
        sides = _Sides(before=before, before_name=base, after=after, head=head or "")
        names = sorted({*(before.environments if before else ()), *after.environments})
        return _answer(sides, tuple(_reviewed(env, sides, reviewer) for env in names), reviewer, earlier, later)


def _later(manifest: Manifest | None, head: str) -> Manifest:
    if manifest is None:
        raise UsageError("no-manifest", "There is no manifest.", where=head, hint="Review a commit that has one.")
    return manifest


def _answer(
    sides: _Sides, environments: Sequence[Reviewed], reviewer: Reviewer, earlier: Revision, later: Revision | None
) -> Review:
    """Return the review once all environments have been looked at: which labels the whole change needs."""
    own_terms = sides.before is not None and bool(sides.before.review.labels)
    terms = sides.before.review if sides.before is not None and own_terms else sides.after.review
    matters = _matters(environments) | _terms_changed(sides)
    demands = []
    for label in sorted(set(terms.labels.values())):
        asking = [matter for matter, wanted in terms.labels.items() if wanted == label and matters.get(matter)]
        if asking:
            because = tuple(dict.fromkeys(line for matter in asking for line in matters[matter]))
            demands.append(Demand(label=label, matters=tuple(asking), because=because, given=label in reviewer.labels))
    return Review(
        base=sides.before_name,
        base_revision=earlier,
        head=sides.head,
        head_revision=later,
        environments=tuple(environments),
        demands=tuple(demands),
        labels=tuple(sorted(set(reviewer.labels))),
        asked_by="base" if own_terms else "head" if terms.labels else "nobody",
        notes=tuple(line for lines in _terms_changed(sides).values() for line in lines),
    )


def _reviewed(env: str, sides: _Sides, reviewer: Reviewer) -> Reviewed:
    """Look at one environment."""
    before, after = _lock(sides.before, env, sides.before_name), _lock(sides.after, env, sides.head)
    state: State = "unchanged"
    if before is not None and after is not None:
        state = "changed" if before.digest != after.digest else "unchanged"
    elif before is not None or after is not None:
        state = "added" if before is None else "removed"
    difference = None
    if before is not None and after is not None and state == "changed":
        names = {"before_name": f"{sides.before_name}:{env}", "after_name": f"{sides.after_name}:{env}"}
        difference = compare_locks(before, after, **names)
    kept: tuple[Opened, ...] = ()
    refused = unchecked = ""
    try:
        kept = _kept(sides.after, env, reviewer)
    except IntegrityError as error:
        refused = str(error)
    except UnverifiableError as error:
        unchecked = str(error)
    judges = (_judge(sides.before, before, env, reviewer), _judge(sides.after, after, env, reviewer))
    gone = _report_names(sides.before, env) - _report_names(sides.after, env)
    return Reviewed(
        env=env,
        state=state,
        lock=sides.after.lock_path(env).relative_to(sides.after.folder).as_posix(),
        difference=difference,
        frameworks=_frameworks(before or after) if state in ("added", "removed") else (),
        stale=_stale(sides, env, before, after),
        effects=tuple(effects(kept if state != "unchanged" else (), gone, *judges)),
        refused=refused,
        unchecked=unchecked,
    )


def _lock(manifest: Manifest | None, env: str, revision: str) -> LockFile | None:
    """Return a lock, None where the environment has none; errors name the revision, where it is of one."""
    if manifest is None or env not in manifest.environments or not manifest.lock_path(env).exists():
        return None
    try:
        return read_lock(manifest.lock_path(env))
    except EnvlockError as error:
        raise error_in(revision, error) if revision else error from None


def _stale(sides: _Sides, env: str, before: LockFile | None, after: LockFile | None) -> tuple[str, ...]:
    """Return why a lock does not follow from its inputs; an environment that never had one is another affair."""
    if env not in sides.after.environments:
        return ()
    if after is not None:
        return tuple(check_environment(sides.after, env))
    known = sides.before is not None and env in sides.before.environments
    return () if known and before is None else ("there is no lock",)


def _kept(manifest: Manifest, env: str, reviewer: Reviewer) -> tuple[Opened, ...]:
    """Read the reports of an environment; errors name them as the project does, wherever it lies."""
    if not _report_names(manifest, env):
        return ()
    try:
        return open_reports([manifest.reports_path(env)], reviewer.trust(manifest))
    except EnvlockError as error:
        raise _in_project(error, manifest.folder) from None


def _in_project(error: EnvlockError, folder: Path) -> EnvlockError:
    texts = (error.where, error.expected, error.found, error.hint)
    where, expected, found, hint = (text.replace(f"{folder}{os.sep}", "") for text in texts)
    return type(error)(error.reference, error.what, where=where, expected=expected, found=found, hint=hint)


def _report_names(manifest: Manifest | None, env: str) -> set[str]:
    return {path.stem for path in manifest.reports_path(env).glob("*.json")} if manifest is not None else set()


def _judge(manifest: Manifest | None, lock: LockFile | None, env: str, reviewer: Reviewer) -> Judge | None:
    if manifest is None or lock is None:
        return None
    table = manifest.environment(env).verify
    return Judge(lock=lock, table=table, today=reviewer.today, witnesses=reviewer.witnesses, checkout=reviewer.checkout)


def _frameworks(lock: LockFile | None) -> tuple[str, ...]:
    """Return the locked frameworks, for an environment that comes or goes and so differs from nothing."""
    packages = lock.lock.packages if lock is not None else ()
    return tuple(f"{each.name} {each.version}" for each in packages if lock and each.name in lock.lock.frameworks)


def _matters(environments: Sequence[Reviewed]) -> dict[str, list[str]]:
    """Return what of a change a label may be asked for, each with the changes that it is."""
    found: dict[str, list[str]] = {}
    for each in environments:
        for change in each.changes:
            line = f"{each.env}: {change.subject} {change.before or '-'} → {change.after or '-'}"
            found.setdefault(change.area, []).append(line)
            found.setdefault(change.impact, []).append(line)
        if each.state == "removed":  # under another name it would else pass
            for matter in MATTERS_OF_LOCKS:
                found.setdefault(matter, []).append(f"{each.env}: its lock is taken out")
        for effect in each.effects:
            if effect.turn in ("broken", "gone"):
                why = "no longer matches" if effect.turn == "broken" else "is kept no more"
                found.setdefault("reports", []).append(f"{each.env}: the report of {effect.name} {why}")
    return found


def _terms_changed(sides: _Sides) -> dict[str, list[str]]:
    """Return what of the terms themselves differs: whose reports count, and what labels are asked for."""
    before = sides.before
    if before is None:
        return {}
    found = {}
    if _raw(before.signers_path) != _raw(sides.after.signers_path):
        found["signers"] = ["lockfiles/allowed_signers: other keys than before may sign reports"]
    if before.review != sides.after.review:
        found["review"] = [f"{sides.after.path.name}: [review] asks for other labels than before"]
    return found


def _raw(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
