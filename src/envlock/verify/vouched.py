"""What envlock.sum vouches for, as rules about images ask for it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from envlock.model.observation import LayerFact


class PlannedDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that the image of this lock must have."""

    title: str
    digest: str
    """64 hex digits, from envlock.sum; empty where it vouches for none."""
    diff_id: str = ""
    """Of the same layer, likewise."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What envlock.sum vouches for, digests as 64 hex digits."""

    images: Mapping[tuple[str, str], str]
    """(lock digest, platform) to the digest of the image manifest."""
    layers: frozenset[str]
    """Digests of layer blobs."""
    diff_ids: frozenset[str] = frozenset()
    """Of the same layers: an Engine keeps them unpacked."""
    ids: tuple[str, ...] = ()
    """What an Engine may call the image of this lock for the target's platform, its project files included."""
    plan: tuple[PlannedDigest, ...] = ()
    """The layers of the image of this lock, lowest first; empty where the lock describes no image."""

    def vouches_for(self, layer: LayerFact) -> bool:
        """Tell whether envlock.sum has a layer: its blob, or its archive where that was read or an Engine names it."""
        return layer.digest in self.layers or ((layer.checked or not layer.digest) and layer.diff_id in self.diff_ids)
