"""What upload times (PEP 700) say of a resolution: its cutoff, and which dependencies are newer than the framework."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence

from envlock.errors import UsageError
from envlock.formats.pylock import rfc3339
from envlock.locking.select import Selected
from envlock.model.as_of import Cutoffs, Newer
from envlock.model.platform import Platform

Resolutions = Mapping[Platform, Sequence[Selected]]
_LONG = 365
"""Days after which a dependency is told to be newer than the framework."""


def release_cutoff(frameworks: Sequence[Selected]) -> str:
    """Return the latest upload among the selected framework files, plus a day (design section 3, as-of).

    Raises UsageError: `no-framework` where there is none, `no-upload-time` where an index does not say.
    """
    if not frameworks:
        raise UsageError(
            "no-framework",
            'as-of = "release" needs a framework to go by.',
            hint='Name it: frameworks = { tensorflow = "==2.5.0" }, or give a date.',
        )
    missing = sorted({row.package for row in frameworks if row.upload_time is None})
    if missing:
        raise UsageError(
            "no-upload-time",
            f"The index does not say when {', '.join(missing)} was uploaded (PEP 700).",
            expected="an upload-time for each file",
            hint='Give a date instead of as-of = "release"; as-of = "none" in the [[index]] table of an index without '
            "upload times exempts it from the date.",
        )
    latest = max(_moment(row.upload_time) for row in frameworks)
    return rfc3339(latest + datetime.timedelta(days=1))


def settled(cutoffs: Cutoffs, resolutions: Resolutions, own: Collection[str]) -> Cutoffs:
    """Return the cutoffs as a lock says them, absolute: what `-P` opened ends right after the release it found.

    Those of `own`, the manifest's, stay as they are. What says no more than the cutoff of all goes.
    """
    packages = {name: text for name, text in cutoffs.packages.items() if name in own}
    for name, text in cutoffs.packages.items():
        rows = [row for rows in resolutions.values() for row in rows if row.package == name]
        if name in own or not rows:
            continue
        if text == "none" and all(row.upload_time for row in rows):
            latest = max(_moment(row.upload_time) for row in rows)
            text = rfc3339(latest + datetime.timedelta(seconds=1))
            if cutoffs.moment is None or _moment(text) <= _moment(cutoffs.moment):
                continue
        packages[name] = text
    return Cutoffs(moment=cutoffs.moment, packages=dict(sorted(packages.items())))


def newer_than_framework(resolutions: Resolutions, frameworks: Collection[str]) -> tuple[Newer, ...]:
    """Return the dependencies uploaded over a year after the newest framework, the newest first.

    `frameworks` are normalised names. A build dependency of an old sdist is none of these; nor is what has no date.
    """
    dated = {(row.package, row.version): row for rows in resolutions.values() for row in rows if row.upload_time}
    ours = [row for (name, _), row in sorted(dated.items()) if name in frameworks]
    if not ours:
        return ()
    newest = max(ours, key=lambda row: _moment(row.upload_time))
    since = _moment(newest.upload_time or "")
    found = [
        Newer(
            package=row.package,
            version=row.version,
            uploaded=row.upload_time or "",
            framework=f"{newest.package} {newest.version}",
            days=(_moment(row.upload_time) - since).days,
        )
        for (name, _), row in dated.items()
        if name not in frameworks
    ]
    return tuple(sorted((row for row in found if row.days > _LONG), key=lambda row: (-row.days, row.package)))


def undated(resolutions: Resolutions) -> tuple[str, ...]:
    """Return the packages whose index gave no upload time: nobody knows how new they are."""
    rows = (row for rows in resolutions.values() for row in rows)
    return tuple(sorted({row.package for row in rows if row.upload_time is None}))


def _moment(text: str | None) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text or "")
