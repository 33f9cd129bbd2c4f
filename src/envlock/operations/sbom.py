"""A lock as a software bill of materials: CycloneDX 1.6, through the library of that project."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from envlock.errors import UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import Base, BaseImage, LockFile, Package
from envlock.model.platform import Platform
from envlock.model.reference import Reference

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, HashType, Property
    from cyclonedx.model.component import Component

_PROJECT = "pkg:pypi/envlock-ml"
_UNSAID = frozenset({"timestamp"})
"""Of the metadata: the same lock has the same bill, whenever it is written."""


def cyclonedx_json(lock_file: LockFile, platform: Platform | None = None) -> bytes:
    """Return the bill of materials of one platform of a lock, of all of them where None.

    It lists Python packages with their wheels, Debian packages, the base image and the interpreter, and says that it
    lists all there is, but not which of them needs which: a lock does not know. Equal locks give equal bytes.
    Raises UsageError (`no-sbom-library`, `unlocked-platform`).
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError:
        raise UsageError(
            "no-sbom-library",
            "Bills of materials are written by the library of CycloneDX, which is not installed.",
            expected="cyclonedx-python-lib, beside envlock",
            hint='Install it: pip install "envlock-ml[sbom]"',
        ) from None

    platforms = (platform,) if platform else lock_file.lock.platforms
    root = _environment(lock_file, platforms)
    components = tuple(_components(lock_file, platforms))
    name = f"{_PROJECT}#{lock_file.digest}/{' '.join(map(str, platforms))}"
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, name),
        metadata=BomMetaData(component=root),
        components=components,
    )
    bom.register_dependency(root, components)
    return _finished(json.loads(JsonV1Dot6(bom).output_as_string()), str(root.bom_ref))


def _finished(document: dict[str, Any], root: str) -> bytes:
    """Return the canonical text, which says what is complete and what is unknown.

    A component that the dependency graph does not list is one of unknown dependencies, one that it lists without any
    has none (CycloneDX 1.6, dependencies); the library lists them all, and knows no compositions.
    """
    document["metadata"] = {key: value for key, value in document["metadata"].items() if key not in _UNSAID}
    document["dependencies"] = [row for row in document.get("dependencies", []) if row["ref"] == root]
    refs = sorted(component["bom-ref"] for component in document.get("components", []))
    document["compositions"] = [
        {"aggregate": "complete", "assemblies": [root]},
        {"aggregate": "unknown", "dependencies": refs},
    ]
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def _environment(lock_file: LockFile, platforms: Iterable[Platform]) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    lock = lock_file.lock
    said = {
        "lock:digest": f"sha256:{lock_file.digest}",
        "platforms": _listed(platforms),
        "python": lock.python,
        "as-of": lock.as_of or "",
        "frameworks": " ".join(lock.frameworks),
    }
    return Component(
        type=ComponentType.APPLICATION if lock.base is None else ComponentType.CONTAINER,
        bom_ref=f"lock:{lock_file.digest}",
        name=lock.env,
        version=f"sha256:{lock_file.digest}",
        properties=_properties(said),
    )


def _components(lock_file: LockFile, platforms: tuple[Platform, ...]) -> Iterator[Component]:
    lock = lock_file.lock
    installed: dict[str, tuple[Package, dict[Wheel, list[Platform]]]] = {}
    for platform in platforms:
        for package, wheel in wheels_of(lock, platform):
            _, wheels = installed.setdefault(f"{package.name} {package.version}", (package, {}))
            wheels.setdefault(wheel, []).append(platform)
    for package, wheels in installed.values():
        yield _python_package(package, wheels)
    linux = [platform for platform in platforms if platform.is_linux]
    if lock.base is None:
        yield _interpreter(lock.python, platforms)
    elif linux:
        yield _interpreter(lock.base.python, linux)
        yield from _base(lock.base, linux)


