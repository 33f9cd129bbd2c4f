"""`envlock lock`: from the manifest to the bytes of a lock."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.formats.pylock import read_lock, wheels_of
from envlock.image.beside import beside
from envlock.image.plan import threshold_for
from envlock.locking.base import resolve_base
from envlock.locking.digests import Digests, wheel_digests
from envlock.locking.frameworks import FRAMEWORKS
from envlock.locking.sdist import build_wheel
from envlock.locking.select import Selected, release_cutoff, select
from envlock.model.artifact import Build, Wheel
from envlock.model.edges import NoProgress, Resolution
from envlock.model.lock import Base, ImageConfig, Lock, LockFile, Package
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import Platform
from envlock.model.recipe import Recipe
from envlock.operations.edges import Edges
from envlock.operations.fetch import DEFAULT_GLIBC, fetch_debs, fetch_selected
from envlock.operations.inputs import inputs_of, recipe_of
from envlock.operations.roots import build_requirements, unpacked_root


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What may move away from the old lock."""

    everything: bool = False
    packages: tuple[str, ...] = ()
    cutoff: str | None = None
    """Instead of the manifest's as-of."""


def lock_environment(manifest: Manifest, name: str, *, previous: Lock | None, upgrade: Upgrade, edges: Edges) -> Lock:
    """Return the lock of one environment. Pins of `previous` stay where they satisfy the manifest."""
    environment = manifest.environment(name)
    recipe = _recipe(manifest, environment)
    kept = None if upgrade.everything else previous
    glibc = recipe.glibc if recipe else DEFAULT_GLIBC
    inputs = inputs_of(manifest, environment)
    cutoff = _cutoff(environment, kept, inputs, upgrade, glibc, edges)
    resolutions = _resolve(manifest, environment, kept, upgrade, cutoff, glibc, edges)
    base = _base(environment, recipe, kept, inputs, resolutions, edges)
    packages = _packages(environment, resolutions, previous, base, cutoff, edges, fresh=upgrade.everything)
    lock = Lock(
        env=name,
        python=environment.python,
        platforms=environment.targets,
        packages=packages,
        frameworks=_frameworks(environment, packages),
        as_of=cutoff,
        policy=environment.policy,
        urls=environment.urls,
        inputs=inputs,
        settings=environment.settings,
        base=base,
    )
    return _with_image(lock, environment)


def previous_lock(path: Path) -> LockFile | None:
    """Return the lock that stands where the new one will, or None; what cannot be read is no starting point."""
    try:
        return read_lock(path)
    except UsageError as error:
        if error.reference in ("no-lock", "bad-lock", "foreign-lock"):
            return None
        raise


def _recipe(manifest: Manifest, environment: Environment) -> Recipe | None:
    if environment.image is None:
        return None
    recipe = recipe_of(manifest, environment.image.base)
    if recipe.python != environment.python:
        raise UsageError(
            "python-mismatch",
            f"The base {recipe.name} does not carry Python {environment.python}.",
            where=str(manifest.path),
            expected=environment.python,
            found=recipe.python,
            hint="Choose a base that does; images/ holds one recipe for each.",
        )
    return recipe


def _cutoff(
    environment: Environment, kept: Lock | None, inputs: Mapping[str, str], upgrade: Upgrade, glibc: str, edges: Edges
) -> str | None:
    asked = upgrade.cutoff or environment.cutoff
    if asked == "none":
        return None
    if asked != "release":
        return asked
    decisive = ("as-of", "frameworks", "requirements", "python", "platforms")
    if kept is not None and all(kept.inputs.get(key) == inputs.get(key) for key in decisive):
        return kept.as_of
    wanted = tuple(sorted(project + spec for project, spec in environment.frameworks.items()))
    with edges.progress.task("Finding the release date of " + ", ".join(wanted)):
        rows: list[Selected] = []
        for platform in environment.targets:
            resolution = Resolution(
                requirements=wanted,
                python=environment.python,
                machine=platform.machine,
                glibc=glibc,
                cutoff=None,
                no_deps=True,
            )
            packages = edges.resolver.resolve(resolution) if wanted else []
            rows += select(packages, python=environment.python, platform=platform, glibc=glibc)
    return release_cutoff(rows)


