"""What is told of a base from a registry: its digests, and what its layers hold, none of them run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import cast

import pytest

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.oci import digest_of
from envlock.locking.base_image import PulledBase, pull_base
from envlock.locking.dpkg_status import read_status
from envlock.model.edges import NoProgress, Registry
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from tests.unit.base_images import GLIBC, Images, Layer, debian
from tests.unit.debs import folder, link, member

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
REFERENCE = "registry.example.com/python:3.11"


def pull(images: Images, *platforms: Platform, python: str = "3.11", digest: str | None = None) -> PulledBase:
    return pull_base(REFERENCE, python, platforms or (AMD64,), cast("Registry", images), NoProgress(), digest=digest)


def of(layers: list[Layer], **more: object) -> Images:
    images = Images()
    images.tag(REFERENCE, images.image(layers, **more))  # type: ignore[arg-type]
    return images


def test_a_tag_becomes_digests_and_facts() -> None:
    """Index and platform manifests; the interpreter that PATH means, with the version that its library says."""
    images = Images()
    one, other = images.image(debian()), images.image(debian(), architecture="arm64")
    index = images.tag(REFERENCE, images.index({"linux/amd64": one, "linux/arm64/v8": other}))
    found = pull(images, AMD64, ARM64)
    assert (found.image.reference, found.image.index) == (REFERENCE, index)
    assert [(each.platform, each.digest) for each in found.image.manifests] == [
        ("linux/amd64", one),
        ("linux/arm64", other),
    ]
    inside = found.common
    assert (inside.distribution, inside.interpreter) == ("debian-12", "/usr/local/bin/python3.11")
    assert (inside.python, inside.glibc, inside.usr_merged) == ("3.11.7", "2.36", True)
    assert [(each.name, each.version) for each in inside.installed] == [("libc6", "2.36-9"), ("zlib1g", "1:1.2.13")]


def test_a_locked_digest_is_read_whatever_the_tag_names_now() -> None:
    """The reference stays in the lock as it was written."""
    images = of(debian("3.11.9"))
    before = images.image(debian())
    found = pull(images, digest=before)
    assert (found.common.python, found.image.reference) == ("3.11.7", REFERENCE)
    assert (found.image.index, found.image.manifests[0].digest) == (None, before)


def test_an_image_without_an_index_has_one_platform() -> None:
    """Another one is refused, and what there is said."""
    assert pull(of(debian())).image.index is None
    with pytest.raises(UsageError, match="no-platform") as caught:
        pull(of(debian()), ARM64)
    assert (caught.value.expected, caught.value.found) == ("linux/arm64", "linux/amd64")


def test_layers_in_zstd_are_read_as_those_in_gzip() -> None:
    """Docker's buildx and Podman push such images when they are asked to."""
    found = pull(of(debian(), compress=zstd.compress, media_type="application/vnd.oci.image.layer.v1.tar+zstd"))
    assert found.inside == pull(of(debian())).inside


def test_a_platform_that_an_index_lacks_is_said() -> None:
    """Attestations are no platform, and arm/v7 is not arm64."""
    images = Images()
    one = images.image(debian())
    images.tag(REFERENCE, images.index({"linux/amd64": one, "linux/arm64/v9": one}))
    with pytest.raises(UsageError, match="no-platform") as caught:
        pull(images, ARM64)
    assert caught.value.found == "linux/amd64, linux/arm64"


def test_upper_layers_hide_lower_ones() -> None:
    """Whiteouts, opaque folders, and links that are replaced."""
    images = of(
        [
            *debian("3.12.1"),
            [member("usr/local/bin/.wh.python3.12"), member("usr/local/lib/.wh..wh..opq")],
            [
                member("usr/bin/python3.11", b"\x7fELF\x003.11.2\0", mode=0o755),
                link("usr/bin/python3", "python3.11"),
            ],
        ]
    )
    inside = pull(images).common
    assert (inside.interpreter, inside.python) == ("/usr/bin/python3.11", "3.11.2")


@pytest.mark.parametrize(
    ("more", "version"),
    [
        ([member("opt/conda/bin/python3.11", b"x" * 300_000 + b"\x003.11.4\0")], "3.11.4"),
        (
            [
                member("opt/conda/bin/python3.11", b"\x7fELF"),
                member("opt/conda/include/python3.11/patchlevel.h", '#define PY_VERSION      \t"3.11.5"\n'),
            ],
            "3.11.5",
        ),
        (
            [
                member("opt/conda/bin/python3.11", b"\x7fELF\x003.11.4\0\x003.11.9\0"),
                member(
                    "var/lib/dpkg/status",
                    "Package: python3.11-minimal\nVersion: 3.11.2-6+deb12u5\nArchitecture: amd64\n",
                ),
            ],
            "3.11.2",
        ),
    ],
    ids=["binary", "header", "package"],
)
def test_the_version_is_read_off_whatever_says_it(more: Layer, version: str) -> None:
    """The binary first, then headers, then the package that it is from."""
    bin_folder: Layer = [folder("opt/conda/bin/"), link("opt/conda/bin/python", "python3.11")]
    images = of([debian()[0], [*bin_folder, *more]], environment=["PATH=/opt/conda/bin:/usr/bin"])
    inside = pull(images).common
    assert (inside.interpreter, inside.python) == ("/opt/conda/bin/python3.11", version)


