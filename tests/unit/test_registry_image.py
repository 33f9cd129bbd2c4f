"""An image of a registry: which one of an index it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import INDEX, MANIFEST, digest_of, parse_index, parse_manifest
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.observe.sources import RegistryImage

REFERENCE = Reference.parse("registry.example.com/demo:1")


def chosen(*rows: tuple[str, str, str]) -> str:
    """Return the digest that is taken for linux/amd64 of an index of (architecture, variant, hex digit) rows."""
    manifests = [
        {
            "mediaType": MANIFEST,
            "digest": f"sha256:{digit * 64}",
            "size": 2,
            "platform": {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})},
        }
        for architecture, variant, digit in rows
    ]
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()

    class Fake:
        def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
            assert reference == REFERENCE
            return raw, INDEX, digest_of(raw)

    fake: Any = Fake()
    return RegistryImage(fake, REFERENCE, [Platform.parse("linux/amd64")]).descriptor.digest


@pytest.mark.parametrize("more", [{"config": {}, "layers": []}, {"layers": []}, {"mediaType": MANIFEST}])
def test_a_document_that_is_two_things(more: dict[str, Any]) -> None:
    """One digest must not name an index for one reader and a manifest for another."""
    with pytest.raises(IntegrityError):
        parse_index(json.dumps({"schemaVersion": 2, "manifests": [], **more}).encode(), "index")
    both = {"schemaVersion": 2, "config": {"mediaType": "", "digest": f"sha256:{'0' * 64}", "size": 0}, "layers": []}
    wrongs: tuple[dict[str, Any], ...] = ({"manifests": []}, {"mediaType": INDEX})
    for wrong in wrongs:
        with pytest.raises(IntegrityError):
            parse_manifest(json.dumps(both | wrong).encode(), "manifest")


def test_the_image_of_the_platform() -> None:
    """Wherever the index lists it, and however often."""
    assert chosen(("arm64", "v8", "a"), ("amd64", "", "b"), ("amd64", "", "b")) == f"sha256:{'b' * 64}"


def test_two_images_of_one_platform() -> None:
    """Which of them an Engine takes depends on its processor: neither is judged for both."""
    with pytest.raises(UsageError) as caught:
        chosen(("amd64", "", "a"), ("amd64", "v3", "b"))
    assert caught.value.reference == "several-images"
