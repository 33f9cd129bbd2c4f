"""Which fingerprint the numbers of a machine are held against, and what a class of hardware is called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from envlock.errors import UsageError, did_you_mean
from envlock.formats.fingerprint import read_fingerprint
from envlock.model.gpu_name import product_slug
from envlock.model.lock import Lock
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.numerics import Fingerprint
from envlock.model.unknown import Unknown
from envlock.operations.run_image import gpus_of
from envlock.verify.hardware import answers, check_class_name, classes_of, standing

SUFFIX = ".json"
_SYSTEMS = {"linux": "", "darwin": "macos", "win32": "windows"}


def expected_numbers(
    lock: Lock, digest: str, machine: Machine | None, folder: Path, *, against: str = "", on: str = ""
) -> Fingerprint | Unknown:
    """Return the fingerprint to hold numbers against, or why there is none that can be used.

    It is the one that `against` names, else that of the class of the machine, else the only one there.

    Args:
        digest: of the lock: of several fingerprints that would do, one of this lock is taken.
        machine: as programs see it; None where nobody knows.
        folder: of the environment's fingerprints.
        against: a file, or the name of a class.
        on: the class of the lock that the machine must be of.

    Raises UsageError (`no-fingerprint`, `unknown-class`) where there is none of what `against` names.
    """
    known = classes_in(folder)
    if against:
        return _chosen(lock, against, folder, known)
    own = [on] if on else [*classes_of(lock, machine), hardware_name(lock, machine)] if machine is not None else []
    fitting = [name for name in own if name in known] or (list(known) if len(known) == 1 else [])
    found = [_read(folder / f"{name}{SUFFIX}", lock.env) for name in fitting]
    usable = [each for each in found if isinstance(each, Fingerprint)]
    for each in [*(each for each in usable if each.lock == digest), *usable, *found]:
        return each
    return _none_fits(lock, own, known)


def classes_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes that a folder has fingerprints of, sorted."""
    return tuple(sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")))


def class_for(lock: Lock, machine: Machine, asked: str = "") -> str:
    """Return what the class of a machine is called: the lock's first that it is of, else by its CPU and accelerator.

    Raises UsageError (`unknown-class`, `other-class`) where it cannot be the class that is `asked` for.
    """
    check_class_name(lock, asked)
    if not asked:
        return next(iter(classes_of(lock, machine)), "") or hardware_name(lock, machine)
    given = answers(lock, asked, machine)
    if standing(given) == "no":
        worst = next(answer for answer in given if answer.state == "no")
        raise UsageError(
            "other-class",
            f"This machine is not of the class {asked!r}, so its numbers are not those of that class.",
            expected=f"{worst.subject} {worst.expected}",
            found=worst.found,
            hint="Leave --as out, and it is named by what it is.",
        )
    return asked


def hardware_name(lock: Lock, machine: Machine) -> str:
    """Return a name for what decides numbers on a machine, such as `x86-64-v4` or `x86-64-v3-a100-sxm4-40gb`.

    The level of its CPU, the system where it is not Linux, and the accelerator if the lock has to do with any. It says
    nothing of whose machine it is.
    """
    cpu, accelerators = machine.cpu, machine.accelerators
    parts = [(cpu.level or product_slug(cpu.architecture)) if isinstance(cpu, Cpu) else "unknown-cpu"]
    parts += [system] if (system := _SYSTEMS.get(machine.system, product_slug(machine.system))) else []
    if wants_gpus(lock) and isinstance(accelerators, Accelerators) and accelerators.devices:
        first = accelerators.devices[0]  # the one that probes run on
        slug = product_slug(first.name)
        parts += [slug] if first.mig_profile in slug else [slug, "mig", first.mig_profile]
    return "-".join(parts)


def wants_gpus(lock: Lock) -> bool:
    """Tell whether programs of a lock may compute on GPUs."""
    kinds = {one.accelerator.kind for one in lock.hardware.values() if one.accelerator is not None}
    return gpus_of(lock) != "none" or "amd" in kinds or bool(lock.facts.cuda or lock.facts.rocm)


def _chosen(lock: Lock, against: str, folder: Path, known: Sequence[str]) -> Fingerprint | Unknown:
    path = Path(against)
    if os.sep in against or against.endswith(SUFFIX) or path.is_file():
        return _read(path, lock.env, required=True)
    if against in known:
        return _read(folder / f"{against}{SUFFIX}", lock.env, required=True)
    if against in lock.hardware:
        return _none_fits(lock, [against], known)
    names = sorted({*known, *lock.hardware})
    raise UsageError(
        "no-fingerprint",
        f"There is no fingerprint of a class {against!r}, and no such file.",
        expected="one of: " + ", ".join(names) if names else "a file",
        found=against,
        hint=did_you_mean(against, names, f"Make one: envlock fingerprint {lock.env}"),
    )


def _read(path: Path, env: str, *, required: bool = False) -> Fingerprint | Unknown:
    try:
        return read_fingerprint(path)
    except UsageError as error:
        if required and error.reference == "no-fingerprint":
            error.hint = error.hint.replace(" ENV", f" {env}")
            raise
        why = Unknown.because(error)
        return Unknown(reason=f"{path.name}: {why.reason}", hint=why.hint.replace(" ENV", f" {env}"))


def _none_fits(lock: Lock, own: Sequence[str], known: Sequence[str]) -> Unknown:
    make = f"envlock fingerprint {lock.env}"
    if not known:
        return Unknown(reason="none was made yet", hint=f"{make}   (where its numbers are right; then git add it)")
    this = f"of {' or '.join(own)}" if own else "of a machine that nobody knows"
    return Unknown(
        reason=f"there is none {this}; there are {', '.join(known)}",
        hint=f"envlock verify {lock.env} --numerics --against {known[0]}   (or make one of this machine: {make})",
    )
