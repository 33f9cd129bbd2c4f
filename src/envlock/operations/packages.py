"""From the files of each platform's resolution to the packages of a lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from envlock.locking.digests import Digests, wheel_digests
from envlock.locking.sdist import build_wheel
from envlock.locking.select import Selected
from envlock.model.artifact import Build, Wheel
from envlock.model.lock import Base, Lock, Package
from envlock.model.manifest import Environment
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_selected
from envlock.operations.roots import build_requirements, unpacked_root


def packages_for(
    environment: Environment,
    resolutions: Mapping[Platform, Sequence[Selected]],
    previous: Lock | None,
    base: Base | None,
    cutoff: str | None,
    edges: Edges,
    *,
    fresh: bool,
) -> tuple[Package, ...]:
    """Return every package with its wheels and their digests, building the wheels of sdists."""
    builds: dict[str, tuple[Wheel, Build]] = {}
    for platform, rows in resolutions.items():
        for row in rows:
            if row.kind == "sdist" and base is not None:
                builds[row.sha256] = _locked_build(row, previous, base) or _build(
                    row, environment.python, platform, base, cutoff, edges
                )
    plain = [row for rows in resolutions.values() for row in rows if row.kind == "wheel"]
    known = {
        wheel.sha256: Digests(contents=wheel.contents, record=wheel.record, size=wheel.size)
        for package in (previous.packages if previous and not fresh else ())
        for wheel in package.wheels
    }
    digests = wheel_digests(
        plain, known=known, downloads=edges.downloads, artifacts=edges.artifacts, progress=edges.progress
    )
    return merge(environment, resolutions, digests, builds)


def _locked_build(row: Selected, previous: Lock | None, base: Base) -> tuple[Wheel, Build] | None:
    """Return an old lock's wheel of this sdist, where nothing that its bytes depend on has changed."""
    if previous is None or previous.base is None or previous.base.build_packages != base.build_packages:
        return None
    package = previous.package(row.package)
    if package is None or package.build is None or package.build.sdist.sha256 != row.sha256:
        return None
    return package.wheels[0], package.build


def _build(
    row: Selected, python: str, platform: Platform, base: Base, cutoff: str | None, edges: Edges
) -> tuple[Wheel, Build]:
    sdist = fetch_selected(row, edges.downloads, edges.artifacts, edges.progress)
    root = unpacked_root(base, platform, edges, build=True)
    built = build_wheel(
        sdist,
        name=row.package,
        version=row.version,
        root=root,
        sandbox=edges.sandbox,
        requires=build_requirements(base, python, platform, cutoff, edges),
        interpreter=base.interpreter,
        destination=edges.artifacts.folder("built"),
        progress=edges.progress,
        base=unpacked_root(base, platform, edges, build=False),
        twice=True,
    )
    path = edges.artifacts.put(built.path, built.sha256, built.name)
    selected = msgspec.structs.replace(
        row, kind="wheel", name=built.name, sha256=built.sha256, url=None, path=str(path)
    )
    digests = wheel_digests(
        [selected], known={}, downloads=edges.downloads, artifacts=edges.artifacts, progress=edges.progress
    )[built.sha256]
    wheel = Wheel(
        name=built.name,
        size=digests.size,
        sha256=built.sha256,
        contents=digests.contents,
        record=digests.record,
        path=f"built/{built.sha256[:16]}/{built.name}",
    )
    return wheel, built.build


def merge(
    environment: Environment,
    resolutions: Mapping[Platform, Sequence[Selected]],
    digests: Mapping[str, Digests],
    builds: Mapping[str, tuple[Wheel, Build]],
) -> tuple[Package, ...]:
    """Merge one resolution per platform by (name, version); what is not on all of them gets a marker of ours."""
    merged: dict[tuple[str, str], dict[Platform, Selected]] = {}
    for platform, rows in resolutions.items():
        for row in rows:
            merged.setdefault((row.package, row.version), {})[platform] = row
    packages = []
    for (name, version), rows_by_platform in sorted(merged.items()):
        unique = {row.sha256: row for row in rows_by_platform.values()}
        wheels = [
            builds[sha256][0] if row.kind == "sdist" else _wheel(row, digests[sha256], environment)
            for sha256, row in unique.items()
        ]
        build = next((builds[sha256][1] for sha256, row in unique.items() if row.kind == "sdist"), None)
        everywhere = len(rows_by_platform) == len(resolutions)
        packages.append(
            Package(
                name=name,
                version=version,
                marker=None if everywhere else " or ".join(f"({p.marker})" for p in sorted(rows_by_platform)),
                wheels=tuple(sorted(wheels, key=lambda wheel: wheel.name)),
                build=build,
            )
        )
    return tuple(packages)


def _wheel(row: Selected, digests: Digests, environment: Environment) -> Wheel:
    recorded = environment.urls == "record" and row.url is not None
    return Wheel(
        name=row.name,
        size=digests.size,
        sha256=row.sha256,
        contents=digests.contents,
        record=digests.record,
        url=_plain_url(row.url) if recorded else None,
        path=None if recorded else f"wheels/{row.sha256[:16]}/{row.name}",
        upload_time=row.upload_time if recorded else None,
    )


def _plain_url(url: str | None) -> str | None:
    """Return a URL without user name, password, query and fragment: no credential reaches a lock."""
    from urllib.parse import urlsplit, urlunsplit

    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
