"""What stands in for maintainer scripts above a base from a registry is told by package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.test_base_operation import REFERENCE, World

SNIPPET = """#!/bin/sh
set -e
# Automatically added by dh_makeshlibs
ldconfig
# End automatically added section
"""


def test_stand_ins_are_read_off_the_packages_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without a script are left out; a base of packages alone has its effects in the lock."""
    from envlock.operations.stand_ins import stand_ins

    world = World(tmp_path, monkeypatch)
    world.pool.add("libold1", control={"postinst": SNIPPET})
    world.publish()
    world.lock(REFERENCE, "libgomp1", "libold1")
    assert world.kept is not None
    manifest = world.manifest(REFERENCE, ["libgomp1", "libold1"])
    assert stand_ins(world.kept, manifest, world.edges) == {"libold1": ("ld-so-cache",)}
    world.lock("a-sample")
    assert stand_ins(world.kept, manifest, world.edges) == {}