def test_a_virtual_environment_on_path_means_the_python_behind_it() -> None:
    """Links are followed out of it."""
    venv: Layer = [folder("opt/venv/bin/"), link("opt/venv/bin/python", "/usr/local/bin/python3")]
    images = of([*debian(), venv], environment=["PATH=/opt/venv/bin:/usr/bin"])
    assert pull(images).common.interpreter == "/usr/local/bin/python3.11"


def test_a_hard_link_is_what_it_points_to() -> None:
    """python3 and python3.11 are one file in some distributions."""
    layer: Layer = [
        member("usr/bin/python3", b"\x7fELF\x003.11.2\0"),
        link("usr/bin/python3.11", "usr/bin/python3", hard=True),
    ]
    assert pull(of([debian()[0], layer])).common.python == "3.11.2"


def test_another_python_is_said() -> None:
    """With where it is."""
    with pytest.raises(UsageError, match="no-python") as caught:
        pull(of(debian("3.12.1")))
    assert "/usr/local/bin/python3.12" in caught.value.found
    with pytest.raises(UsageError, match="no-python") as caught:
        pull(of(debian()[:1]))
    assert caught.value.found == "no Python"


def test_musl_is_said() -> None:
    """No wheel of the usual kind runs there."""
    alpine: Layer = [
        member("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n"),
        member("lib/ld-musl-x86_64.so.1", b"musl"),
    ]
    with pytest.raises(UsageError, match="no-glibc") as caught:
        pull(of([alpine, debian()[1]]))
    assert caught.value.found == "musl (Alpine)"
    assert "-slim" in caught.value.hint


def test_a_base_of_no_distribution_is_said() -> None:
    """Its packages could be anything."""
    libc: Layer = [member("lib64/libc.so.6", GLIBC)]
    with pytest.raises(UsageError, match="no-distribution"):
        pull(of([libc, debian()[1]]))


def test_platforms_that_differ_are_said() -> None:
    """The lock says Python's version once."""
    images = Images()
    images.tag(
        REFERENCE,
        images.index(
            {"linux/amd64": images.image(debian()), "linux/arm64": images.image(debian("3.11.8"), architecture="arm64")}
        ),
    )
    with pytest.raises(UsageError, match="platforms-disagree") as caught:
        pull(images, AMD64, ARM64)
    assert caught.value.found == "linux/amd64: 3.11.7, linux/arm64: 3.11.8"


def test_a_layer_with_other_bytes_is_refused() -> None:
    """Nothing read of it counts."""
    images = of(debian())
    largest = max(images.blobs, key=lambda digest: len(images.blobs[digest]))
    images.blobs[largest] = images.blobs[largest] + b"\0" * 8
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        pull(images)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"\xff", b'{"schemaVersion": 2, "config": {}, "layers": []}'])
def test_a_manifest_that_cannot_be_read_is_refused(raw: bytes) -> None:
    """As an integrity error."""
    images = of(debian())
    digest = images.tags[REFERENCE]
    images.documents[digest] = (images.documents[digest][0], raw)
    with pytest.raises(EnvlockError, match="bad-image"):
        pull(images)


def test_images_without_dpkg_list_packages_one_by_one() -> None:
    """As distroless ones do: a file for each in status.d, beside lists of files."""
    layer: Layer = [
        member("var/lib/dpkg/status.d/libc6", "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n"),
        member("var/lib/dpkg/status.d/libc6.md5sums", "00  usr/lib/x\n"),
    ]
    first = [entry for entry in debian()[0] if entry[0].name != "var/lib/dpkg/status"]
    installed = pull(of([first, debian()[1], layer])).common.installed
    assert [(each.name, each.version) for each in installed] == [("libc6", "2.36-9")]


def test_a_list_of_packages_that_cannot_be_read_is_refused() -> None:
    """Rather than read in part."""
    with pytest.raises(IntegrityError, match="bad-status"):
        read_status([b"Package: a\nStatus: install ok installed\n"], "test")


def test_an_endless_configuration_is_not_kept() -> None:
    """What a registry sends beyond the size that the manifest gives is not read into memory."""
    images = of(debian())
    sent = []

    def endless(reference: Reference, digest: str) -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield b"{" * 4096

    images.blob = endless  # type: ignore[method-assign]
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        pull(images)
    assert len(sent) < 3


def test_a_base_that_cannot_be_carried_on_is_refused_when_it_is_locked() -> None:
    """A foreign layer is not in the registry; nothing of the image is read before that is said."""
    images = Images()
    digest = images.image(debian())
    media_type, raw = images.documents[digest]
    foreign = raw.replace(b"vnd.oci.image.layer.v1.tar+gzip", b"vnd.docker.image.rootfs.foreign.diff.tar.gzip", 1)
    images.documents[digest_of(foreign)] = (media_type, foreign)
    images.tag(REFERENCE, digest_of(foreign))
    with pytest.raises(UsageError, match="foreign-layer"):
        pull(images)
