"""`envlock status`: is this machine able, and how do the environments stand? Nothing is changed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import EnvlockError, UnverifiableError, UsageError
from envlock.formats.pylock import read_lock
from envlock.model.ability import Ability, Standing, Status
from envlock.model.edges import Machines, Resolution
from envlock.model.lock import LockFile
from envlock.model.machine import Machine
from envlock.model.manifest import Manifest
from envlock.model.platform import Platform
from envlock.model.size import size_text
from envlock.model.unknown import Unknown
from envlock.operations import local_venv
from envlock.operations.check import check_environment
from envlock.operations.edges import Edges
from envlock.operations.references import repository_of
from envlock.operations.run import out_of_step

_ROOM = 5 << 30
"""Bytes that an image of a framework takes while it is built: wheels, layers and an unpacked base."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Whom `status` asks beside the edges of locking and building."""

    engine: Callable[[], str]
    """Describes the Engine that answers; UsageError (`no-engine`)."""
    machine: Machines
    room: Callable[[], int]
    """Free bytes where the cache is."""
    platform: Platform | None
    """Of this machine, where a lock can cover it."""
    offline: bool = False


def status_of(manifest: Manifest | None, edges: Edges, questions: Questions) -> Status:
    """Ask everything at once; what does not answer is told with its reason, never raised."""
    locks = {name: _lock(manifest, name) for name in sorted(manifest.environments)} if manifest else {}
    wanted = [lock for lock in locks.values() if isinstance(lock, LockFile)]
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(_disk, questions),
            threads.submit(_sandbox, edges),
            threads.submit(_engine, questions),
            threads.submit(_index, wanted, edges, questions),
            threads.submit(_gpu, questions, wanted),
        ]
        registries = {
            name: threads.submit(_registry, manifest, name, lock, edges, questions)
            for name, lock in locks.items()
            if manifest is not None
        }
        standings = [
            threads.submit(_standing, manifest, name, lock, questions)
            for name, lock in locks.items()
            if manifest is not None
        ]
        answers = {name: future.result() for name, future in registries.items()}
        told = [future.result() for future in asked]
        rows = [replace(future.result(), image=answers[future.result().env][1]) for future in standings]
    reached = {ability.name: ability for ability, _ in answers.values() if ability is not None}
    return Status(abilities=(*told, *reached.values()), standings=tuple(rows))


def _lock(manifest: Manifest, name: str) -> LockFile | EnvlockError | None:
    path = manifest.lock_path(name)
    if not path.exists():
        return None
    try:
        return read_lock(path)
    except EnvlockError as error:
        return error


def _disk(questions: Questions) -> Ability:
    free = questions.room()
    enough = free >= _ROOM
    return Ability(
        name="disk",
        state="able" if enough else "unable",
        said=f"{size_text(free)} free where the cache is",
        serves="fetch, build",
        hint=""
        if enough
        else f"An image of a framework takes {size_text(_ROOM)}: make room, or set ENVLOCK_CACHE_DIR.",
    )


def _sandbox(edges: Edges) -> Ability:
    """Start nothing at all in an empty root: what the refusal says tells whether namespaces are allowed."""
    row = Ability(name="sandbox", state="able", said="user namespaces", serves="build, packages without a wheel")
    with tempfile.TemporaryDirectory(prefix="envlock-") as root:
        try:
            with contextlib.ExitStack() as stack:
                process = edges.sandbox.start(Path(root), ["/nothing"], environment={})
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        stack.enter_context(stream)
                process.kill()
                process.wait()
        except UnverifiableError as error:
            return replace(row, state="unable", said=error.what, hint=error.hint)
        except UsageError as error:
            if error.reference != "not-in-root":
                return replace(row, state="unable", said=error.what, hint=error.hint)
    return row


def _engine(questions: Questions) -> Ability:
    row = Ability(name="engine", state="able", said="", serves="run --image, build -o engine, run steps")
    try:
        return replace(row, said=questions.engine())
    except EnvlockError as error:
        hint = "Start Docker or Podman's socket, or set DOCKER_HOST."
        return replace(row, state="absent", said=_reason(error), hint=hint)


