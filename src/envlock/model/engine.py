"""What a Docker Engine or Podman says of its images and containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

ChangeKind = Literal["changed", "added", "deleted"]


class EngineImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image as an Engine shows it unread: it keeps neither index nor manifest of most."""

    image_id: str
    """``sha256:<hex>``: the digest of the configuration; with the containerd store that of the manifest or index."""
    by_manifest: bool = False
    """Whether it is the latter."""
    system: str
    architecture: str
    diff_ids: tuple[str, ...]
    """``sha256:<hex>`` of each layer, lowest first."""
    variables: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    workdir: str = ""
    comment: str = ""
    """Of the highest layer in its history."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A path of a container that is not as its image has it."""

    path: str
    kind: ChangeKind


class EngineContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container as an Engine shows it."""

    container_id: str
    image_id: str
    """Of the image that it was made of."""
    running: bool
    variables: Mapping[str, str] = {}
    """That its programs start with."""
    changes: tuple[Change, ...] = ()
    mounts: tuple[str, ...] = ()
    """Absolute paths inside at which something of outside stands, volumes and temporary file systems too."""
