"""What stands in for the maintainer scripts of OS packages above a base from a registry, told since none is run."""

from __future__ import annotations

from collections.abc import Mapping

from envlock.formats.deb import read_control
from envlock.locking.scripts import replaced
from envlock.model.lock import Lock
from envlock.model.manifest import Manifest
from envlock.model.recipe import load_recipe
from envlock.operations.edges import Edges
from envlock.operations.fetch import deb_name


def stand_ins(lock: Lock, manifest: Manifest, edges: Edges) -> Mapping[str, tuple[str, ...]]:
    """Return, by package, the effects in place of its scripts, sorted; packages without a script are left out.

    Only packages whose files are in the cache are read, as all are that have just been locked.
    """
    base = lock.base
    if base is None or base.image is None:
        return {}
    folder = manifest.folder / "images"
    recipes = [load_recipe(path.stem, [folder]) for path in sorted(folder.glob("*.toml"))]
    known = [script for recipe in recipes if recipe.distribution == base.distribution for script in recipe.scripts]
    found = ((deb, edges.artifacts.get(deb.sha256, deb_name(deb))) for deb in base.packages)
    rows = replaced([(deb, read_control(path)) for deb, path in found if path is not None], known)
    return dict(sorted(rows.items()))
