"""How a package comes to be there: the shortest way down to it."""

from __future__ import annotations

import pytest

from envlock.model.chain import chain_to

NEEDS = {
    "tensorflow": ("tensorboard", "numpy", "six"),
    "tensorboard": ("requests", "werkzeug"),
    "requests": ("urllib3", "idna"),
    "pandas": ("numpy", "dateutil"),
    "dateutil": ("six",),
    "urllib3": ("requests",),  # a circle
}


@pytest.mark.parametrize(
    ("package", "roots", "expected"),
    [
        ("urllib3", ["tensorflow"], ("tensorflow", "tensorboard", "requests", "urllib3")),
        ("numpy", ["tensorflow", "pandas"], ("pandas", "numpy")),  # of two ways of one length the first by name
        ("six", ["pandas", "tensorflow"], ("tensorflow", "six")),  # the shortest goes before the first by name
        ("requests", ["tensorflow", "requests"], ("requests",)),
        ("pandas", ["tensorflow"], ()),
        ("numpy", [], ()),
        ("unheard-of", ["tensorflow"], ()),
    ],
)
def test_chain(package: str, roots: list[str], expected: tuple[str, ...]) -> None:
    """The shortest way, of several the first by name; circles end, and nothing leads to what nobody needs."""
    assert chain_to(package, roots, NEEDS) == expected
    assert chain_to(package, roots[::-1], {name: needs[::-1] for name, needs in NEEDS.items()}) == expected


def test_ties_go_by_the_whole_way() -> None:
    """Ways are compared from what is asked for down, not by what stands right above the package."""
    assert chain_to("x", ["b", "a"], {"a": ["z"], "z": ["x"], "b": ["c"], "c": ["x"]}) == ("a", "z", "x")
