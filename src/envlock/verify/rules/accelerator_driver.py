"""accelerator-driver: the driver is older than the class that was asked for wants, or than the locked CUDA needs."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.constraint import DRIVER
from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.model.machine import Accelerators, Machine
from envlock.model.unknown import Unknown
from envlock.verify.case import Case
from envlock.verify.hardware import asked

RULE = Rule(
    id="accelerator-driver",
    family="ACC",
    needs="accelerator",
    title="NVIDIA's driver is new enough for the locked CUDA, and for the class that --on asks for.",
    why="Below CUDA's minimum frameworks see no GPU, or fail at the first kernel.",
    source="CUDA Toolkit Release Notes, CUDA Driver minimum versions; conda's __cuda",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the driver is too old, or where it could not be seen of an NVIDIA device that is there."""
    of_class = list(asked(case, RULE, rank=ACCELERATOR_RANK))
    yield from of_class
    machine, minimum = case.observation.machine, case.lock.facts.minimum_driver
    # The minimum is that of Linux drivers; Windows counts its own.
    if of_class or minimum is None or not isinstance(machine, Machine) or machine.system != "linux":
        return
    seen = machine.accelerators
    expected = f">={minimum} (CUDA {case.lock.facts.cuda})" if case.lock.facts.cuda else f">={minimum}"
    if isinstance(seen, Unknown):
        if not case.lock.hardware:  # else hardware-class or accelerator-kind tells
            yield _unknown(expected, seen)
    elif any(device.kind == "nvidia" for device in seen.devices) and not _serves(seen, case.lock.facts.cuda):
        try:
            old = DRIVER.parse(seen.driver) < DRIVER.parse(minimum)  # type: ignore[operator]
        except ValueError:
            yield _unknown(expected, Unknown(reason=f"the version of the driver is {seen.driver!r}"))
            return
        if old:
            yield RULE.finding(
                "driver",
                expected=expected,
                found=seen.driver + (f" (CUDA {seen.cuda})" if seen.cuda else ""),
                fix=f"Install NVIDIA's driver >={minimum}, or lock a framework for an older CUDA.",
                rank=ACCELERATOR_RANK,
            )


def _serves(seen: Accelerators, cuda: str | None) -> bool:
    """Tell whether the driver says that it runs this CUDA: an old one does with NVIDIA's compatibility package."""
    try:
        return bool(cuda and seen.cuda) and DRIVER.parse(seen.cuda) >= DRIVER.parse(cuda or "")  # type: ignore[operator]
    except ValueError:
        return False


def _unknown(expected: str, why: Unknown) -> Finding:
    return RULE.finding(
        "driver",
        expected=expected,
        found=why.reason,
        fix=why.hint,
        nature="unknown",
        severity="error",
        rank=ACCELERATOR_RANK,
    )
