"""Pins that stay until they are asked to move."""

from __future__ import annotations

import pytest

from envlock.errors import UsageError
from envlock.model.lock import Lock, Package
from envlock.operations.upgrade import Upgrade, refuse_lost_pins


def lock(requirements: str = "six", **pins: str) -> Lock:
    packages = tuple(Package(name=name, version=version, wheels=()) for name, version in sorted(pins.items()))
    return Lock(
        env="x",
        python="3.11",
        platforms=(),
        packages=packages,
        frameworks=(),
        as_of=None,
        inputs={"requirements": requirements},
    )


def test_a_pin_that_moves_unasked() -> None:
    """Both versions are said, and the command that lets them move."""
    with pytest.raises(UsageError) as caught:
        refuse_lost_pins(Upgrade(), lock(six="1.16", idna="3", zipp="1"), lock(six="1.15", zipp="1"))
    assert str(caught.value) == (
        "What is locked is no longer on the index, and would move without being asked to. [pin-lost]\n"
        "  where: env.x\n"
        "  expected: idna 3, six 1.16\n"
        "  found: no idna, six 1.15\n"
        "  next: Let it move: envlock lock x -P idna -P six; or name an index that has it."
    )


@pytest.mark.parametrize(
    "upgrade",
    [
        Upgrade(everything=True),
        Upgrade(packages=("six",)),
        Upgrade(cutoff="none"),
        Upgrade(base=True),
        Upgrade(os=True),
    ],
)
def test_what_is_asked_for_moves(upgrade: Upgrade) -> None:
    """Any flag that lets pins move is leave."""
    refuse_lost_pins(upgrade, lock(six="1.16"), lock(six="1.15"))


def test_other_inputs_move_pins() -> None:
    """A changed manifest is leave too, and what is new moves nothing."""
    refuse_lost_pins(Upgrade(), lock("six", six="1.16"), lock("six<1.16", six="1.15"))
    refuse_lost_pins(Upgrade(), lock(six="1.16"), lock(six="1.16", idna="3"))