def _python_package(package: Package, wheels: dict[Wheel, list[Platform]]) -> Component:
    """Return a package; each of its wheels is a distribution of it, with the hash and the platforms of its own."""
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(type="pypi", name=package.name, version=package.version)
    files: list[ExternalReference] = [
        ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(wheel.url or wheel.path or wheel.name),
            comment=f"{wheel.name} on {_listed(platforms)}",
            hashes=[_sha256(wheel.sha256)],
        )
        for wheel, platforms in wheels.items()
    ]
    if package.build is not None and any(package.built(wheel) for wheel in wheels):
        sdist = package.build.sdist
        files.append(
            ExternalReference(
                type=ExternalReferenceType.SOURCE_DISTRIBUTION, url=XsUri(sdist.name), hashes=[_sha256(sdist.sha256)]
            )
        )
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        name=package.name,
        version=package.version,
        purl=purl,
        hashes=[_sha256(wheel.sha256) for wheel in wheels] if len(wheels) == 1 else (),
        external_references=files,
        properties=_properties({"platforms": _listed({one for each in wheels.values() for one in each})}),
    )


def _interpreter(version: str, platforms: Iterable[Platform]) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(type="generic", name="python", version=version)
    return Component(
        type=ComponentType.PLATFORM,
        bom_ref=purl.to_string(),
        name="python",
        version=version,
        purl=purl,
        properties=_properties({"platforms": _listed(platforms)}),
    )


def _base(base: Base, platforms: Iterable[Platform]) -> Iterator[Component]:
    """Yield what stands below the Python packages: base image, Debian packages, what `run` steps made."""
    debs: dict[Deb, list[Platform]] = {}
    for platform in platforms:
        if base.image is not None:
            yield _base_image(base.image, platform)
        for deb in base.of(platform):
            debs.setdefault(deb, []).append(platform)
    for deb, found in debs.items():
        yield _deb(deb, base.distribution, found)
    for layer in base.run_layers:
        if layer.platform in {str(platform) for platform in platforms}:
            yield _run_layer(layer.sha256, layer.platform)


def _base_image(image: BaseImage, platform: Platform) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    digest = next(row.digest for row in image.manifests if row.platform == str(platform))
    reference = Reference.parse(image.reference)
    name = reference.repository.rpartition("/")[2]
    qualifiers = {"arch": platform.architecture}
    if reference.registry:
        qualifiers["repository_url"] = f"{reference.registry}/{reference.repository}"
    if reference.tag:
        qualifiers["tag"] = reference.tag
    purl = PackageURL(type="oci", name=name, version=digest, qualifiers=qualifiers)
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref=purl.to_string(),
        name=f"{reference.registry}/{reference.repository}".removeprefix("/"),
        version=digest,
        purl=purl,
        hashes=[_sha256(digest.removeprefix("sha256:"))],
        properties=_properties({"platforms": str(platform), "index": image.index or ""}),
    )


def _deb(deb: Deb, distribution: str, platforms: Iterable[Platform]) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    vendor = distribution.partition("-")[0]
    purl = PackageURL(
        type="deb",
        namespace=vendor,
        name=deb.name,
        version=deb.version,
        qualifiers={"arch": deb.architecture, "distro": distribution},
    )
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        name=deb.name,
        version=deb.version,
        purl=purl,
        hashes=[_sha256(deb.sha256)],
        properties=_properties({"platforms": _listed(platforms), "archive": deb.archive, "path": deb.path}),
    )


def _run_layer(sha256: str, platform: str) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.FILE,
        bom_ref=f"layer:{sha256}",
        name="what the run steps changed",
        version=f"sha256:{sha256}",
        hashes=[_sha256(sha256)],
        properties=_properties({"platforms": platform}),
    )


def _sha256(value: str) -> HashType:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=value)


def _properties(said: dict[str, str]) -> list[Property]:
    """Return what is said, under names of our own (CycloneDX property taxonomy)."""
    from cyclonedx.model import Property

    return [Property(name=f"envlock:{name}", value=value) for name, value in said.items() if value]


def _listed(platforms: Iterable[Platform]) -> str:
    return " ".join(map(str, sorted(set(platforms))))
