"""OS packages above a base from a registry, as one layer: unpacked, with effects over the whole file tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from envlock.formats.tar import Member
from envlock.image.base import Debs, inflated
from envlock.image.base_tree import base_tree
from envlock.image.effects import apply_effects
from envlock.image.layer import Layer
from envlock.model.edges import NoProgress, Progress
from envlock.model.lock import Base
from envlock.model.platform import Platform

_OF_THE_BASE = ("usr-merge",)
"""Effects that a base from a registry has behind it: the lock names them for whoever reads it."""


def members_above(
    base: Base,
    platform: Platform,
    debs: Debs,
    below: Sequence[tuple[Layer, Path]],
    *,
    progress: Progress | None = None,
) -> Iterator[Member]:
    """Iterate over the files of the packages above an image, and over what effects change in it, sorted by path.

    `below` are the layers of the image with their blobs, the lowest first: what ldconfig, dpkg and the like write
    speaks of them as well. Paths follow the links of the image, so that /lib stays a link where it is one.
    Raises IntegrityError (`bad-deb`, `file-conflict`, `bad-layer`), UnverifiableError (`sparse-file`), and what
    `debs` raises.
    """
    shown = progress or NoProgress()
    with shown.task("Reading the base", sum(layer.size for layer, _ in below), unit="bytes") as task:
        tree = base_tree(platform.machine, below, task)
    for package in inflated(base.of(platform), debs, tree.spool, progress=shown):
        tree.install(package)
    apply_effects(tree, [effect for effect in base.effects if effect not in _OF_THE_BASE])
    yield from tree.members()
