"""Maintainer scripts are known or stop the lock."""

from __future__ import annotations

import pytest

from envlock.errors import UsageError
from envlock.locking import scripts as module
from envlock.locking.scripts import effects_of, fingerprint, replaced
from envlock.model.artifact import Deb
from envlock.model.effects import EFFECTS
from envlock.model.recipe import KnownScript

DEB = Deb(
    name="sample", version="1.0-1", architecture="amd64", archive="debian", path="pool/x.deb", size=1, sha256="0" * 64
)
SNIPPETS = b"""#!/bin/sh
set -e
# Automatically added by dh_makeshlibs/13.3
ldconfig
# End automatically added section
# Automatically added by dh_installmenu/13.3
update-menus
# End automatically added section

exit 0
"""


def test_packages_without_scripts_need_no_effect() -> None:
    """Most libraries are like that."""
    assert effects_of([(DEB, {"control": b"Package: sample\n"})], []) == set()


def test_debhelpers_snippets_alone_are_known() -> None:
    """Each tool stands for its effects."""
    assert effects_of([(DEB, {"postinst": SNIPPETS})], []) == {"ld-so-cache"}


@pytest.mark.parametrize(
    "script",
    [
        SNIPPETS.replace(b"exit 0", b"adduser sample"),
        SNIPPETS.replace(b"dh_installmenu", b"dh_installsysusers"),
        SNIPPETS.replace(b"#!/bin/sh\n", b""),
        b"#!/bin/sh\nrm -rf /\n",
        b"\x7fELF\x02",
    ],
    ids=["more", "another-tool", "no-shebang", "own", "binary"],
)
def test_any_other_script_stops_the_lock(script: bytes) -> None:
    """The error names package and digest, and says how to go on."""
    with pytest.raises(UsageError, match="unknown-script") as caught:
        effects_of([(DEB, {"preinst": script})], [])
    assert caught.value.found == f"preinst of sample, sha256 {fingerprint(script, DEB)}"
    assert "[[scripts]]" in caught.value.hint


def test_all_unknown_scripts_are_named_at_once() -> None:
    """Nobody has to lock ten times."""
    with pytest.raises(UsageError) as caught:
        effects_of([(DEB, {"preinst": b"one", "postinst": b"two"})], [])
    assert caught.value.found.count("sha256") == 2


def test_a_recipe_may_list_what_it_has_read() -> None:
    """With the effects that replace the script."""
    script = b"#!/bin/sh\nupdate-alternatives --install /a a /b 1\n"
    known = KnownScript(package="sample", script="postinst", sha256=fingerprint(script, DEB), effects=("alternatives",))
    assert effects_of([(DEB, {"postinst": script})], [known]) == {"alternatives"}
    with pytest.raises(UsageError):
        effects_of([(DEB, {"preinst": script})], [known])


def test_what_stands_in_is_told_by_package() -> None:
    """Also that nothing does, where scripts have nothing to do in an image; packages without scripts are left out."""
    other = Deb(name="other", version="1", architecture="all", archive="debian", path="p", size=1, sha256="1" * 64)
    known = [
        KnownScript(package="sample", script="preinst", sha256=fingerprint(b"one", DEB)),
        KnownScript(package="sample", script="postinst", sha256=fingerprint(b"two", DEB), effects=("ca-bundle",)),
    ]
    assert replaced([(DEB, {"preinst": b"one", "postinst": b"two"}), (other, {})], known) == {"sample": ("ca-bundle",)}
    assert replaced([(DEB, {"preinst": b"one"})], known) == {"sample": ()}


def test_the_way_out_of_an_unknown_script_is_named() -> None:
    """A container at lock time runs what nobody has accounted for."""
    with pytest.raises(UsageError) as caught:
        effects_of([(DEB, {"postinst": b"one"})], [])
    assert "run = [" in caught.value.hint


def test_version_and_architecture_do_not_change_the_fingerprint() -> None:
    """An update that changes nothing else keeps its script known."""
    template = "#!/bin/sh\ncheck {version} libx:{architecture} /usr/lib/{machine}-linux-gnu\n"
    old = template.format(version="1.0-1", architecture="amd64", machine="x86_64").encode()
    new = template.format(version="1.0-2", architecture="arm64", machine="aarch64").encode()
    other = Deb(
        name="sample", version="1.0-2", architecture="arm64", archive="debian", path="p", size=1, sha256="1" * 64
    )
    assert fingerprint(old, DEB) == fingerprint(new, other)


def test_the_shipped_list_names_effects_that_exist() -> None:
    """And is sorted, so that additions merge."""
    shipped = module._shipped()
    assert {effect for each in shipped for effect in each.effects} <= set(EFFECTS)
    keys = [(each.package, each.script, each.sha256) for each in shipped]
    assert keys == sorted(set(keys))
