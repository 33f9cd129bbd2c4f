"""How an environment stands beside its lock and its venv: its image, its last verification, its teammates' reports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import EnvlockError, IntegrityError
from envlock.formats.oci import INDEX, Layout, parse_index
from envlock.image.oci import LABEL_LOCK
from envlock.image.sums import read_sums
from envlock.model.ability import Ability, KeptReport, Pushed, Standing
from envlock.model.lock import LockFile
from envlock.model.manifest import Manifest
from envlock.model.platform import image_platforms
from envlock.model.report import Judged
from envlock.operations.reports import Opened, Trust, open_reports
from envlock.operations.verified import last_verified

_MOST_REPORTS = 5


def with_image(
    row: Standing, manifest: Manifest, lock: LockFile, reached: Ability | None, pushed: Pushed | None
) -> Standing:
    """Return a standing that says of the lock's image whether it is vouched for, built here and pushed.

    `reached` is the registry, None where the manifest names none.
    """
    row = replace(row, vouched=_vouched(manifest, lock), built=_built(manifest, row.env, lock.digest))
    if pushed is not None:
        row = replace(row, image=pushed.image, tags=pushed.tags, unasked_tags=pushed.unasked)
    if row.next or row.image or lock.lock.image is None:
        return row
    if not row.vouched:
        return replace(row, next=f"envlock build {row.env}")
    return replace(row, next=f"envlock push {row.env}") if reached is not None and reached.state == "able" else row


def with_verification(row: Standing, manifest: Manifest) -> Standing:
    """Return a standing that says when its environment here was verified last, and asks for it where that is due."""
    row = replace(row, verified=last_verified(manifest, row.env))
    done = row.verified is not None and (row.verified.lock, row.verified.outcome) == (row.lock_digest, "match")
    return row if row.next or done or row.venv != "in step" else replace(row, next=f"envlock verify {row.env}")


def with_reports(row: Standing, manifest: Manifest, trust: Trust) -> Standing:
    """Return a standing with the newest reports that the project keeps; one that is refused says why."""
    files = sorted(manifest.reports_path(row.env).glob("*.json"))
    kept = [_report(path, row.lock_digest, trust) for path in files]
    # Those that are refused come first, whenever they say that they were made.
    newest = sorted(sorted(kept, key=lambda each: each.created, reverse=True), key=lambda each: not each.refused)
    return replace(row, reports=tuple(newest[:_MOST_REPORTS]), older_reports=max(0, len(newest) - _MOST_REPORTS))


def _report(path: Path, lock_digest: str, trust: Trust) -> KeptReport:
    try:
        (opened,) = open_reports([path], trust)
    except EnvlockError as error:
        why = f"{error.what} [{error.reference}]"
        return KeptReport(name=path.stem, refused=why, forged=isinstance(error, IntegrityError))
    report = opened.report
    judged = report.judged if isinstance(report.judged, Judged) else None
    digest = judged.lock if judged is not None else report.lock.digest if report.lock is not None else ""
    return KeptReport(
        name=path.stem,
        created=report.created,
        outcome=judged.outcome if judged is not None else None,
        current=bool(digest) and digest == lock_digest,
        signer=_signer(opened),
        vouched=opened.signature is not None and opened.signature.standing == "trusted",
    )


def _signer(opened: Opened) -> str:
    signature = opened.signature
    if signature is None:
        return ""
    return f"{signature.principal} ({signature.key})" if signature.principal else signature.key


def _vouched(manifest: Manifest, lock: LockFile) -> bool:
    try:
        images = read_sums(manifest.sums_path).images
    except EnvlockError:  # `build` says what is wrong with it
        return False
    return all((lock.digest, str(platform)) in images for platform in image_platforms(lock.lock.platforms))


def _built(manifest: Manifest, env: str, lock_digest: str) -> str:
    """Return where `build` put the lock's image without an --output, empty where another one is there or none."""
    place = manifest.folder / ".envlock" / "images" / env
    with contextlib.suppress(EnvlockError, OSError):
        if f"sha256:{lock_digest}" in set(_locks_in(place)):
            return place.relative_to(manifest.folder).as_posix()
    return ""


def _locks_in(place: Path) -> Iterator[str]:
    """Yield the locks that the images of a layout say they are of."""
    layout = Layout(place)
    for row in layout.top().manifests:
        if row.media_type == INDEX and row.artifact_type is None:
            raw = layout.blob_path(row.digest).read_bytes()
            yield parse_index(raw, row.digest).annotations.get(LABEL_LOCK, "")
