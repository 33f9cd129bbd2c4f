"""The base of an environment: a recipe's packages or an image of a registry, kept as locked or resolved anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.locking.above import Above, resolve_above
from envlock.locking.base import resolve_base
from envlock.locking.base_image import PulledBase, pull_base
from envlock.model.artifact import Deb, Suite
from envlock.model.distribution import Distribution, distribution_of, tabled
from envlock.model.edges import Archives, NoProgress, Solver
from envlock.model.lock import Base, BuildRoot, Lock
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import image_platforms
from envlock.model.recipe import Recipe, load_recipe, packaged_recipe_folders
from envlock.model.reference import Reference, is_reference
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs
from envlock.operations.inputs import recipe_of


class Foundation(msgspec.Struct, frozen=True, kw_only=True):
    """What an image will stand on, as far as it is known before any package is resolved."""

    glibc: str
    recipe: Recipe | None = None
    """Of a base made of packages."""
    pulled: PulledBase | None = None
    """Of a base from a registry that has just been read."""
    locked: Base | None = None
    """The base of the old lock, where it still is what the manifest asks for."""


def foundation_for(
    manifest: Manifest,
    environment: Environment,
    kept: Lock | None,
    inputs: Mapping[str, str],
    edges: Edges,
    *,
    renew_base: bool = False,
    renew_os: bool = False,
) -> Foundation | None:
    """Return what the environment's image stands on, None where it has no image.

    A registry is asked only where the lock so far does not say it all, or to `renew_base`: then a tag is looked up
    again. `renew_os` resolves Debian packages again, on the same image.
    Raises UsageError (`python-mismatch`, `unknown-recipe`, `bad-reference`) and what `pull_base` raises.
    """
    image = environment.image
    if image is None:
        return None
    locked = kept.base if kept is not None else None
    same = locked is not None and kept is not None and _wants(kept.inputs) == _wants(inputs)
    if not is_reference(image.base):
        recipe = _recipe_for(manifest, environment)
        unchanged = same and not renew_base and not renew_os
        return Foundation(glibc=recipe.glibc, recipe=recipe, locked=locked if unchanged else None)
    reference = Reference.parse(image.base)
    pinned = _pinned(locked, image.base)
    if same and not renew_os and pinned and (not renew_base or edges.registry().digest(reference) == pinned):
        return Foundation(glibc=locked.glibc, locked=locked) if locked else None
    pulled = _pull(environment, None if renew_base else pinned, edges)
    return Foundation(glibc=pulled.common.glibc, pulled=pulled)


def base_for(
    manifest: Manifest,
    environment: Environment,
    foundation: Foundation | None,
    kept: Lock | None,
    sdists: Sequence[str],
    edges: Edges,
    *,
    renew: bool = False,
) -> Base | None:
    """Return the base to lock, or None where the environment has no image.

    It has build packages where `sdists` names projects whose wheels are to be built in it.
    What the old lock was solved with solves again, unless it is to `renew`.
    Raises UsageError (`no-build-root`, `no-suites`, `no-apt`) and what resolving raises.
    """
    image = environment.image
    if foundation is None or image is None:
        if sdists:
            raise _no_build_root(sdists, "there is no base to build one in")
        return None
    locked = foundation.locked
    if locked is not None and bool(locked.build_packages) == bool(sdists):
        return locked
    before = kept.base if kept is not None else None
    resolving = _Resolving(manifest, environment, before, None if renew else before, edges)
    if foundation.recipe is not None:
        return resolving.packages_of(foundation.recipe, extra=image.os_packages, build=bool(sdists))
    if locked is not None and not (sdists and locked.packages):
        base = _without_build_root(locked)
    else:
        # Packages above the image and those of its build root are of the suites at one time.
        base = resolving.above(foundation.pulled or _pull(environment, _pinned(locked, image.base), edges))
    return resolving.with_build_root(base, sdists) if sdists else base


class _Resolving:
    """Resolves Debian packages of one environment, none from before what is locked."""

    def __init__(
        self, manifest: Manifest, environment: Environment, before: Base | None, solved: Base | None, edges: Edges
    ) -> None:
        self._folders = (manifest.folder / "images", *packaged_recipe_folders())
        self._environment = environment
        self._platforms = image_platforms(environment.targets)
        self._previous = before.suites if before is not None else ()
        self._solved = solved
        self._edges = edges

    def packages_of(self, recipe: Recipe, *, extra: Sequence[str], build: bool) -> Base:
        """Return a base of packages alone."""
        with self._edges.progress.task(f"Resolving the base {recipe.name}"):
            return resolve_base(
                recipe,
                self._platforms,
                self._edges.archives,
                now=self._edges.now,
                with_build_packages=build,
                extra=extra,
                previous=self._previous,
                debs=self._deb,
                solver=self._solver(),
                progress=self._edges.progress,
            )

    def above(self, pulled: PulledBase) -> Base:
        """Return an image of a registry as a base, with the manifest's OS packages on top."""
        common = pulled.common
        wanted = self._environment.image.os_packages if self._environment.image else ()
        above, solver = Above(), None
        if wanted:
            solver = self._solver()
            above = resolve_above(
                wanted,
                pulled.inside,
                self._distribution(common.distribution),
                self._edges.archives,
                self._deb,
                now=self._edges.now,
                previous=self._previous,
                solver=solver,
                where=pulled.image.reference,
                progress=self._edges.progress,
            )
        return Base(
            image=pulled.image,
            distribution=common.distribution,
            interpreter=common.interpreter,
            python=common.python,
            glibc=common.glibc,
            solver="closure" if solver is None else "apt",
            effects=above.effects,
            suites=above.suites,
            packages=above.packages,
        )

    def with_build_root(self, base: Base, sdists: Sequence[str]) -> Base:
        """Add what source distributions are built in: the recipe of the same distribution and Python."""
        recipe = self._sibling(base.distribution, self._environment.python, sdists)
        root = self.packages_of(recipe, extra=(), build=True)
        above = {(deb.name, deb.architecture) for deb in base.packages}
        beyond = [d for d in (*root.packages, *root.build_packages) if (d.name, d.architecture) not in above]
        return replace(
            base,
            solver=root.solver,
            suites=_joined(base.suites, root.suites),
            build_packages=tuple(sorted(beyond, key=lambda deb: (deb.name, deb.architecture))),
            build_root=BuildRoot(recipe=recipe.name, interpreter=root.interpreter, effects=root.effects),
        )

    def _recipes(self) -> list[Recipe]:
        names = sorted({path.stem for folder in self._folders if folder.is_dir() for path in folder.glob("*.toml")})
        return [load_recipe(name, self._folders) for name in names]

    def _sibling(self, distribution: str, python: str, sdists: Sequence[str]) -> Recipe:
        """Return the recipe of a distribution and Python, the first by name."""
        for recipe in self._recipes():
            if recipe.distribution == distribution and recipe.python == python:
                return recipe
        raise _no_build_root(sdists, f"no recipe of images/ is of {distribution} with Python {python}")

    def _distribution(self, name: str) -> Distribution:
        """Return where packages of a distribution come from: as a recipe of it says, else as the table does."""
        recipes = self._recipes()
        found = distribution_of(name, recipes)
        if found is not None:
            return found
        raise UsageError(
            "no-suites",
            f"The suites of {name} are not known, so no OS package can be put on top of this base.",
            where=self._environment.image.base if self._environment.image else "",
            expected=", ".join(sorted({each.distribution for each in (*recipes, *tabled())})),
            found=name,
            hint="Choose a base of one of these, write a recipe for it in images/, or install them in a container when "
            'locking: run = ["…"] in place of os-packages.',
        )

    def _deb(self, deb: Deb, archives: Archives) -> Path:
        artifacts = self._edges.artifacts
        return fetch_debs([deb], archives=archives, artifacts=artifacts, progress=NoProgress())[deb.sha256]

    def _solver(self) -> Solver | None:
        """Return the solver that the lock so far was made with, else apt where there is one."""
        solved = self._solved
        chosen = None if solved is None or not (solved.packages or solved.build_packages) else solved.solver
        if chosen == "closure":
            return None
        solver = self._edges.solver()
        if solver is None and chosen == "apt":
            raise UsageError(
                "no-apt",
                "The locked Debian packages were chosen by apt, and this machine has none.",
                expected="apt 2.0 or later",
                hint="Lock where apt is, or choose all of them anew with the built-in solver: envlock lock --os",
            )
        return solver


