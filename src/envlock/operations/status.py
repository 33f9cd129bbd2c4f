"""`envlock status`: is this machine able, and how do the environments stand? Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from envlock.errors import EnvlockError
from envlock.formats.pylock import read_lock
from envlock.model.ability import Ability, Pushed, Standing, Status
from envlock.model.lock import LockFile
from envlock.model.machine import Machine
from envlock.model.manifest import Manifest
from envlock.model.unknown import Unknown
from envlock.operations import abilities, local_venv
from envlock.operations.abilities import Questions
from envlock.operations.check import check_environment
from envlock.operations.edges import Edges
from envlock.operations.run import out_of_step
from envlock.operations.standing import with_image, with_reports, with_verification
from envlock.verify.hardware import told_class


def status_of(manifest: Manifest | None, edges: Edges, questions: Questions) -> Status:
    """Ask everything at once; what does not answer is told with its reason, never raised."""
    locks = {name: _lock(manifest, name) for name in sorted(manifest.environments)} if manifest else {}
    wanted = [lock for lock in locks.values() if isinstance(lock, LockFile)]
    with ThreadPoolExecutor(8) as threads:
        machine = threads.submit(questions.machine)
        asked = [
            threads.submit(abilities.disk, questions),
            threads.submit(abilities.sandbox, edges),
            threads.submit(abilities.engine, questions),
            threads.submit(abilities.index, wanted, edges, questions),
        ]
        registries = {
            name: threads.submit(abilities.registry, manifest, name, lock, edges, questions)
            for name, lock in locks.items()
            if manifest is not None
        }
        standings = [
            threads.submit(_standing, manifest, name, lock, questions)
            for name, lock in locks.items()
            if manifest is not None
        ]
        answers = {name: future.result() for name, future in registries.items()}
        seen = machine.result()
        told = [*(future.result() for future in asked), abilities.gpu(seen, wanted)]
        rows = [_beside(future.result(), manifest, answers, locks, seen) for future in standings] if manifest else []
        if manifest is not None and questions.trust is not None:
            trust = questions.trust(manifest)
            rows = list(threads.map(lambda row: with_reports(row, manifest, trust), rows))
    reached = {ability.name: ability for ability, _ in answers.values() if ability is not None}
    return Status(abilities=(*told, *reached.values()), standings=tuple(rows))


def _beside(
    row: Standing,
    manifest: Manifest,
    answers: Mapping[str, tuple[Ability | None, Pushed | None]],
    locks: Mapping[str, LockFile | EnvlockError | None],
    machine: Machine | Unknown,
) -> Standing:
    """Return a standing with what was found out meanwhile: its image, and the hardware class of the machine."""
    lock = locks[row.env]
    if not isinstance(lock, LockFile):
        return row
    hardware = told_class(lock.lock, machine) if isinstance(machine, Machine) else ""
    verified = with_verification(replace(row, hardware=hardware), manifest)
    return with_image(verified, manifest, lock, *answers[row.env])


def _lock(manifest: Manifest, name: str) -> LockFile | EnvlockError | None:
    path = manifest.lock_path(name)
    if not path.exists():
        return None
    try:
        return read_lock(path)
    except EnvlockError as error:
        return error


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
