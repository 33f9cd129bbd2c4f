"""Where a build takes its inputs from: wheels, packages, interpreters, layers that are elsewhere already."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from envlock.formats.base_documents import BaseDocuments
from envlock.image.base import Debs
from envlock.image.layer import Layer
from envlock.image.plan import PlannedLayer
from envlock.model.artifact import Wheel
from envlock.model.edges import Compiler, Task
from envlock.model.platform import Platform
from envlock.operations.conflicts import Listing

Wheels = Callable[[Wheel], Path]
"""Returns the file of a locked wheel, its sha256 verified; asked only for wheels that a layer has to be built of."""
Elsewhere = Callable[[Layer], bool]
"""Tells whether a layer that the lock or `envlock.sum` vouches for is where the image goes already, so that its bytes
are not needed here; asked from several threads."""
Brought = Callable[[Layer, Path, Task], bool]
"""Brings the blob of a layer that `envlock.sum` vouches for from a registry to a path, its digest verified; False
where no registry has it."""
Compilers = Callable[[Platform], AbstractContextManager[Compiler]]
"""Opens the image's own interpreter of a platform; asked once, and only where bytecode has to be compiled."""
Bases = Callable[[Platform], BaseDocuments | None]
"""Returns the documents of a base from a registry, None for a base of packages."""
Given = Callable[[Platform, PlannedLayer], Path]
"""Returns the blob of a layer that the lock knows by its digest (`PlannedLayer.given`), verified: of a base from a
registry, or of run steps."""


def nowhere(layer: Layer) -> bool:  # noqa: ARG001
    """Tell that a layer is nowhere else: `Elsewhere` of an image that is written here."""
    return False


def from_nowhere(layer: Layer, path: Path, task: Task) -> bool:  # noqa: ARG001
    """Bring nothing: `Brought` where there is no registry."""
    return False


def _nothing_given(platform: Platform, planned: PlannedLayer) -> Path:
    raise LookupError(f"{planned.title} for {platform}: nobody was asked for this layer")


@dataclass(frozen=True, kw_only=True)
class Materials:
    """Where a build takes its inputs from, and where it keeps what it made."""

    wheels: Wheels
    debs: Debs
    compilers: Compilers
    layers: Path
    """Folder of the layer cache."""
    sums: Path | None
    """`envlock.sum`, checked and extended; None for a build that nothing vouches for."""
    bytecode: Path | None = None
    """Folder of the bytecode cache, where there is one."""
    bases: Bases = lambda _: None
    given: Given = _nothing_given
    brought: Brought = from_nowhere
    elsewhere: Elsewhere = nowhere
    listing: Listing | None = None
    """Opens wheels for what they install, without their bytes; `wheels` where None."""