def _recipe_for(manifest: Manifest, environment: Environment) -> Recipe:
    recipe = recipe_of(manifest, environment.image.base if environment.image else "")
    if recipe.python != environment.python:
        raise UsageError(
            "python-mismatch",
            f"The base {recipe.name} does not carry Python {environment.python}.",
            where=manifest.path.name,
            expected=environment.python,
            found=recipe.python,
            hint="Choose a base that does; images/ holds one recipe for each.",
        )
    return recipe


def _pull(environment: Environment, digest: str | None, edges: Edges) -> PulledBase:
    reference = environment.image.base if environment.image else ""
    platforms = image_platforms(environment.targets)
    return pull_base(reference, environment.python, platforms, edges.registry(), edges.progress, digest=digest)


def _without_build_root(base: Base) -> Base:
    if not base.packages:
        return replace(base, build_packages=(), build_root=None, suites=(), solver="closure")
    return replace(base, build_packages=(), build_root=None)


def _wants(inputs: Mapping[str, str]) -> tuple[object, ...]:
    """Return the inputs that a base follows from: of the image's table, only what names packages."""
    image = json.loads(inputs.get("image", "{}"))
    packages = sorted(image.get("os-packages", ()))
    platforms = [platform for platform in inputs.get("platforms", "").split() if platform.startswith("linux/")]
    return (image.get("base"), packages, platforms, inputs.get("python"), inputs.get("recipe"))


def _pinned(locked: Base | None, reference: str) -> str | None:
    """Return the digest that the lock so far has for a reference, or None."""
    if locked is None or locked.image is None or locked.image.reference != reference:
        return None
    return locked.image.index or locked.image.manifests[0].digest


def _joined(one: Sequence[Suite], other: Sequence[Suite]) -> tuple[Suite, ...]:
    return tuple({(suite.archive, suite.suite): suite for suite in (*one, *other)}.values())


def _no_build_root(sdists: Sequence[str], why: str) -> UsageError:
    return UsageError(
        "no-build-root",
        f"{', '.join(sdists)} has no wheel, and {why}.",
        hint='Name one, [env.NAME.image] base = "debian-bookworm-python3.11", or take a version with a wheel.',
    )
