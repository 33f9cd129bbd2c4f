"""What this machine is able to do for envlock, each ability asked for by one question that changes nothing."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from envlock.errors import EnvlockError, UnverifiableError, UsageError
from envlock.model.ability import Ability, Pushed
from envlock.model.edges import Machines, Resolution
from envlock.model.lock import LockFile
from envlock.model.machine import Machine
from envlock.model.manifest import Manifest
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.model.size import size_text
from envlock.model.unknown import Unknown
from envlock.operations.edges import Edges
from envlock.operations.references import is_lock_tag, repository_of
from envlock.operations.reports import Trust

_ROOM = 5 << 30
"""Bytes that an image of a framework takes while it is built: wheels, layers and an unpacked base."""
_MOST_TAGS = 50
"""Each is one more question to the registry."""
_REFERRERS = re.compile(r"sha256-[0-9a-f]{64}(\..*)?")
"""Tags that tools keep what refers to images under, and no people (distribution-spec 1.1, Referrers Tag Schema)."""


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
    trust: Callable[[Manifest], Trust] | None = None
    """Whom signatures of kept reports are held against; None where reports are not asked for."""


def disk(questions: Questions) -> Ability:
    """Tell whether an image of a framework has room where the cache is."""
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


def sandbox(edges: Edges) -> Ability:
    """Tell whether the kernel allows namespaces: nothing is started in an empty root, and the refusal says why."""
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


def engine(questions: Questions) -> Ability:
    """Tell which Engine answers."""
    row = Ability(name="engine", state="able", said="", serves="run --image, build -o engine, run steps")
    try:
        return replace(row, said=questions.engine())
    except EnvlockError as error:
        hint = "Start Docker or Podman's socket, or set DOCKER_HOST."
        return replace(row, state="absent", said=_reason(error), hint=hint)


def index(locks: Iterable[LockFile], edges: Edges, questions: Questions) -> Ability:
    """Tell whether the index answers, asked for a package that is locked here: no other name is sure to be there."""
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


def gpu(seen: Machine | Unknown, locks: Iterable[LockFile]) -> Ability:
    """Tell which accelerators there are; none is unknown rather than absent where a lock asks for some."""
    asks = any(
        hardware.accelerator is not None and hardware.accelerator.kind != "none"
        for lock in locks
        for hardware in lock.lock.hardware.values()
    )
    row = Ability(name="GPU", state="absent", said="none", serves="hardware classes with an accelerator")
    devices = seen.accelerators if isinstance(seen, Machine) else seen
    if isinstance(devices, Unknown):
        return replace(row, state="unknown", said=devices.reason, hint=devices.hint)
    if not devices.devices:
        return replace(row, state="unknown", said="none, and a lock has a class with one") if asks else row
    names = [device.name for device in devices.devices]
    counted = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    driver = [f"driver {devices.driver}"] if devices.driver else []
    return replace(row, state="able", said=", ".join([*counted, *driver]))


def registry(
    manifest: Manifest, name: str, lock: LockFile | EnvlockError | None, edges: Edges, questions: Questions
) -> tuple[Ability | None, Pushed | None]:
    """Ask a repository for the image of a lock; the second answer is where it is, if it is there."""
    row = Ability(name=f"registry of {name}", state="able", said="answers", serves="push, pull")
    try:
        repository = repository_of(manifest, name)
        if repository is None:
            return None, None
        row = replace(row, name=f"registry {repository.registry}".rstrip())
        if questions.offline:
            return replace(row, state="unknown", said="not asked: --offline"), None
        tag = f"lock-{lock.digest[:32]}" if isinstance(lock, LockFile) else "latest"
        found = edges.registry().find(repository.tagged(tag))
        if found is None or not isinstance(lock, LockFile):
            return row, None
        tags, unasked = _tags_of(edges, repository, found)
    except EnvlockError as error:
        return replace(row, state="unable", said=_reason(error), hint=error.hint), None
    return row, Pushed(image=f"{repository.name}:{tag}@{found}", tags=tags, unasked=unasked)


def _tags_of(edges: Edges, repository: Reference, digest: str) -> tuple[tuple[str, ...], int]:
    """Return the tags of people that name a digest, and how many more tags there are than are asked about."""
    registry = edges.registry()
    try:
        tags = [tag for tag in registry.tags_of(repository) if not is_lock_tag(tag) and not _REFERRERS.fullmatch(tag)]
    except EnvlockError:  # registries let people pull who may not list (Docker Hub's own tokens, for one)
        return (), 0
    asked = tags[-_MOST_TAGS:]  # those that sort last: of versions and dates the newest
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda tag: registry.find(repository.tagged(tag)), asked))
    return tuple(tag for tag, names in zip(asked, found, strict=True) if names == digest), len(tags) - len(asked)


def _reason(error: EnvlockError) -> str:
    return error.what.rstrip(".") + (f" ({error.found})" if error.found else "")