def _resolve(
    manifest: Manifest,
    environment: Environment,
    kept: Lock | None,
    upgrade: Upgrade,
    cutoff: str | None,
    glibc: str,
    edges: Edges,
) -> dict[Platform, list[Selected]]:
    files = () if environment.from_ is None else (manifest.folder / environment.from_,)
    resolutions = {}
    for platform in environment.targets:
        with edges.progress.task(f"Resolving for {platform}"):
            packages = edges.resolver.resolve(
                Resolution(
                    requirements=environment.requirements,
                    files=files,
                    groups=environment.groups,
                    folder=manifest.folder,
                    python=environment.python,
                    machine=platform.machine,
                    glibc=glibc,
                    cutoff=cutoff,
                    previous=_as_preferences(kept),
                    upgrade_packages=upgrade.packages,
                )
            )
        resolutions[platform] = select(packages, python=environment.python, platform=platform, glibc=glibc)
    return resolutions


def _as_preferences(kept: Lock | None) -> bytes | None:
    """Return the old pins as the smallest pylock that uv takes as a starting point."""
    if kept is None:
        return None
    rows = "".join(
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n' for package in kept.packages
    )
    return f'lock-version = "1.0"\ncreated-by = "envlock"\n{rows}'.encode()


def _base(
    environment: Environment,
    recipe: Recipe | None,
    kept: Lock | None,
    inputs: Mapping[str, str],
    resolutions: Mapping[Platform, Sequence[Selected]],
    edges: Edges,
) -> Base | None:
    sdists = sorted({row.package for rows in resolutions.values() for row in rows if row.kind == "sdist"})
    if recipe is None or environment.image is None:
        if sdists:
            raise UsageError(
                "no-build-root",
                f"{', '.join(sdists)} has no wheel, and there is no base to build one in.",
                hint='Name one, [env.NAME.image] base = "debian-bookworm-python3.11", or take a version with a wheel.',
            )
        return None
    unchanged = (
        kept is not None
        and kept.base is not None
        and all(kept.inputs.get(key) == inputs[key] for key in ("image", "recipe", "platforms"))
        and bool(kept.base.build_packages) == bool(sdists)
    )
    if unchanged and kept is not None:
        return kept.base
    with edges.progress.task(f"Resolving the base {recipe.name}"):
        return resolve_base(
            recipe,
            environment.targets,
            edges.archives,
            now=edges.now,
            with_build_packages=bool(sdists),
            extra=environment.image.os_packages,
            previous=kept.base.suites if kept is not None and kept.base is not None else (),
            debs=lambda deb: fetch_debs(
                [deb], archives=edges.archives, artifacts=edges.artifacts, progress=NoProgress()
            )[deb.sha256],
            progress=edges.progress,
        )


def _packages(
    environment: Environment,
    resolutions: Mapping[Platform, Sequence[Selected]],
    previous: Lock | None,
    base: Base | None,
    cutoff: str | None,
    edges: Edges,
    *,
    fresh: bool,
) -> tuple[Package, ...]:
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


def _frameworks(environment: Environment, packages: Sequence[Package]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name

    named = {str(canonicalize_name(name)) for name in environment.frameworks}
    return tuple(package.name for package in packages if package.name in named or package.name in FRAMEWORKS)


def _with_image(lock: Lock, environment: Environment) -> Lock:
    if environment.image is None:
        return lock
    sizes = [[wheel.size for _, wheel in wheels_of(lock, platform)] for platform in lock.platforms]
    image = ImageConfig(
        bytecode=environment.image.bytecode,
        threshold=max(threshold_for(row) for row in sizes),
        entrypoint=environment.image.entrypoint,
    )
    return msgspec.structs.replace(lock, image=image)


def warnings_of(manifest: Manifest, name: str, now: datetime.datetime) -> list[str]:
    """Return what the user should know of a lock although it was made."""
    image = manifest.environment(name).image
    if image is None:
        return []
    recipe = recipe_of(manifest, image.base)
    if now.date() <= recipe.end_of_life:
        return []
    return [f"the base {recipe.name} gets no security updates since {recipe.end_of_life}"]


def write_beside(path: Path, raw: bytes) -> None:
    """Write a file whole or not at all, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside(path, lambda part: part.write_bytes(raw))
