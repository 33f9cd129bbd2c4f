"""Which layers an image has, in which order, and the key that each is cached and vouched for under."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from envlock.errors import UsageError
from envlock.formats.base_documents import BaseDocuments, BaseLayer
from envlock.formats.oci import canonical_json
from envlock.formats.pylock import wheels_of
from envlock.image.install import PREFIX
from envlock.image.layer import Layer
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import LAYER_SPEC, Base, ImageConfig, Lock, LockFile, Package
from envlock.model.platform import Platform

Kind = Literal["registry", "base", "venv", "wheels", "packages", "run", "lock"]

MAX_LAYERS = 100
"""overlay2 pulls 125 layers and fails at 126; the rest is room for layers on top of ours."""
_BESIDE_LARGE_WHEELS = 4
"""Layers of an image on packages: base, virtual environment, overflow and lock."""
_SMALLEST_THRESHOLD = 1 << 20


class PlannedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that is not built yet."""

    kind: Kind
    title: str
    """For history and progress, such as ``tensorflow 2.5.0``."""
    key: str
    """sha256 over everything its bytes depend on, as 64 hex digits."""
    wheels: tuple[tuple[Package, Wheel], ...] = ()
    """Sorted by name of the package."""
    given: Layer | None = None
    """Of a layer whose bytes are known without making it, by its digest: the base's and that of run steps. No cache and
    no `envlock.sum` has to vouch for it, because the lock does."""


def threshold_for(sizes: Iterable[int], others: int = _BESIDE_LARGE_WHEELS, least: int = _SMALLEST_THRESHOLD) -> int:
    """Return `least`, doubled until an image of wheels of these sizes has no more than 100 layers.

    `others` is the number of layers besides those of large wheels.
    """
    known = tuple(sizes)
    threshold = max(least, 1)
    while sum(size >= threshold for size in known) > MAX_LAYERS - others:
        threshold *= 2
    return threshold


def plan_layers(lock_file: LockFile, platform: Platform, base: BaseDocuments | None = None) -> tuple[PlannedLayer, ...]:
    """Return the layers of one platform's image from the lowest to the highest.

    The base, as packages or as the layers of an image; the virtual environment; a layer for each large wheel, the
    largest power of two first, so that what changes least often lies lowest; one layer of all small wheels; OS packages
    above an image; what run steps changed; the lock.

    Without the documents of a base from a registry (`base`), its layers are left out: what remains is what
    `envlock.sum` can say something of. The threshold of the lock is raised where the base's layers leave less room.
    Raises UsageError (`no-image`) for a lock without one, and `too-many-layers` where the base leaves no room at all.
    """
    lock = lock_file.lock
    locked, config = image_of(lock)
    wheels = sorted(wheels_of(lock, platform), key=lambda pair: pair[0].name)
    below = [_carried(locked, layer) for layer in base.layers] if base else []
    if locked.image is None:
        below = [_base(locked, platform, config)]
    below.append(_venv(locked))
    above = [*_packages(locked, platform), *_run(locked, platform), _lock(lock_file)]
    others = len(below) + 1 + len(above)
    if others > MAX_LAYERS:
        raise _too_many(
            locked, len(base.layers) if base else 0, MAX_LAYERS - (others - len(base.layers if base else ()))
        )
    threshold = threshold_for((wheel.size for _, wheel in wheels), others, config.threshold)
    large = sorted(
        (pair for pair in wheels if pair[1].size >= threshold),
        key=lambda pair: (-pair[1].size.bit_length(), pair[0].name),
    )
    small = tuple(pair for pair in wheels if pair[1].size < threshold)
    layers = [_wheels((pair,), f"{pair[0].name} {pair[0].version}", lock) for pair in large]
    if small:
        layers.append(_wheels(small, ", ".join(f"{package.name} {package.version}" for package, _ in small), lock))
    return (*below, *layers, *above)


def image_of(lock: Lock) -> tuple[Base, ImageConfig]:
    """Return what a lock says about its image; UsageError (`no-image`) where it says nothing."""
    if lock.base is None or lock.image is None:
        raise UsageError(
            "no-image",
            f"The lock of {lock.env} describes no image.",
            hint=f'Add [env.{lock.env}.image] with a base such as "debian-bullseye-python3.9", then `envlock lock`.',
        )
    return lock.base, lock.image


