"""Reads and writes envlock.sum, which is to images what go.sum is to modules.

Sorted lines, merged by union: ``layer <key> <digest> <diff ID> <size>`` and ``image <lock digest> <platform> <digest>``.
Digests are written ``sha256:<hex>``; key and lock digest are 64 hex digits.
"""

from __future__ import annotations

import re

import msgspec

from envlock.errors import UsageError

_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class LayerSum(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What the layer of a key has been, wherever it was built."""

    key: str
    digest: str
    diff_id: str
    size: int


class ImageSum(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What the image of a lock has been on a platform."""

    lock_digest: str
    platform: str
    digest: str


class SumFile(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of envlock.sum. Two lines of one key that differ are kept: `build` and `verify` tell them."""

    layers: tuple[LayerSum, ...] = ()
    images: tuple[ImageSum, ...] = ()


def parse_sums(raw: bytes, where: str) -> SumFile:
    """Parse envlock.sum; UsageError (`bad-sum`) names the line that cannot be read."""
    layers: list[LayerSum] = []
    images: list[ImageSum] = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        match line.split(" "):
            case [""]:
                continue
            case ["layer", key, digest, diff_id, size] if (
                _HEX.fullmatch(key) and _DIGEST.fullmatch(digest) and _DIGEST.fullmatch(diff_id) and size.isdecimal()
            ):
                layers.append(LayerSum(key=key, digest=digest, diff_id=diff_id, size=int(size)))
            case ["image", lock, platform, digest] if _HEX.fullmatch(lock) and _DIGEST.fullmatch(digest):
                images.append(ImageSum(lock_digest=lock, platform=platform, digest=digest))
            case _:
                conflict = line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
                raise UsageError(
                    "bad-sum",
                    "envlock.sum has conflict markers." if conflict else "A line of envlock.sum cannot be read.",
                    where=f"{where}:{number}",
                    expected="layer <key> <digest> <diff ID> <size>, or image <lock digest> <platform> <digest>",
                    found=line[:200],
                    hint="Keep the lines of both sides." if conflict else "Restore the file from git.",
                )
    return SumFile(layers=tuple(sorted(set(layers))), images=tuple(sorted(set(images))))


def write_sums(sums: SumFile) -> bytes:
    """Return the file's bytes: sorted, one line each, LF."""
    lines = [f"image {i.lock_digest} {i.platform} {i.digest}" for i in sums.images]
    lines += [f"layer {s.key} {s.digest} {s.diff_id} {s.size}" for s in sums.layers]
    return "".join(f"{line}\n" for line in sorted(set(lines))).encode()
