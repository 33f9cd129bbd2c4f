"""Roots of the recipes' Debian packages, resolved and unpacked once for a test session and kept in the user's cache."""

from __future__ import annotations

import functools
from pathlib import Path

from envlock.cli.wiring import wire
from envlock.locking.base import resolve_base
from envlock.model.edges import NoProgress
from envlock.model.index import Indexes
from envlock.model.lock import Base
from envlock.model.platform import Platform
from envlock.model.recipe import load_recipe, packaged_recipe_folders
from envlock.operations.edges import Edges
from envlock.operations.fetch import fetch_debs
from envlock.operations.roots import unpacked_root

PLATFORM = Platform("linux", "amd64")


@functools.cache
def edges() -> Edges:
    """The real edges of this machine."""
    return wire(Indexes(), NoProgress())


@functools.cache
def resolved(recipe: str) -> Base:
    """Return the packages of a recipe, build packages included."""
    at = edges()
    return resolve_base(
        load_recipe(recipe, packaged_recipe_folders()),
        [PLATFORM],
        at.archives,
        lambda deb, archives: fetch_debs([deb], archives=archives, artifacts=at.artifacts, progress=at.progress)[
            deb.sha256
        ],
        now=at.now,
        with_build_packages=True,
        progress=at.progress,
    )


@functools.cache
def root_of(recipe: str, *, build: bool = False) -> Path:
    """Return the unpacked root of a recipe; it is shared, and must not be written to."""
    return unpacked_root(resolved(recipe), PLATFORM, edges(), build=build)
