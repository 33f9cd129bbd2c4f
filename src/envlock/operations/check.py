"""`envlock lock --check`: offline, does the lock still follow from its inputs?"""

from __future__ import annotations

from envlock.formats.pylock import read_lock
from envlock.locking.input_changes import changed_inputs
from envlock.model.manifest import Manifest
from envlock.operations.inputs import inputs_of


def check_environment(manifest: Manifest, name: str) -> list[str]:
    """Return a line for each input that changed since the lock was made; none means fresh."""
    lock = read_lock(manifest.lock_path(name)).lock
    return changed_inputs(lock.inputs, inputs_of(manifest, manifest.environment(name)))
