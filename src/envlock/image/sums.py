"""`envlock.sum`: the digests that every build of the same inputs must come out with, as go.sum is to modules.

Sorted lines ``layer <key> <digest> <diff ID> <size>`` and ``image <lock digest> <platform> <manifest digest>``,
committed, merged by union.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import beside
from envlock.image.layer import Layer

FILENAME = "envlock.sum"
_LAYER = re.compile(r"layer ([0-9a-f]{64}) (sha256:[0-9a-f]{64}) (sha256:[0-9a-f]{64}) (0|[1-9][0-9]{0,18})")
_IMAGE = re.compile(r"image ([0-9a-f]{64}) (\S+) (sha256:[0-9a-f]{64})")


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What is vouched for."""

    layers: dict[str, Layer] = {}
    """Layer key to the blob."""
    images: dict[tuple[str, str], str] = {}
    """(lock digest, platform) to the digest of the image manifest."""


def parse_sums(raw: bytes, where: str) -> Sums:
    """Parse the file.

    Raises UsageError (`bad-sums`) for a line that is none, IntegrityError (`sums-mismatch`) for two lines that
    contradict each other.
    """
    sums = Sums()
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        if layer := _LAYER.fullmatch(line):
            key, digest, diff_id, size = layer.groups()
            parsed = Sums(layers={key: Layer(digest=digest, diff_id=diff_id, size=int(size))})
        elif image := _IMAGE.fullmatch(line):
            parsed = Sums(images={(image[1], image[2]): image[3]})
        else:
            raise UsageError(
                "bad-sums",
                f"Line {number} of {FILENAME} cannot be read.",
                where=f"{where}:{number}",
                expected="layer KEY DIGEST DIFF-ID SIZE, or image LOCK-DIGEST PLATFORM DIGEST",
                found=line[:100],
                hint="After a merge, keep the lines of both sides.",
            )
        sums = merged(sums, parsed, where)
    return sums


def format_sums(sums: Sums) -> bytes:
    """Return the file's bytes, sorted."""
    lines = [f"layer {key} {layer.digest} {layer.diff_id} {layer.size}\n" for key, layer in sums.layers.items()]
    lines += [f"image {lock} {platform} {digest}\n" for (lock, platform), digest in sums.images.items()]
    return "".join(sorted(lines)).encode()


def merged(known: Sums, new: Sums, where: str, titles: Mapping[str, str] | None = None) -> Sums:
    """Return both together; IntegrityError (`sums-mismatch`) naming all that differ.

    `titles` say what layers hold, by key.
    """
    differences = [
        ((titles or {}).get(key, f"layer {key}"), _said(known.layers[key]), _said(layer))
        for key, layer in sorted(new.layers.items())
        if known.layers.get(key, layer) != layer
    ]
    differences += [
        (f"image for {platform} of lock {lock[:12]}", known.images[lock, platform], digest)
        for (lock, platform), digest in sorted(new.images.items())
        if known.images.get((lock, platform), digest) != digest
    ]
    if differences:
        what, expected, found = differences[0]
        more = f" ({len(differences) - 1} more differ)" if len(differences) > 1 else ""
        raise IntegrityError(
            "sums-mismatch",
            f"{what}: these bytes are not the ones that {FILENAME} vouches for{more}.",
            where=where,
            expected=expected,
            found=found,
            hint="The same inputs always give the same bytes: an input, a cache or the file was tampered with. "
            "`envlock build --rebuild` recomputes all.",
        )
    return Sums(layers={**known.layers, **new.layers}, images={**known.images, **new.images})


def read_sums(path: Path) -> Sums:
    """Read the file, nothing where there is none; UsageError (`bad-sums`) where it cannot be read."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Sums()
    except OSError as error:
        raise UsageError("bad-sums", f"{path} cannot be read.", found=error.strerror or str(error)) from error
    return parse_sums(raw, str(path))


def extend_sums(path: Path, new: Sums, titles: Mapping[str, str] | None = None) -> None:
    """Check what was built against the file and add what it lacks, written beside and renamed.

    Raises IntegrityError (`sums-mismatch`), UsageError (`bad-sums`, `write-failed`).
    """
    known = read_sums(path)
    together = merged(known, new, str(path), titles)
    if together == known:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside(path, lambda part: part.write_bytes(format_sums(together)))
    except OSError as error:
        raise UsageError(
            "write-failed",
            f"{path.parent.name}/{path.name} cannot be written.",
            found=error.strerror or str(error),
            hint="The digests of new images are kept there: make file and folder writable.",
        ) from error


def _said(layer: Layer) -> str:
    return f"{layer.digest}, diff ID {layer.diff_id}, {layer.size} bytes"
