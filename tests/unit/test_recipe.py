"""Base recipes as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.recipe import load_recipe, packaged_recipe_folders, parse_recipe

RECIPE = b"""
distribution = "debian-11"
interpreter = "/usr/bin/python3.9"
python = "3.9"
glibc = "2.31"
end-of-life = 2026-08-31
suites = [{ archive = "debian", suite = "bullseye" }]
packages = ["python3.9"]
"""
NAMES = ("debian-bullseye-python3.9", "debian-bookworm-python3.11", "debian-trixie-python3.13")


@pytest.mark.parametrize("name", NAMES)
def test_the_packaged_recipes_hold_what_their_names_promise(name: str) -> None:
    """Debian's own Python, with what it splits off, updates and security fixes."""
    recipe = load_recipe(name, packaged_recipe_folders())
    python = name.rpartition("python")[2]
    assert recipe.python == python
    assert recipe.interpreter == f"/usr/bin/python{python}"
    assert {f"python{python}", "ca-certificates", "tzdata"} <= set(recipe.packages)
    assert ("python3-distutils" in recipe.packages) == (int(python.partition(".")[2]) < 12)
    assert [each.archive for each in recipe.suites] == ["debian", "debian", "debian-security"]
    assert "gcc" in recipe.build_packages


def test_a_projects_own_recipe_comes_first(tmp_path: Path) -> None:
    """The folders are searched in order."""
    (tmp_path / f"{NAMES[0]}.toml").write_bytes(RECIPE)
    assert load_recipe(NAMES[0], (tmp_path, *packaged_recipe_folders())).packages == ("python3.9",)


def test_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    """With the nearest name as a hint."""
    (tmp_path / "alpha.toml").write_bytes(RECIPE)
    with pytest.raises(UsageError, match="unknown-recipe") as caught:
        load_recipe("alhpa", (tmp_path, tmp_path / "missing"))
    assert (caught.value.expected, caught.value.hint) == ("alpha", "did you mean 'alpha'?")


@pytest.mark.parametrize("name", ["../alpha", "./alpha", ".alpha", "sub/alpha"])
def test_a_recipe_is_named_not_reached(tmp_path: Path, name: str) -> None:
    """A name never leads out of the folders."""
    (tmp_path / "images").mkdir()
    (tmp_path / "alpha.toml").write_bytes(RECIPE)
    with pytest.raises(UsageError, match="unknown-recipe"):
        load_recipe(name, (tmp_path / "images",))


def test_a_toml_error_says_line_and_column() -> None:
    """As the parser found it."""
    with pytest.raises(UsageError, match=r"line 2, column 1") as caught:
        parse_recipe(b'python = "3.9"\n=\n', name="x", where="x.toml")
    assert caught.value.where == "x.toml"


def test_an_unknown_key_is_an_error_with_the_nearest_one() -> None:
    """A misspelt key would otherwise be silently without effect."""
    with pytest.raises(UsageError, match="bad-recipe") as caught:
        parse_recipe(RECIPE + b'build_package = ["gcc"]\n', name="x", where="x.toml")
    assert caught.value.hint == "'build_package': did you mean 'build-packages'?"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"glibc = 2.31", "glibc"),
        (b'suites = [{ archive = "fedora", suite = "x" }]', "archive"),
        (b'suites = [{ archive = "debian" }]', "suite"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(line: bytes, message: str) -> None:
    """The path of the key is in the message."""
    key = line.split()[0]
    text = b"\n".join(each for each in RECIPE.splitlines() if not each.startswith(key)) + b"\n" + line
    with pytest.raises(UsageError, match=message):
        parse_recipe(text, name="x", where="x.toml")


def test_an_effect_that_does_not_exist_is_refused() -> None:
    """Scripts are replaced by effects of envlock, not of the recipe's making."""
    script = b'[[scripts]]\npackage = "a"\nscript = "postinst"\nsha256 = "00"\neffects = ["magic"]\n'
    with pytest.raises(UsageError, match="No effect is called 'magic'"):
        parse_recipe(RECIPE + script, name="x", where="x.toml")


def test_bytes_that_are_no_text_are_refused() -> None:
    """TOML is UTF-8."""
    with pytest.raises(UsageError, match="UTF-8"):
        parse_recipe(b"\xff", name="x", where="x.toml")


def test_the_canonical_text_is_what_decides_the_base() -> None:
    """Comments, order and the end of life change nothing that is resolved."""
    one = parse_recipe(RECIPE, name="x", where="x.toml")
    other = parse_recipe(b"# comment\n" + RECIPE.replace(b"2026-08-31", b"2030-01-01"), name="x", where="x.toml")
    assert one.canonical == other.canonical
    changed = parse_recipe(RECIPE.replace(b'["python3.9"]', b'["python3.9", "bash"]'), name="x", where="x.toml")
    assert one.canonical != changed.canonical
