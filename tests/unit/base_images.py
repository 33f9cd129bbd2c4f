"""Images of others as a registry gives them, made in memory: implements `model.edges.Registry`."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from tarfile import TarInfo
from typing import Any

from envlock.errors import UsageError
from envlock.formats.oci import CONFIG, INDEX, LAYER, MANIFEST, digest_of
from envlock.model.reference import Reference
from tests.unit.debs import folder, link, member, tar

Layer = Sequence[tuple[TarInfo, bytes]]

_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"
GLIBC = b"...\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright"
STATUS = b"""\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13
Depends: libc6 (>= 2.14)
"""


def debian(python: str = "3.11.7", status: bytes = STATUS) -> list[Layer]:
    """Return the layers of a Debian with a Python in /usr/local, as the official images have it."""
    feature = ".".join(python.split(".")[:2])
    return [
        [
            folder("usr/lib/"),
            link("lib", "usr/lib"),
            link("bin", "usr/bin"),
            member("usr/lib/os-release", 'PRETTY_NAME="Debian"\nVERSION_ID="12"\nID=debian\n'),
            folder("etc/"),
            link("etc/os-release", "../usr/lib/os-release"),
            member("usr/lib/x86_64-linux-gnu/libc.so.6", b"x" * 70_000 + GLIBC),
            member("var/lib/dpkg/status", status),
        ],
        [
            member(f"usr/local/bin/python{feature}", b"\x7fELF", mode=0o755),
            link("usr/local/bin/python3", f"python{feature}"),
            link("usr/local/bin/python", "python3"),
            member(f"usr/local/lib/libpython{feature}.so.1.0", b"\0" * 9 + b"\x003.11\0" + python.encode() + b"\0"),
        ],
    ]


def _gzip(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


class Images:
    """A registry of one repository per reference."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []

    def image(
        self,
        layers: Sequence[Layer],
        *,
        architecture: str = "amd64",
        environment: Sequence[str] = (_PATH,),
        compress: Callable[[bytes], bytes] = _gzip,
        media_type: str = LAYER,
    ) -> str:
        """Hold an image of one platform; returns its digest."""
        archives = [tar(layer) for layer in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": list(environment)},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive) for archive in archives]},
        }
        rows = [self._blob(compress(archive), media_type) for archive in archives]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(json.dumps(config).encode(), CONFIG),
            "layers": rows,
        }
        return self._document(MANIFEST, document)

    def index(self, images: Mapping[str, str]) -> str:
        """Hold an index of platforms (os/architecture[/variant]) to digests, with an attestation."""
        rows = [
            {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": len(self.documents[digest][1]),
                "platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False)),
            }
            for platform, digest in [("unknown/unknown", next(iter(images.values()))), *images.items()]
        ]
        return self._document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})

    def tag(self, reference: str, digest: str) -> str:
        """Name a manifest or index."""
        self.tags[str(Reference.parse(reference))] = digest
        return digest

    def _document(self, media_type: str, document: Any) -> str:
        raw = json.dumps(document).encode()
        self.documents[digest_of(raw)] = (media_type, raw)
        return digest_of(raw)

    def _blob(self, raw: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        self.blobs[digest] = raw
        return {"mediaType": media_type, "digest": digest, "size": len(raw)}

    def digest(self, reference: Reference) -> str:
        """Return what a reference names."""
        self.asked.append(f"HEAD {reference}")
        return self._digest(reference)

    def _digest(self, reference: Reference) -> str:
        digest = reference.digest or self.tags.get(str(reference))
        if digest is None:
            raise UsageError("no-image", "The registry has no such image.", where=str(reference))
        return digest

    def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
        """Return a document."""
        self.asked.append(f"GET {reference}")
        digest = self._digest(reference)
        media_type, raw = self.documents[digest]
        return raw, media_type, digest

    def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
        """Yield a blob in two pieces."""
        raw = self.blobs[digest]
        yield raw[: len(raw) // 2]
        yield raw[len(raw) // 2 :]