def interpreter_identity(base: Base) -> str:
    """Return the sha256 over what says exactly which interpreter the base has.

    Of packages: name and version of those of the interpreter, the same on every platform, because bytecode depends on
    no architecture. Of a base from a registry: the digests of its platforms, and which of its interpreters it is.
    """
    if base.image is not None:
        return _digest([base.interpreter, *sorted(manifest.digest for manifest in base.image.manifests)])
    python = ".".join(base.python.split(".")[:2])
    names = (f"python{python}", f"libpython{python}")
    return _digest(sorted({(deb.name, deb.version) for deb in base.packages if deb.name.startswith(names)}))


def _base(base: Base, platform: Platform, config: ImageConfig) -> PlannedLayer:
    key = _key(
        "base",
        platform=str(platform),
        debs=sorted(_deb(deb) for deb in base.of(platform)),
        effects=base.effects,
        bytecode=config.bytecode,
    )
    return PlannedLayer(kind="base", title=f"{base.recipe}, {len(base.of(platform))} Debian packages", key=key)


def _venv(base: Base) -> PlannedLayer:
    inputs = {"prefix": PREFIX, "interpreter": base.interpreter, "version": base.python}
    key = _key("venv", **inputs, **({"opaque": True} if base.image else {}))
    return PlannedLayer(kind="venv", title=f"virtual environment of Python {base.python}", key=key)


def _wheels(wheels: tuple[tuple[Package, Wheel], ...], title: str, lock: Lock) -> PlannedLayer:
    base, config = image_of(lock)
    key = _key(
        "wheels",
        prefix=PREFIX,
        python=lock.python,
        interpreter=interpreter_identity(base) if config.bytecode else None,
        wheels=[wheel.sha256 for _, wheel in wheels],
    )
    return PlannedLayer(kind="wheels", title=title, key=key, wheels=wheels)


def _carried(base: Base, layer: BaseLayer) -> PlannedLayer:
    described = layer.descriptor
    given = Layer(digest=described.digest, diff_id=layer.diff_id, size=described.size, media_type=described.media_type)
    name = base.image.reference if base.image else ""
    return PlannedLayer(
        kind="registry", title=f"layer of {name}", key=_key("registry", digest=given.digest), given=given
    )


def _packages(base: Base, platform: Platform) -> Iterator[PlannedLayer]:
    """Yield the layer of OS packages above a base from a registry, where there are any."""
    debs = base.of(platform) if base.image else ()
    if base.image and debs:
        manifests = {row.platform: row.digest for row in base.image.manifests}
        key = _key(
            "packages",
            platform=str(platform),
            base=manifests[str(platform)],
            debs=sorted(_deb(deb) for deb in debs),
            effects=base.effects,
        )
        names = ", ".join(f"{deb.name} {deb.version}" for deb in debs)
        yield PlannedLayer(kind="packages", title=names, key=key)


def _run(base: Base, platform: Platform) -> Iterator[PlannedLayer]:
    """Yield the layer of run steps, where there are any."""
    for row in base.run_layers:
        if row.platform == str(platform):
            given = Layer(digest=f"sha256:{row.sha256}", diff_id=row.diff_id, size=row.size)
            yield PlannedLayer(
                kind="run", title=" && ".join(base.run), key=_key("run", digest=given.digest), given=given
            )


def _lock(lock_file: LockFile) -> PlannedLayer:
    env = lock_file.lock.env
    return PlannedLayer(kind="lock", title=f"lock of {env}", key=_key("lock", env=env, lock=lock_file.digest))


def _too_many(base: Base, layers: int, room: int) -> UsageError:
    return UsageError(
        "too-many-layers",
        "The base has so many layers that an environment does not fit on top of it.",
        where=base.image.reference if base.image else "",
        expected=f"at most {room}, so that the image has no more than {MAX_LAYERS}",
        found=f"{layers} layers",
        hint="Flatten the base: FROM scratch, COPY --from=BASE / /; or choose another one.",
    )


def _key(kind: Kind, **inputs: Any) -> str:
    return _digest({"spec": LAYER_SPEC, "kind": kind, **inputs})


def _deb(deb: Deb) -> tuple[str, str, str, str]:
    return deb.name, deb.version, deb.architecture, deb.sha256


def _digest(inputs: object) -> str:
    return hashlib.sha256(canonical_json(inputs)).hexdigest()
