"""What a lock starts from that two sides changed."""

from __future__ import annotations

import msgspec

from envlock.locking.merge import merged_lock, salvaged, sides_of
from envlock.model.lock import Lock, Package


def lock(as_of: str | None = None, inputs: dict[str, str] | None = None, **pins: str) -> Lock:
    packages = tuple(Package(name=name, version=version, wheels=()) for name, version in sorted(pins.items()))
    return Lock(
        env="x", python="3.11", platforms=(), packages=packages, frameworks=(), as_of=as_of, inputs=inputs or {}
    )


def pins(of: Lock) -> dict[str, str]:
    return {package.name: package.version for package in of.packages}


def test_what_one_side_changed_is_as_that_side_has_it() -> None:
    """Additions, removals, upgrades and downgrades survive, whichever side made them."""
    ancestor = lock(a="1", b="2", c="1", d="1")
    ours = lock(a="2", b="2", c="1", e="1")
    theirs = lock(a="1", b="1", d="1", f="1")
    assert pins(merged_lock(ancestor, ours, theirs)) == {"a": "2", "b": "1", "e": "1", "f": "1"}


def test_where_both_moved_a_pin_the_newer_one_stays() -> None:
    """By PEP 440, not by letters; what one side removed and the other moved is kept."""
    merged = merged_lock(lock(a="1.8", b="1"), lock(a="1.9", b="2"), lock(a="1.10"))
    assert pins(merged) == {"a": "1.10", "b": "2"}


def test_fields_are_merged_one_by_one() -> None:
    """Cutoff and inputs follow the side that changed them."""
    ancestor = lock("2024-01-01T00:00:00Z", {"as-of": "a", "python": "3.11"})
    theirs = lock("2025-01-01T00:00:00Z", {"as-of": "b", "python": "3.11", "groups": "dev"})
    merged = merged_lock(ancestor, msgspec.structs.replace(ancestor, inputs={"as-of": "a"}), theirs)
    assert (merged.as_of, merged.inputs) == ("2025-01-01T00:00:00Z", {"as-of": "b", "groups": "dev"})


CONFLICT = """\
[[packages]]
name = "a"
<<<<<<< HEAD
version = "1.10"

[[packages]]
name = "ours"
version = "1"
{ancestor}=======
version = "1.9"

[[packages]]
name = "theirs"
version = "1"
>>>>>>> topic

[[packages]]
name = "z"
version = "3"
"""


def test_conflicted_text_is_taken_apart() -> None:
    """Either side is whole again, the ancestor where git's style shows it."""
    sides = sides_of(CONFLICT.format(ancestor=""))
    assert sides.ours.splitlines()[2] == 'version = "1.10"'
    assert sides.theirs.splitlines()[2] == 'version = "1.9"'
    assert sides.ancestor is None
    shown = sides_of(CONFLICT.format(ancestor='||||||| base\nversion = "1.10"\n'))
    assert shown.ancestor is not None
    assert shown.ancestor.splitlines()[:3] == ["[[packages]]", 'name = "a"', 'version = "1.10"']
    whole = sides_of("x = 1\n=======\n")
    assert whole.ours == whole.theirs == whole.ancestor == "x = 1\n=======\n"


def test_pins_are_salvaged_from_both_sides() -> None:
    """The newer of two where nobody knows who moved; the one that moved where the ancestor is shown."""
    assert pins(salvaged(CONFLICT.format(ancestor=""), "x")) == {"a": "1.10", "ours": "1", "theirs": "1", "z": "3"}
    shown = salvaged(CONFLICT.format(ancestor='||||||| base\nversion = "1.10"\n'), "x")
    assert pins(shown)["a"] == "1.9"
    assert pins(salvaged("[[packages]\nbroken", "x")) == {}
