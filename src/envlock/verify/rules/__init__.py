"""One rule, one module, one name: `package-version` is checked in `package_version.py` and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

Check = Callable[[Case], Iterator[Finding]]

IDS = (
    "lock-stale",
    "waiver-expired",
    "waiver-unused",
    "package-missing",
    "package-version",
    "package-extra",
    "package-source",
    "package-editable",
    "package-metadata",
    "python-version",
    "python-patch",
    "python-implementation",
    "python-platform",
    "libc-version",
    "hardware-class",
    "cpu-level",
    "cpu-features",
    "cpu-count",
    "memory-size",
    "accelerator-kind",
    "accelerator-model",
    "accelerator-mig",
    "accelerator-memory",
    "accelerator-capability",
    "accelerator-count",
    "accelerator-driver",
    "accelerator-code",
    "python-path",
    "preload",
    "variable-value",
    "variable-unset",
    "threads-count",
    "numerics-fingerprint",
    "numerics-framework",
    "numerics-diverged",
    "numerics-near",
    "numerics-crashed",
    "numerics-noisy",
    "numerics-raised",
    "target-unknown",
    "python-contradiction",
    "stdlib-altered",
    "file-tampered",
    "file-missing",
    "file-size",
    "file-unrecorded",
    "record-contradiction",
    "launcher-altered",
    "installer-note",
    "package-rebuilt",
    "package-unproven",
    "startup-code",
    "module-shadowed",
    "program-impostor",
    "bytecode-altered",
    "bytecode-unproven",
    "bytecode-recompiled",
    "image-lock",
    "image-label",
    "image-digest",
    "image-layers",
    "image-project",
    "image-unrecorded",
    "image-unlocked",
    "image-bytes",
    "image-tag",
    "layer-unclear",
    "container-changes",
    "container-mounts",
    "layer-unproven",
)
"""Every rule, in the order of the documentation; findings are ordered by what they mean."""


def _load(rule_id: str) -> tuple[Rule, Check]:
    module = importlib.import_module(f"envlock.verify.rules.{rule_id.replace('-', '_')}")
    return module.RULE, module.check


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of the documentation."""
    return tuple(_load(rule_id)[0] for rule_id in IDS)


def check_all(case: Case) -> list[Finding]:
    """Return what every rule finds."""
    return [finding for rule_id in IDS for finding in _load(rule_id)[1](case)]
