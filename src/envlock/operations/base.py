"""The base of an environment: resolved anew, or kept as the old lock has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envlock.errors import UsageError
from envlock.locking.base import resolve_base
from envlock.locking.select import Selected
from envlock.model.edges import NoProgress
from envlock.model.lock import Base, Lock
from envlock.model.manifest import Environment, Manifest
from envlock.model.platform import Platform
from envlock.model.recipe import Recipe
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs
from envlock.operations.inputs import recipe_of


def recipe_for(manifest: Manifest, environment: Environment) -> Recipe | None:
    """Return the recipe of the environment's base; UsageError (`python-mismatch`) where it has another Python."""
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


def base_for(
    environment: Environment,
    recipe: Recipe | None,
    kept: Lock | None,
    inputs: Mapping[str, str],
    resolutions: Mapping[Platform, Sequence[Selected]],
    edges: Edges,
) -> Base | None:
    """Return the locked base, or None where the environment has no image."""
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
