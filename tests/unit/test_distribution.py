"""Which suites the packages of a distribution come from."""

from __future__ import annotations

from envlock.model.distribution import Distribution, RecipeSuite, distribution_of, tabled
from envlock.model.recipe import load_recipe, packaged_recipe_folders


def test_every_suite_of_the_table_has_its_platforms() -> None:
    """Releases of Ubuntu with updates and security, amd64 from one archive and arm64 from the other."""
    assert [each.distribution for each in tabled()] == ["ubuntu-20.04", "ubuntu-22.04", "ubuntu-24.04"]
    for each, codename in zip(tabled(), ("focal", "jammy", "noble"), strict=True):
        for architecture, archive in (("amd64", "ubuntu"), ("arm64", "ubuntu-ports")):
            found = each.suites_for([architecture])
            assert {suite.archive for suite in found} == {archive}
            assert [suite.suite for suite in found] == [codename, f"{codename}-updates", f"{codename}-security"]
            assert {suite.components for suite in found} == {("main", "universe")}


def test_a_recipe_says_more_than_the_table() -> None:
    """So a project can list scripts that it has read, or suites of its own, for any distribution."""
    own = Distribution(distribution="ubuntu-22.04", suites=(RecipeSuite(archive="ubuntu", suite="jammy"),))
    assert distribution_of("ubuntu-22.04", [own]) is own
    assert distribution_of("ubuntu-22.04", []) == tabled()[1]
    assert distribution_of("fedora-41", [own]) is None


def test_every_recipe_is_a_distribution() -> None:
    """Debian's suites stand in its recipes alone."""
    recipe = load_recipe("debian-bookworm-python3.11", packaged_recipe_folders())
    assert distribution_of("debian-12", [recipe]) is recipe
    assert recipe.suites_for(["arm64"]) == recipe.suites
    assert distribution_of("debian-12", []) is None
