"""Holds what is locked against the hardware that an environment may run on."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from packaging.version import Version

from envlock.errors import UsageError
from envlock.locking.accelerators import framework_of, known, library_of, model_entry
from envlock.model.constraint import CAPABILITY, DRIVER, Constraint, Value, parse_constraint
from envlock.model.gpu import covers, target_of
from envlock.model.hardware import AcceleratorClass, Facts
from envlock.model.lock import Lock


class _Contradiction(msgspec.Struct, frozen=True):
    """What the manifest says, what the locked artifacts say, and the way out."""

    asked: str
    locked: str
    hint: str


def check_hardware(lock: Lock) -> None:
    """Refuse a lock whose facts contradict its hardware classes, its `cuda` or its base.

    Raises UsageError (`hardware-contradiction`) that names both sides of every contradiction.
    """
    found = [*_libraries(lock), *_glibc(lock)]
    for name, hardware in sorted(lock.hardware.items()):
        if hardware.accelerator is not None and hardware.accelerator.kind != "none":
            found += _accelerator(lock, f"hardware.{name}", hardware.accelerator)
    if not found:
        return
    alone = len(found) == 1
    raise UsageError(
        "hardware-contradiction",
        "What is locked contradicts what the manifest says of hardware.",
        where=f"env.{lock.env}",
        expected=found[0].asked if alone else "artifacts that agree with every one of these",
        found=found[0].locked if alone else "".join(f"\n    {row.asked}: but {row.locked}" for row in found),
        hint=" ".join(dict.fromkeys(row.hint for row in found)),
    )


def _libraries(lock: Lock) -> Iterator[_Contradiction]:
    if lock.cuda == "none" and "cuda" in _carried(lock):
        source = lock.facts.sources["cuda"]
        yield _Contradiction(
            'cuda = "none"',
            f"{source} brings CUDA {lock.facts.cuda}",
            'Lock a CPU build (of torch: from an index or folder of its own), or say cuda = "wheels".',
        )
    if lock.cuda == "wheels" and "cuda" not in _carried(lock):
        yield _Contradiction('cuda = "wheels"', _without_runtime(lock.facts, "cuda"), _way_to_cuda(lock))


def _accelerator(lock: Lock, where: str, accelerator: AcceleratorClass) -> Iterator[_Contradiction]:
    fact, title = ("cuda", "CUDA") if accelerator.kind == "nvidia" else ("rocm", "ROCm")
    if fact == "cuda" and lock.cuda == "none":
        yield _Contradiction(
            f'{where}: kind = "nvidia"',
            'cuda = "none": nothing would use the accelerator',
            'Take the class out of this environment, or say cuda = "wheels" or "base".',
        )
    elif lock.cuda not in ("base", "wheels" if fact == "cuda" else "base") and not _runs_on(lock, fact):
        way = _way_to_cuda(lock) if fact == "cuda" else "Lock a ROCm build of the framework."
        yield _Contradiction(
            f'{where}: kind = "{accelerator.kind}", which needs the {title} libraries',
            _without_runtime(lock.facts, fact),
            f'{way} If the base brings {title}, say cuda = "base".',
        )
    if accelerator.kind == "nvidia":
        yield from _driver(lock.facts, where, accelerator)
    yield from _models(lock.facts, where, accelerator)


def _driver(facts: Facts, where: str, accelerator: AcceleratorClass) -> Iterator[_Contradiction]:
    if accelerator.driver is None or facts.minimum_driver is None:
        return
    constraint = parse_constraint(accelerator.driver, DRIVER)
    if _reaches_below(constraint, DRIVER.parse(facts.minimum_driver)):
        yield _Contradiction(
            f"{where}: driver {accelerator.driver}",
            f"{facts.sources['cuda']}: CUDA {facts.cuda} needs driver >={facts.minimum_driver}",
            f'Say driver = ">={facts.minimum_driver}", or lock a framework for an older CUDA.',
        )


def _reaches_below(constraint: Constraint, minimum: Value) -> bool:
    """Tell whether a constraint admits a driver below the minimum.

    NVIDIA's tables call drivers by their branch as well: a bound of fewer numbers than the minimum, such as >=525 for
    525.60.13, is compared by the numbers it has.
    """
    if constraint.lower is None:
        return True
    bound = constraint.lower.value
    assert isinstance(bound, tuple)
    assert isinstance(minimum, tuple)
    return bound < minimum[: len(bound)]


def _models(facts: Facts, where: str, accelerator: AcceleratorClass) -> Iterator[_Contradiction]:
    nvidia = accelerator.kind == "nvidia"
    prefixes = ("sm_", "compute_") if nvidia else ("gfx",)
    targets = [target for target in facts.gpu_targets if target.startswith(prefixes)]
    constraint = (
        parse_constraint(accelerator.compute_capability, CAPABILITY) if accelerator.compute_capability else None
    )
    asked = {
        model: model_entry(model, known().compute_capability if nvidia else known().gfx_target)
        for model in accelerator.models
    }
    capabilities = {model: entry for model, entry in asked.items() if entry is not None}
    if constraint is not None:
        for model, entry in capabilities.items():
            if not constraint.admits(entry):
                yield _Contradiction(
                    f"{where}: compute-capability {constraint}",
                    f"{where}: models has {model}, of compute capability {entry}",
                    "Take out the model, or widen the constraint.",
                )
        if not accelerator.models:
            capabilities = _admitted(constraint)
    lacking = {
        model: entry
        for model, entry in capabilities.items()
        if targets and not covers(targets, target_of(entry) if nvidia else entry)
    }
    if lacking:
        names = ", ".join(f"{model} ({entry})" for model, entry in lacking.items())
        yield _Contradiction(
            f"{where}: {names}",
            f"{facts.sources['gpu-targets']} carries code for {' '.join(targets)}",
            f"Take {', '.join(lacking)} out of {where}, or lock a framework that was built for it.",
        )


def _admitted(constraint: Constraint) -> dict[str, str]:
    """Return every known compute capability that a constraint admits, under the name of its constraint."""
    found = sorted({entry for entry in known().compute_capability.values() if constraint.admits(entry)}, key=Version)
    return {f"compute-capability {constraint}, which admits {entry}": entry for entry in found}


def _carried(lock: Lock) -> frozenset[str]:
    """Return which of CUDA and ROCm come with the locked wheels."""

    def brings(source: str) -> bool:
        package = source.partition(" ")[0]
        framework = framework_of(package)
        return library_of(package) == "cuda" or package.startswith("rocm") or bool(framework and framework.carries)

    facts = {"cuda": lock.facts.cuda, "rocm": lock.facts.rocm}
    return frozenset(fact for fact, value in facts.items() if value and brings(lock.facts.sources.get(fact, "")))


def _runs_on(lock: Lock, fact: str) -> bool:
    """Tell whether something locked can use accelerators of that kind without anything from the base."""
    silent = any(package.name in known().silent for package in lock.packages)
    return fact in _carried(lock) or (fact == "cuda" and silent)


def _without_runtime(facts: Facts, fact: str) -> str:
    title, found, other = ("CUDA", facts.cuda, "rocm") if fact == "cuda" else ("ROCm", facts.rocm, "cuda")
    if found is not None:
        return f"{facts.sources[fact]} was built for {title} {found}, and no locked package brings its libraries"
    instead = (
        f"; {facts.sources[other]} is for {'ROCm' if fact == 'cuda' else 'CUDA'}" if other in facts.sources else ""
    )
    return f"no locked package was built for {title}{instead}"


def _way_to_cuda(lock: Lock) -> str:
    if lock.facts.cuda is None:
        return "Lock a CUDA build of the framework."
    major = int(lock.facts.cuda.partition(".")[0])
    # Since CUDA 13 only cuDNN and NCCL, which are released apart from it, have it in their names.
    suffix = f"-cu{major}" if major < 13 else ""
    # There were no such wheels before July 2022.
    cutoff = " Give them dates of their own in as-of-packages where as-of is older than they are." if lock.as_of else ""
    return (
        f"Add the libraries to dependencies: nvidia-cuda-runtime{suffix}, nvidia-cublas{suffix}, "
        f"nvidia-cudnn-cu{major} and what else the framework opens.{cutoff}"
    )


def _glibc(lock: Lock) -> Iterator[_Contradiction]:
    needed = lock.facts.minimum_glibc
    if lock.base is not None and needed is not None and Version(needed) > Version(lock.base.glibc):
        yield _Contradiction(
            f"the base has glibc {lock.base.glibc}",
            f"{lock.facts.sources['minimum-glibc']} needs glibc {needed}",
            "Choose a newer base, or an older release of the package.",
        )
