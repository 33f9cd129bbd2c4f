"""From the files of each platform's resolution to the packages of a lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envlock.locking.dependencies import kept_dependencies, requirements_asked_for, with_dependencies
from envlock.locking.digests import Digests, wheel_digests, wheel_requires
from envlock.locking.opening import Opening
from envlock.locking.select import Selected
from envlock.model.artifact import Build, Wheel
from envlock.model.index import Indexes
from envlock.model.lock import Lock, Package
from envlock.model.manifest import Environment
from envlock.model.platform import Platform
from envlock.operations.builds import Builds, Built

Builts = Mapping[tuple[str, Platform], Built]
"""By the sha256 of the sdist and the platform."""


def packages_for(
    environment: Environment,
    resolutions: Mapping[Platform, Sequence[Selected]],
    previous: Lock | None,
    builds: Builds,
    opening: Opening,
    indexes: Indexes,
    *,
    inputs: Mapping[str, str],
    asked: Sequence[str],
    fresh: bool,
) -> tuple[Package, ...]:
    """Return every package with its wheels, their digests and its dependencies; `builds` made the wheels of sdists.

    Digests of wheels that `previous` lists are taken from it, unless `fresh`. `inputs` are those of the lock, and
    `asked` is what the locks of other tools ask for (PEP 508).
    """
    built = {
        (row.sha256, platform): builds.built(row, platform)
        for platform, rows in resolutions.items()
        for row in rows
        if row.kind == "sdist"
    }
    plain = [row for rows in resolutions.values() for row in rows if row.kind == "wheel"]
    known = {
        wheel.sha256: Digests(contents=wheel.contents, record=wheel.record, size=wheel.size)
        for package in (previous.packages if previous and not fresh else ())
        for wheel in package.wheels
    }
    digests = wheel_digests(plain, known=known, opening=opening)
    packages = merge(environment, resolutions, digests, built, indexes)
    if (kept := kept_dependencies(packages, inputs, None if fresh else previous)) is not None:
        return kept
    requires = wheel_requires(plain, known=digests, opening=opening)
    return with_dependencies(
        packages,
        resolutions,
        lambda row, platform: builds.requires(row, platform) if row.kind == "sdist" else requires[row.sha256],
        requirements_asked_for(inputs, asked),
        environment.python,
    )


def merge(
    environment: Environment,
    resolutions: Mapping[Platform, Sequence[Selected]],
    digests: Mapping[str, Digests],
    built: Builts,
    indexes: Indexes,
) -> tuple[Package, ...]:
    """Merge one resolution per platform by (name, version); what is not on all of them gets a marker of ours."""
    merged: dict[tuple[str, str], dict[Platform, Selected]] = {}
    for platform, rows in resolutions.items():
        for row in rows:
            merged.setdefault((row.package, row.version), {})[platform] = row
    packages = []
    for (name, version), rows_by_platform in sorted(merged.items()):
        wheels: dict[str, Wheel] = {}
        made = []
        for platform, row in rows_by_platform.items():
            if row.kind == "sdist":
                made.append(built[row.sha256, platform])
                wheel = made[-1].wheel
            else:
                wheel = _wheel(row, digests[row.sha256], environment, indexes)
            wheels[wheel.sha256] = wheel
        everywhere = len(rows_by_platform) == len(resolutions)
        packages.append(
            Package(
                name=name,
                version=version,
                marker=None if everywhere else " or ".join(f"({p.marker})" for p in sorted(rows_by_platform)),
                wheels=tuple(sorted(wheels.values(), key=lambda wheel: wheel.name)),
                build=_one_build([each.build for each in made]),
            )
        )
    return tuple(packages)


def _one_build(builds: Sequence[Build]) -> Build | None:
    """Return what the wheels of all platforms were built of: one sdist, and the requirements of any of the builds."""
    if not builds:
        return None
    requires = {row.sha256: row for build in builds for row in build.requires}
    return Build(sdist=builds[0].sdist, requires=tuple(sorted(requires.values(), key=lambda row: (row.name, row.file))))


def _wheel(row: Selected, digests: Digests, environment: Environment, indexes: Indexes) -> Wheel:
    url = indexes.recorded_url(row.url) if environment.urls == "record" and row.url is not None else None
    return Wheel(
        name=row.name,
        size=digests.size,
        sha256=row.sha256,
        contents=digests.contents,
        record=digests.record,
        url=url,
        path=None if url is not None else f"wheels/{row.sha256[:16]}/{row.name}",
        upload_time=row.upload_time if url is not None else None,
    )
