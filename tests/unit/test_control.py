"""Debian's versions, relations and paragraphs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envlock.formats.control import (
    Relation,
    paragraph,
    paragraphs,
    relations,
    upstream_version,
    version_key,
)

ASCENDING = [
    "1.0~~",
    "1.0~~a",
    "1.0~",
    "1.0~rc1",
    "1.0",
    "1.0-1~deb11u1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb11u2",
    "1.0-1+deb11u10",
    "1.0a",
    "1.0+b",
    "1.0.1",
    "1.1",
    "1.10",
    "1:0",
    "1:0.5-3",
    "10:0",
]
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][0-9a-zA-Z.+~]{0,6}(-[0-9a-zA-Z.+~]{1,4})?", fullmatch=True)


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    """Tildes come before the end, letters before other characters, numbers count by value, epochs first."""
    for low, high in itertools.combinations(ASCENDING, 2):
        assert version_key(low) < version_key(high), (low, high)


def test_zeros_that_are_not_written_count() -> None:
    """An absent epoch, revision or number is zero."""
    assert version_key("0:1.0") == version_key("1.0") == version_key("1.0-0") == version_key("1.00")


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    """Any three versions can be put in one order."""
    x, y, z = sorted((a, b, c), key=version_key)
    assert version_key(x) <= version_key(y) <= version_key(z)
    assert version_key(x) <= version_key(z)


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("3.9.2-1+deb11u7", "3.9.2"), ("1:1.2.11.dfsg-2", "1.2.11.dfsg"), ("2.36", "2.36"), ("1.34+dfsg-1", "1.34")],
)
def test_the_upstream_version_is_cut_out(version: str, upstream: str) -> None:
    """Epoch, revision and marks of repacking go."""
    assert upstream_version(version) == upstream


def test_relations_are_groups_of_alternatives() -> None:
    """Architecture qualifiers are dropped, operators kept, the obsolete ones read as policy says."""
    assert relations("libc6 (>= 2.14), python3:any (<< 4) | python,zlib1g(=1:1.2), old (< 2)") == (
        (Relation("libc6", ">=", "2.14"),),
        (Relation("python3", "<<", "4"), Relation("python")),
        (Relation("zlib1g", "=", "1:1.2"),),
        (Relation("old", "<=", "2"),),
    )
    assert relations("") == ()


@pytest.mark.parametrize("text", ["a b", "a (>= )", "Upper", "a (== 1)", "a | "])
def test_what_is_no_relation_is_refused(text: str) -> None:
    """Policy 7.1 decides."""
    with pytest.raises(ValueError, match="not a relation"):
        relations(text)


@pytest.mark.parametrize(
    ("relation", "admitted", "refused"),
    [
        (Relation("a", "<<", "2"), "1.9", "2"),
        (Relation("a", "<=", "2"), "2", "2.0"),
        (Relation("a", "=", "2"), "2", "2.1"),
        (Relation("a", ">=", "2"), "2", "2~rc1"),
        (Relation("a", ">>", "2"), "2.1", "2"),
    ],
)
def test_a_relation_admits_versions(relation: Relation, admitted: str, refused: str) -> None:
    """Each operator compares by Debian's order."""
    assert relation.admits(admitted)
    assert not relation.admits(refused)


def test_paragraphs_join_continuations_and_skip_comments() -> None:
    """An empty line ends a paragraph, even one with spaces."""
    text = "# comment\nA: 1\nB:\n two\n\tthree\n\n \nC: 4\n"
    assert list(paragraphs(text)) == [{"A": "1", "B": "\ntwo\nthree"}, {"C": "4"}]


@pytest.mark.parametrize("text", [" starts here", "no colon", "A: 1\nA: 2"])
def test_a_damaged_paragraph_is_refused(text: str) -> None:
    """Nothing is guessed, and no field is given twice."""
    with pytest.raises(ValueError, match="field"):
        paragraph(text)
