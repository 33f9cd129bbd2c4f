"""accelerator-code: the locked frameworks carry no code for the accelerators of the machine."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.gpu import covers, target_of
from envlock.model.influence import ACCELERATOR_RANK
from envlock.model.machine import Accelerator, Accelerators, Machine
from envlock.verify.case import Case

RULE = Rule(
    id="accelerator-code",
    family="ACC",
    needs="accelerator",
    title="The locked frameworks carry code for an accelerator of the machine.",
    why="Without it the first kernel fails (no kernel image is available), or the CPU computes instead.",
    severity="warning",
    policies={"bitwise": "error"},
    source="CUDA C++ Programming Guide, Compute Capabilities; pytorch#167244",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where no device of a kind that the lock has code for runs it; an error with ``--on``."""
    machine = case.observation.machine
    if not isinstance(machine, Machine) or not isinstance(machine.accelerators, Accelerators):
        return
    for kind, prefixes in (("nvidia", ("sm_", "compute_")), ("amd", ("gfx",))):
        targets = [target for target in case.lock.facts.gpu_targets if target.startswith(prefixes)]
        devices = [device for device in machine.accelerators.devices if device.kind == kind]
        known = [device for device in devices if device.compute_capability]
        if not targets or not devices or any(covers(targets, _target(device)) for device in known):
            continue
        unseen = len(known) < len(devices)
        source = case.lock.facts.sources.get("gpu-targets", "")
        yield RULE.finding(
            "GPU code",
            expected=" ".join(targets) + (f" ({source})" if source else ""),
            found=", ".join(dict.fromkeys(_told(device) for device in devices)),
            fix="Lock a framework that was built for it, or take the accelerator away: CUDA_VISIBLE_DEVICES=",
            nature="unknown" if unseen else "drift",
            severity="error" if unseen or case.terms.on else case.severity(RULE),
            rank=ACCELERATOR_RANK,
        )


def _target(device: Accelerator) -> str:
    return target_of(device.compute_capability) if device.kind == "nvidia" else device.compute_capability


def _told(device: Accelerator) -> str:
    target = _target(device) if device.compute_capability else "which does not say its compute capability"
    return f"{device.name}, {target}"
