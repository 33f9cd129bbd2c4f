"""Resolving where some packages have no wheel: their sdists are built in the build root, and nowhere else.

A resolver runs no code of an sdist, so what an sdist requires may be unknown. It is then assumed to require nothing,
which rules no release out. Whatever is selected on that assumption is built, and the resolution asked for again with
what its wheel says, until nothing changes: what is locked follows from wheels alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.locking.built_wheel import metadata_of
from envlock.locking.digests import wheel_digests
from envlock.locking.opening import Opening
from envlock.locking.sdist import Requires, build_wheel
from envlock.locking.select import Selected, select
from envlock.model.artifact import Build, Requirement, Wheel
from envlock.model.edges import BuildRefusedError, Metadata, MetadataUnknownError, Resolution
from envlock.model.lock import Base, Lock
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.rebuild import as_requirement, build_again
from envlock.operations.roots import unpacked_root
from envlock.operations.wheels import Wheels


class Built(NamedTuple):
    """A wheel that was built of an sdist, and what it was built of."""

    wheel: Wheel
    build: Build


_Release = tuple[str, str]
"""Name and version, normalised."""
_Key = tuple[str, Platform]
"""sha256 of an sdist, and the platform it is built for."""


class Builds:
    """Resolves requirements, building wheels of sdists where they are needed, each of them once.

    Args:
        base: returns the base with its build packages; called with the names of what is to be built.
        allowed: whether anything may be built; else only releases with a fitting wheel count.
        previous: the old lock, whose builds are kept where nothing that their bytes depend on has changed.
        folder: of the old lock's file.
        rebuild: builds the kept ones again; IntegrityError (`rebuild-mismatch`) where one comes out differently.
    """

    def __init__(
        self,
        *,
        base: Callable[[Sequence[str]], Base | None],
        allowed: bool = True,
        previous: Lock | None,
        folder: Path,
        edges: Edges,
        rebuild: bool = False,
    ) -> None:
        self._base = base
        self._allowed = allowed
        self._previous = previous
        self._folder = folder
        self._edges = edges
        self._opening = Opening(edges.downloads, edges.artifacts, edges.progress)
        self._rebuild = rebuild
        self._made: dict[_Key, tuple[str | None, Built]] = {}
        """With the cutoff of what the build requires."""
        self._making: list[_Release] = []

    def resolve(self, wanted: Resolution) -> list[Selected]:
        """Return the one file of each package, wheel or sdist; `built` then has the wheels of the sdists.

        Raises UsageError as the resolver and the build do; BuildRefusedError (`build-refused`) where a package has no
        wheel and nothing may be built.
        """
        if not self._allowed:
            wanted = msgspec.structs.replace(wanted, sdists=False)
        if wanted.no_deps or not wanted.sdists:
            return self._select(self._edges.resolver.resolve(wanted), wanted)
        known = self._locked_metadata()
        proved: set[_Release] = set()
        while True:
            rows = self._select(self._ask(wanted, known), wanted)
            before = dict(known)
            for row in rows:
                if row.kind == "sdist" and (row.package, row.version) not in proved:
                    known[row.package, row.version] = self._metadata(row, wanted)
                    proved.add((row.package, row.version))
            if all(before.get(release) == known[release] for release in proved):
                return rows

    def assume(self, wanted: Resolution) -> list[Selected]:
        """Return what `resolve` would if no sdist required anything: enough to explain an error, and nothing is built.

        Raises what `resolve` does.
        """
        if not self._allowed:
            wanted = msgspec.structs.replace(wanted, sdists=False)
        return self._select(self._ask(wanted, self._locked_metadata()), wanted)

    def built(self, row: Selected, platform: Platform) -> Built:
        """Return the wheel of an sdist that the last resolution for a platform selected."""
        return self._made[row.sha256, platform][1]

    def requires(self, row: Selected, platform: Platform) -> tuple[str, ...]:
        """Return what the wheel of an sdist requires there (PEP 508), once a resolution selected it."""
        wheel = self.built(row, platform).wheel
        path = self._edges.artifacts.get(wheel.sha256, wheel.name)
        return metadata_of(path or self._obtained(row, platform)).requires_dist

    def _of(self, row: Selected, wanted: Resolution) -> Built:
        """Return the wheel of an sdist: the old lock's, one that is there and fits every platform, or a new one."""
        made = self._made.get((row.sha256, wanted.platform))
        if made is None or made[0] != wanted.cutoff:
            pure = (
                built
                for (sha256, _), (cutoff, built) in self._made.items()
                if (sha256, cutoff) == (row.sha256, wanted.cutoff) and _is_pure(built)
            )
            built = self._locked(row, wanted.platform) or next(pure, None) or self._build(row, wanted)
            made = self._made[row.sha256, wanted.platform] = wanted.cutoff, built
        return made[1]

    def _select(self, packages: Sequence[Mapping[str, Any]], wanted: Resolution) -> list[Selected]:
        rows = select(packages, python=wanted.python, platform=wanted.platform, glibc=wanted.glibc)
        sdists = [row.package for row in rows if row.kind == "sdist"]
        if sdists and not wanted.sdists:
            raise BuildRefusedError(sdists)
        return rows

    def _ask(self, wanted: Resolution, known: dict[_Release, Metadata]) -> Sequence[Mapping[str, Any]]:
        while True:
            metadata = tuple(known[release] for release in sorted(known))
            try:
                return self._edges.resolver.resolve(msgspec.structs.replace(wanted, metadata=metadata))
            except MetadataUnknownError as unknown:
                release = unknown.project, unknown.version
                if release in known:
                    raise
                known[release] = Metadata(name=unknown.project, version=unknown.version)

    def _locked_metadata(self) -> dict[_Release, Metadata]:
        """Return what the old lock's builds require, as far as they are at hand; to start from, not to rely on."""
        known = {}
        for package in self._previous.packages if self._previous else ():
            for wheel in package.wheels if package.build else ():
                path = self._edges.artifacts.get(wheel.sha256, wheel.name)
                if path is not None:
                    known[package.name, package.version] = metadata_of(path)
        return known

    def _metadata(self, row: Selected, wanted: Resolution) -> Metadata:
        built = self._of(row, wanted)
        path = self._edges.artifacts.get(built.wheel.sha256, built.wheel.name)
        return metadata_of(path or self._obtained(row, wanted.platform))

    def _obtained(self, row: Selected, platform: Platform) -> Path:
        """Return a locked wheel of this sdist that this machine can have: the platform's own, or another one's."""
        assert self._previous is not None  # only a kept wheel is not at hand
        refusal: UnverifiableError | None = None
        for each in (platform, *(other for other in self._previous.platforms if other != platform)):
            wheel = next((w for p, w in wheels_of(self._previous, each) if p.name == row.package), None)
            if wheel is not None:
                try:
                    return Wheels(self._previous, each, folder=self._folder, edges=self._edges).path(wheel)
                except UnverifiableError as error:  # another architecture's
                    refusal = refusal or error
        raise refusal or UsageError("no-wheel", f"The locked wheel of {row.package} {row.version} is not to be had.")

    def _locked(self, row: Selected, platform: Platform) -> Built | None:
        """Return the old lock's wheel of this sdist, where nothing that its bytes depend on has changed."""
        package = self._previous.package(row.package) if self._previous else None
        if self._previous is None or package is None or package.build is None:
            return None
        if package.build.sdist.sha256 != row.sha256 or platform not in self._previous.platforms:
            return None
        base, before = self._base([row.package]), self._previous.base
        if base is None or before is None:
            return None
        if before.builder.build_root_of(platform) != base.builder.build_root_of(platform):
            return None
        wheel = next((w for p, w in wheels_of(self._previous, platform) if p.name == row.package), None)
        if wheel is None:
            return None
        if self._rebuild:
            again = build_again(
                as_requirement(package, wheel), lock=self._previous, platform=platform, edges=self._edges
            )
            self._edges.artifacts.put(again, wheel.sha256, wheel.name)
        return Built(wheel, package.build)

    def _build(self, row: Selected, wanted: Resolution) -> Built:
        edges, platform = self._edges, wanted.platform
        if not platform.is_linux:
            raise _no_wheel_for(row, platform)
        locked = self._base([row.package])
        if locked is None:
            raise BuildRefusedError([row.package])
        base = locked.builder
        with self._once(row):
            built = build_wheel(
                self._opening.whole(row),
                name=row.package,
                version=row.version,
                root=unpacked_root(base, platform, edges, build=True),
                sandbox=edges.sandbox,
                requires=self.requirements(wanted, base),
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
        digests = wheel_digests([selected], known={}, opening=self._opening)[built.sha256]
        wheel = Wheel(
            name=built.name,
            size=digests.size,
            sha256=built.sha256,
            contents=digests.contents,
            record=digests.record,
            path=f"built/{built.sha256[:16]}/{built.name}",
        )
        return Built(wheel, built.build)

    @contextmanager
    def _once(self, row: Selected) -> Iterator[None]:
        """Refuse to build a package that is being built: something that it requires requires it."""
        release = row.package, row.version
        if release in self._making:
            circle = [*self._making[self._making.index(release) :], release]
            raise UsageError(
                "build-cycle",
                f"{row.package} {row.version} is needed to build itself.",
                found=" → ".join(" ".join(each) for each in circle),
                hint="Choose a version of one of them that has a wheel.",
            )
        self._making.append(release)
        try:
            yield
        finally:
            self._making.pop()

    def requirements(self, wanted: Resolution, base: Base) -> Requires:
        """Return what resolves a build's requirements to exact wheels at hand, as of the cutoffs of `wanted`.

        What of them has no wheel is built too.
        """

        def resolve(requirements: Sequence[str]) -> tuple[list[Requirement], list[Path]]:
            if not requirements:
                return [], []
            asked = Resolution(
                requirements=tuple(sorted(requirements)),
                python=wanted.python,
                platform=wanted.platform,
                glibc=base.glibc,
                cutoff=wanted.cutoff,
                package_cutoffs=wanted.package_cutoffs,
            )
            pairs = [self._requirement(row, asked) for row in self.resolve(asked)]
            return [requirement for requirement, _ in pairs], [path for _, path in pairs]

        return resolve

    def _requirement(self, row: Selected, asked: Resolution) -> tuple[Requirement, Path]:
        edges, build = self._edges, None
        name, sha256 = row.name, row.sha256
        if row.kind == "sdist":
            wheel, build = self._of(row, asked)
            name, sha256 = wheel.name, wheel.sha256
            path = edges.artifacts.get(sha256, name) or self._obtained(row, asked.platform)
        else:
            path = self._opening.whole(row)
        size = path.stat().st_size
        exact = Requirement(name=row.package, version=row.version, file=name, size=size, sha256=sha256, build=build)
        return exact, path


def _no_wheel_for(row: Selected, platform: Platform) -> UsageError:
    return UsageError(
        "no-wheel-for-platform",
        f"{row.package} {row.version} has no wheel for {platform}, and its sdist can only be built for Linux.",
        where=f"{row.package} {row.version}",
        expected=f"a wheel for {platform}",
        found=row.name,
        hint=f"Take a version with a wheel, or drop {platform}, or put it into an environment of its own.",
    )


def _is_pure(built: Built) -> bool:
    return built.wheel.name.endswith("-any.whl")
