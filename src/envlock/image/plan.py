"""Which layers an image has, in which order, and the key that each is cached and vouched for under."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from envlock.errors import UsageError
from envlock.formats.oci import canonical_json
from envlock.formats.pylock import wheels_of
from envlock.image.install import PREFIX
from envlock.model.artifact import Deb, Wheel
from envlock.model.lock import LAYER_SPEC, Base, ImageConfig, Lock, LockFile, Package
from envlock.model.platform import Platform

Kind = Literal["base", "venv", "wheels", "lock"]

MAX_LAYERS = 100
"""overlay2 pulls 125 layers and fails at 126; the rest is room for layers on top of ours."""
_OWN_LAYERS = 4
"""Base, virtual environment, overflow and lock."""
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


def threshold_for(sizes: Iterable[int]) -> int:
    """Return the smallest power of two from 1 MiB on that keeps an image of such wheels at no more than 100 layers."""
    known = tuple(sizes)
    threshold = _SMALLEST_THRESHOLD
    while sum(size >= threshold for size in known) > MAX_LAYERS - _OWN_LAYERS:
        threshold *= 2
    return threshold


def plan_layers(lock_file: LockFile, platform: Platform) -> tuple[PlannedLayer, ...]:
    """Return the layers of one platform's image from the lowest to the highest.

    Base and virtual environment; a layer for each large wheel, the largest power of two first, so that what changes
    least often lies lowest; one layer of all small wheels; the lock.
    Raises UsageError (`no-image`) for a lock without one.
    """
    lock = lock_file.lock
    base, config = image_of(lock)
    wheels = sorted(wheels_of(lock, platform), key=lambda pair: pair[0].name)
    large = sorted(
        (pair for pair in wheels if pair[1].size >= config.threshold),
        key=lambda pair: (-pair[1].size.bit_length(), pair[0].name),
    )
    small = tuple(pair for pair in wheels if pair[1].size < config.threshold)
    layers = [_base(base, platform, config), _venv(base)]
    layers += [_wheels((pair,), f"{pair[0].name} {pair[0].version}", lock, platform) for pair in large]
    if small:
        names = ", ".join(f"{package.name} {package.version}" for package, _ in small)
        layers.append(_wheels(small, names, lock, platform))
    title = f"lock of {lock.env}"
    layers.append(PlannedLayer(kind="lock", title=title, key=_key("lock", env=lock.env, lock=lock_file.digest)))
    return tuple(layers)


def image_of(lock: Lock) -> tuple[Base, ImageConfig]:
    """Return what a lock says about its image; UsageError (`no-image`) where it says nothing."""
    if lock.base is None or lock.image is None:
        raise UsageError(
            "no-image",
            f"The lock of {lock.env} describes no image.",
            hint=f'Add [env.{lock.env}.image] with a base such as "debian-bullseye-python3.9", then `envlock lock`.',
        )
    return lock.base, lock.image


def interpreter_identity(base: Base, platform: Platform) -> str:
    """Return the sha256 over the exact packages of the base's interpreter, whose bytecode depends on nothing else."""
    python = ".".join(base.python.split(".")[:2])
    names = (f"python{python}", f"libpython{python}")
    return _digest([_deb(deb) for deb in base.of(platform) if deb.name.startswith(names)])


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
    key = _key("venv", prefix=PREFIX, interpreter=base.interpreter, version=base.python)
    return PlannedLayer(kind="venv", title=f"virtual environment of Python {base.python}", key=key)


def _wheels(wheels: tuple[tuple[Package, Wheel], ...], title: str, lock: Lock, platform: Platform) -> PlannedLayer:
    base, config = image_of(lock)
    key = _key(
        "wheels",
        prefix=PREFIX,
        python=lock.python,
        interpreter=interpreter_identity(base, platform) if config.bytecode else None,
        wheels=[wheel.sha256 for _, wheel in wheels],
    )
    return PlannedLayer(kind="wheels", title=title, key=key, wheels=wheels)


def _key(kind: Kind, **inputs: Any) -> str:
    return _digest({"spec": LAYER_SPEC, "kind": kind, **inputs})


def _deb(deb: Deb) -> tuple[str, str, str, str]:
    return deb.name, deb.version, deb.architecture, deb.sha256


def _digest(inputs: object) -> str:
    return hashlib.sha256(canonical_json(inputs)).hexdigest()
