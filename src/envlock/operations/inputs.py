"""The inputs of a lock as they stand now in the manifest, the files of its `from` and its base's recipe."""

from __future__ import annotations

import hashlib

from envlock.locking.inputs import normalised_inputs
from envlock.model.manifest import Environment, Manifest
from envlock.model.recipe import Recipe, load_recipe, packaged_recipe_folders


def recipe_of(manifest: Manifest, name: str) -> Recipe:
    """Return a recipe of the project's own images/ folder, or one that comes with envlock."""
    return load_recipe(name, (manifest.folder / "images", *packaged_recipe_folders()))


def inputs_of(manifest: Manifest, environment: Environment) -> dict[str, str]:
    """Return the normalised inputs that the lock of an environment follows from."""

    def recipe_digest(base: str) -> str:
        return hashlib.sha256(recipe_of(manifest, base).canonical.encode()).hexdigest()

    return normalised_inputs(manifest, environment, recipe_digest)