def _index(locks: Iterable[LockFile], edges: Edges, questions: Questions) -> Ability:
    """Ask the index for a package that is locked here, since no other name is sure to be there."""
    row = Ability(name="index", state="able", said="", serves="lock, fetch, sync")
    if questions.offline:
        return replace(row, state="unknown", said="not asked: --offline")
    known = next(((lock.lock, package) for lock in locks for package in lock.lock.packages), None)
    name, version = (known[1].name, f"=={known[1].version}") if known else ("pip", "")
    wanted = Resolution(
        requirements=(name + version,),
        python=known[0].python if known else "3.11",
        platform=known[0].platforms[0] if known else Platform("linux", "amd64"),
        glibc="2.31",
        cutoff=None,
        no_deps=True,
    )
    try:
        edges.resolver.resolve(wanted)
    except EnvlockError as error:
        return replace(row, state="unable", said=_reason(error), hint=error.hint)
    return replace(row, said=f"has {name}{version.replace('==', ' ')}")


def _gpu(questions: Questions, locks: Iterable[LockFile]) -> Ability:
    asks = any(
        hardware.accelerator is not None and hardware.accelerator.kind != "none"
        for lock in locks
        for hardware in lock.lock.hardware.values()
    )
    row = Ability(name="GPU", state="absent", said="none", serves="hardware classes with an accelerator")
    seen = questions.machine()
    devices = seen.accelerators if isinstance(seen, Machine) else seen
    if isinstance(devices, Unknown):
        return replace(row, state="unknown", said=devices.reason, hint=devices.hint)
    if not devices.devices:
        return replace(row, state="unknown" if asks else "absent")
    names = [device.name for device in devices.devices]
    counted = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    driver = [f"driver {devices.driver}"] if devices.driver else []
    return replace(row, state="able", said=", ".join([*counted, *driver]))


def _registry(
    manifest: Manifest, name: str, lock: LockFile | EnvlockError | None, edges: Edges, questions: Questions
) -> tuple[Ability | None, str]:
    """Ask a repository for the image of a lock; the second answer is its reference, where it is there."""
    row = Ability(name=f"registry of {name}", state="able", said="answers", serves="push, pull")
    try:
        repository = repository_of(manifest, name)
        if repository is None:
            return None, ""
        row = replace(row, name=f"registry {repository.registry}".rstrip())
        if questions.offline:
            return replace(row, state="unknown", said="not asked: --offline"), ""
        tag = f"lock-{lock.digest[:32]}" if isinstance(lock, LockFile) else "latest"
        found = edges.registry().find(replace(repository, tag=tag, digest=None))
    except EnvlockError as error:
        return replace(row, state="unable", said=_reason(error), hint=error.hint), ""
    is_there = found is not None and isinstance(lock, LockFile)
    return row, f"{repository.name}:{tag}@{found}" if is_there else ""


def _standing(manifest: Manifest, name: str, lock: LockFile | EnvlockError | None, questions: Questions) -> Standing:
    if lock is None:
        return Standing(env=name, lock="missing", next=f"envlock lock {name}")
    if isinstance(lock, EnvlockError):
        hint = lock.hint or f"envlock lock {name}"
        return Standing(env=name, lock="broken", changed=(lock.what,), next=hint)
    try:
        changed = tuple(check_environment(manifest, name))
    except EnvlockError as error:
        changed = (error.what,)
    row = Standing(
        env=name,
        lock="stale" if changed else "fresh",
        lock_digest=lock.digest,
        changed=changed,
        next=f"envlock lock {name}" if changed else "",
    )
    if questions.platform not in lock.lock.platforms:
        return row
    venv = manifest.venv_path(name)
    try:
        if not local_venv.exists(venv):
            return replace(row, venv="missing", next=row.next or f"envlock sync {name}")
        differences = out_of_step(lock.lock, questions.platform, venv)
    except EnvlockError as error:
        differences = (error.what,)
    if differences:
        return replace(row, venv="out of step", differences=differences, next=row.next or f"envlock sync {name}")
    return replace(row, venv="in step")


def _reason(error: EnvlockError) -> str:
    return error.what.rstrip(".") + (f" ({error.found})" if error.found else "")
