"""Builds the image of a lock: plan, layers from the cache or anew, documents, `envlock.sum`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from envlock.errors import EnvlockError
from envlock.formats.base_documents import BaseDocuments
from envlock.formats.pylock import wheels_of
from envlock.formats.tar import Entry
from envlock.image.above import members_above
from envlock.image.base import base_members
from envlock.image.bytecode_cache import BytecodeCache
from envlock.image.install import folder, venv_skeleton
from envlock.image.layer import Layer, LayerWriter, write_layer
from envlock.image.layer_cache import LayerCache
from envlock.image.oci import Image, image_index, platform_image
from envlock.image.plan import PlannedLayer, image_of, interpreter_identity, plan_layers
from envlock.image.sums import Sums, extend_sums, read_sums
from envlock.image.wheel_layer import write_wheel_layer
from envlock.model.artifact import Deb
from envlock.model.edges import Compiler, NoProgress, Progress, Task
from envlock.model.lock import LockFile
from envlock.model.platform import Platform, image_platforms
from envlock.operations.conflicts import refuse_locked_conflicts
from envlock.operations.materials import Materials
from envlock.operations.open_wheels import OpenWheels

_MOST_JOBS = 4
"""Layers at a time: each costs some 25 MiB of memory, and one more than there are CPUs waits for its interpreter."""


def build(
    lock_file: LockFile,
    platforms: Sequence[Platform] | None = None,
    *,
    materials: Materials,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
    jobs: int | None = None,
    rebuild: bool = False,
) -> Image:
    """Return the image of a lock, all of its layers in the cache.

    Args:
        platforms: the lock's Linux ones, where None.
        warn: told of cached layers that are not what they should be, which are built again.
        jobs: layers at a time; as many as keep the CPUs busy, where None. The bytes are always the same.
        rebuild: use no layer of the cache.

    Raises UsageError (`no-image`, `no-linux-platform`, `file-conflict`, `write-failed`), IntegrityError
    (`sums-mismatch`, `bad-stream`), and what `materials` raises.
    """
    chosen = image_platforms(platforms or lock_file.lock.platforms)
    bases = {platform: documents for platform in chosen if (documents := materials.bases(platform)) is not None}
    plans = {platform: plan_layers(lock_file, platform, bases.get(platform)) for platform in chosen}
    sums = read_sums(materials.sums) if materials.sums else Sums()
    with (
        OpenWheels(materials.wheels) as wheels,
        _Site(lock_file, materials, wheels, sums, progress or NoProgress(), warn, rebuild) as site,
    ):
        for platform in chosen:
            # An image that `envlock.sum` knows has passed this already, on whichever machine built it first.
            if rebuild or (lock_file.digest, str(platform)) not in sums.images:
                locked = [wheel for _, wheel in wheels_of(lock_file.lock, platform)]
                refuse_locked_conflicts(locked, lock_file.lock.python, materials.listing or wheels.listing)
        layers = site.layers(plans, jobs or _cpus())
    image = _assemble(lock_file, plans, bases, layers, site.files)
    if materials.sums:
        made = {planned.key: planned.title for plan in plans.values() for planned in plan if planned.given is None}
        with LayerCache(materials.layers).held("sums", _Unwatched()):
            extend_sums(materials.sums, _sums_of(image, {key: layers[key] for key in made}), made)
    return image


def known_image(lock_file: LockFile, sums: Sums, bases: Mapping[Platform, BaseDocuments] | None = None) -> Image | None:
    """Return the image that `envlock.sum` says a lock has, without the bytes of any layer; None where it cannot tell.

    On a base from a registry that takes its documents, of every platform. Raises UsageError (`no-image`,
    `no-linux-platform`, `too-many-layers`).
    """
    base, _ = image_of(lock_file.lock)
    platforms = image_platforms(lock_file.lock.platforms)
    bases = bases or {}
    if base.image is not None and any(platform not in bases for platform in platforms):
        return None
    plans = {platform: plan_layers(lock_file, platform, bases.get(platform)) for platform in platforms}
    wanted = {planned.key: planned for plan in plans.values() for planned in plan}
    layers = {key: planned.given or sums.layers.get(key) for key, planned in wanted.items()}
    found = {key: layer for key, layer in layers.items() if layer is not None}
    return _assemble(lock_file, plans, bases, found, {}) if len(found) == len(layers) else None


def _assemble(
    lock_file: LockFile,
    plans: dict[Platform, tuple[PlannedLayer, ...]],
    bases: Mapping[Platform, BaseDocuments],
    layers: dict[str, Layer],
    files: dict[str, Path],
) -> Image:
    images = tuple(
        platform_image(
            lock_file,
            platform,
            [layers[planned.key] for planned in plan],
            [planned.title for planned in plan],
            bases.get(platform),
        )
        for platform, plan in plans.items()
    )
    return Image(
        lock_digest=lock_file.digest,
        index=image_index(lock_file, images),
        platforms=images,
        files=files,
    )


def _sums_of(image: Image, layers: dict[str, Layer]) -> Sums:
    manifests = {
        (image.lock_digest, str(platform.platform)): platform.manifest.descriptor.digest for platform in image.platforms
    }
    return Sums(layers=layers, images=manifests)


class _CancelledError(Exception):
    """Ends the threads that are still building when one of them failed, or the user gave up."""


class _Watched:
    """Progress that stops the work it counts."""

    def __init__(self, task: Task, stop: threading.Event) -> None:
        self._task, self._stop = task, stop

    def advance(self, amount: int = 1) -> None:
        if self._stop.is_set():
            raise _CancelledError
        self._task.advance(amount)


class _WhenNeeded:
    """A compiler that is opened by the first use."""

    def __init__(self, opened: Callable[[], Compiler]) -> None:
        self._opened = opened

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        return self._opened().compile(sources)


class _Unwatched:
    """A wait that nobody watches and nothing ends."""

    def advance(self, amount: int = 1) -> None:
        pass


class _Site:
    """One build under way: several layers at a time, one compiler for each platform, opened when first needed."""

    def __init__(
        self,
        lock_file: LockFile,
        materials: Materials,
        wheels: OpenWheels,
        sums: Sums,
        progress: Progress,
        warn: Callable[[str], None],
        rebuild: bool,
    ) -> None:
        self._lock_file = lock_file
        self._materials = materials
        self._wheels = wheels
        self._cache = LayerCache(materials.layers)
        self._sums = sums
        self._progress = progress
        self._warn = warn
        self._rebuild = rebuild
        self.files: dict[str, Path] = {}
        """Digest to the blob of each layer that was built or verified on this machine."""
        self._plans: dict[Platform, tuple[PlannedLayer, ...]] = {}
        self._stop = threading.Event()
        self._compilers: dict[Platform, Compiler] = {}
        self._opening = threading.Lock()
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def layers(self, plans: dict[Platform, tuple[PlannedLayer, ...]], jobs: int) -> dict[str, Layer]:
        """Return every layer by its key; where one fails, the others are ended first."""
        self._plans = plans
        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="build") as threads:
            futures: dict[str, Future[Layer]] = {}
            for platform, plan in plans.items():
                for planned in plan:
                    if planned.key not in futures:
                        futures[planned.key] = threads.submit(self._layer, platform, planned)
            try:
                wait(futures.values(), return_when=FIRST_EXCEPTION)
            finally:
                if any(not future.done() or future.exception() for future in futures.values()):
                    self._stop.set()
                    threads.shutdown(wait=True, cancel_futures=True)
        _raise_first(futures)
        return {key: future.result() for key, future in futures.items()}

    def _layer(self, platform: Platform, planned: PlannedLayer) -> Layer:
        if planned.given is not None:
            if not self._materials.elsewhere(planned.given):
                self.files[planned.given.digest] = self._materials.given(platform, planned)
            return planned.given
        vouched = None if self._rebuild else self._sums.layers.get(planned.key)
        if vouched is not None and self._materials.elsewhere(vouched):
            return vouched
        total = sum(wheel.size for _, wheel in planned.wheels) or None
        with self._progress.task(_short(planned.title), total, unit="bytes") as shown:
            task = _Watched(shown, self._stop)
            with self._cache.held(planned.key, task):
                layer = None if self._rebuild else self._cached(planned)
                if layer is None:
                    self._cache.drop(planned.key)
                    if vouched is not None and self._materials.brought(vouched, self._cache.blob(planned.key), task):
                        layer = vouched
                    else:
                        layer = self._written(platform, planned, task)
                    self._cache.keep(planned.key, layer)
                self.files[layer.digest] = self._cache.blob(planned.key)
                return layer

    def _cached(self, planned: PlannedLayer) -> Layer | None:
        """Return the cached layer if its bytes are what the cache, and `envlock.sum`, say."""
        layer = self._cache.known(planned.key)
        vouched = self._sums.layers.get(planned.key, layer)
        if layer is not None and layer == vouched and self._cache.is_whole(planned.key, layer):
            return layer
        if self._cache.has(planned.key):
            self._warn(f"The cached layer of {_short(planned.title)} is damaged; it is built again.")
        return None

    def _written(self, platform: Platform, planned: PlannedLayer, task: Task) -> Layer:
        path = self._cache.blob(planned.key)
        match planned.kind:
            case "base":
                return self._write_base(path, platform, task)
            case "venv":
                return self._write_venv(path)
            case "wheels":
                return self._write_wheels(path, platform, planned, task)
            case "packages":
                return self._write_packages(path, platform, task)
            case "lock":
                return self._write_lock(path)
            case "registry" | "run":
                raise ValueError(f"{planned.title} is not made here")

    def _write_base(self, path: Path, platform: Platform, task: Task) -> Layer:
        base, config = image_of(self._lock_file.lock)

        def debs(deb: Deb) -> Path:
            task.advance(0)
            return self._materials.debs(deb)

        def bytecode(sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
            for compiled in self._compiler(platform).compile(sources):
                task.advance(0)
                yield compiled

        members = base_members(
            base, platform, debs, bytecode=bytecode if config.bytecode else None, progress=self._progress
        )
        return write_layer(path, members, progress=task)

    def _write_packages(self, path: Path, platform: Platform, task: Task) -> Layer:
        base, _ = image_of(self._lock_file.lock)

        def debs(deb: Deb) -> Path:
            task.advance(0)
            return self._materials.debs(deb)

        below = [
            (planned.given, self._materials.given(platform, planned))
            for planned in self._plans[platform]
            if planned.kind == "registry" and planned.given is not None
        ]
        members = members_above(base, platform, debs, below, progress=self._progress)
        return write_layer(path, members, progress=task)

    def _write_venv(self, path: Path) -> Layer:
        base, _ = image_of(self._lock_file.lock)
        with LayerWriter(path) as writer:
            for entry, body in venv_skeleton(base.python, base.interpreter, opaque=base.image is not None):
                writer.stored(entry, [body]) if entry.kind == "file" else writer.add(entry)
            return writer.finish()

    def _write_wheels(self, path: Path, platform: Platform, planned: PlannedLayer, task: Task) -> Layer:
        base, config = image_of(self._lock_file.lock)
        wheels = [self._wheels.get(wheel) for _, wheel in planned.wheels]
        python = self._lock_file.lock.python
        if not config.bytecode:
            return write_wheel_layer(path, wheels, python, compiler=None, progress=task)
        # What was compiled before is not trusted to rebuild an image.
        known = None if self._rebuild else self._materials.bytecode
        kept = BytecodeCache(known, interpreter_identity(base)) if known is not None else None
        compiler = _WhenNeeded(lambda: self._compiler(platform))
        return write_wheel_layer(path, wheels, python, compiler=compiler, cache=kept, progress=task)

    def _write_lock(self, path: Path) -> Layer:
        raw = self._lock_file.raw
        name = f"opt/envlock/pylock.{self._lock_file.lock.env}.toml"
        with LayerWriter(path) as writer:
            writer.add(folder("opt/envlock"))
            writer.stored(Entry(path=name, kind="file", mode=0o644, size=len(raw)), [raw])
            return writer.finish()

    def _compiler(self, platform: Platform) -> Compiler:
        with self._opening:
            if platform not in self._compilers:
                self._compilers[platform] = self._opened.enter_context(self._materials.compilers(platform))
            return self._compilers[platform]


def _raise_first(futures: dict[str, Future[Layer]]) -> None:
    """Raise what went wrong in the lowest layer that failed, an error of ours before any other."""
    errors = [error for future in futures.values() if not future.cancelled() and (error := future.exception())]
    causes = [error for error in errors if not isinstance(error, _CancelledError)]
    causes.sort(key=lambda error: not isinstance(error, EnvlockError))
    if causes:
        raise causes[0]


def _short(title: str) -> str:
    names = title.split(", ")
    return title if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def _cpus() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available + 1, _MOST_JOBS)
