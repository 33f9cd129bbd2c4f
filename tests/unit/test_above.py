"""OS packages above an image: paths through its links, dpkg's list, effects over both, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from envlock.errors import IntegrityError
from envlock.formats.oci import digest_of
from envlock.formats.tar import Entry
from envlock.image.above import members_above
from envlock.image.layer import Layer
from envlock.model.artifact import Deb
from envlock.model.lock import Base, BaseImage, BaseManifest
from envlock.model.platform import Platform
from tests.unit.base_images import Layer as Members
from tests.unit.debs import Pool, folder, link, member, tar

AMD64 = Platform("linux", "amd64")
LIB = "usr/lib/x86_64-linux-gnu"
SAME = "Multi-Arch: same\nDescription: one\n"
STATUS = """\
Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12

Package: older
Status: install ok installed
Architecture: amd64
Version: 1
Conffiles:
 /etc/older.conf {known}

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1.2
"""
KNOWN = hashlib.md5(b"as it came\n", usedforsecurity=False).hexdigest()
MERGED: list[Members] = [
    [
        folder("usr/"),
        folder("usr/bin/"),
        folder("usr/lib/"),
        folder(f"{LIB}/"),
        link("bin", "usr/bin"),
        link("lib", "usr/lib"),
        member("etc/ld.so.conf", f"/{LIB}\n"),
        member("var/lib/dpkg/status", STATUS.format(known=KNOWN)),
        member("var/lib/dpkg/info/older.list", f"/.\n/usr\n/{LIB}\n/{LIB}/libolder.so.1\n/usr/bin/shared\n"),
        member("var/lib/dpkg/info/zlib1g:amd64.list", "/.\n/usr/bin/shared\n"),
    ],
    [member(f"{LIB}/libolder.so.1", "old"), member("usr/bin/shared", "both")],
]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """An archive of packages made here."""
    return Pool(tmp_path)


def above(
    pool: Pool, debs: Sequence[Deb], layers: Sequence[Members], folder: Path, *effects: str
) -> dict[str, tuple[Entry, bytes]]:
    """Return what comes above an image of these layers, by path."""
    below = []
    for number, members in enumerate(layers):
        archive = tar(members)
        path = folder / f"layer{number}"
        path.write_bytes(gzip.compress(archive, mtime=0))
        raw = path.read_bytes()
        below.append((Layer(digest=digest_of(raw), diff_id=digest_of(archive), size=len(raw)), path))
    base = Base(
        image=BaseImage(
            reference="example.com/b", manifests=(BaseManifest(platform="linux/amd64", digest=digest_of(b"")),)
        ),
        distribution="debian-12",
        interpreter="/usr/bin/python3.11",
        python="3.11.2",
        glibc="2.36",
        solver="closure",
        effects=effects,
        suites=(),
        packages=tuple(debs),
    )
    found = [(entry, b"".join(body()) if body else b"") for entry, body in members_above(base, AMD64, pool.path, below)]
    assert [entry.path for entry, _ in found] == sorted((entry.path for entry, _ in found), key=str.encode)
    return {entry.path: (entry, body) for entry, body in found}


def test_paths_follow_the_links_of_the_image(pool: Pool, tmp_path: Path) -> None:
    """A file of /lib goes where the image has it; folders and links that are there are not listed again."""
    files = [
        folder("./lib/"),
        folder("./lib/x86_64-linux-gnu/"),
        member("./lib/x86_64-linux-gnu/libnew.so.1", "new", mode=0o755),
        folder("./usr/share/new/", mode=0o2775, gid=50),
        member("./usr/bin/tool", "tool", mode=0o4755),
    ]
    found = above(pool, [pool.add("new", data=files)], MERGED, tmp_path)
    assert set(found) == {f"{LIB}/libnew.so.1", "usr/bin/tool", "usr/share", "usr/share/new"}
    assert (found["usr/share/new"][0].mode, found["usr/share/new"][0].gid) == (0o2775, 50)
    assert found["usr/bin/tool"][0].mode == 0o4755


def test_an_image_without_a_merged_usr_keeps_its_folders(pool: Pool, tmp_path: Path) -> None:
    """What /lib is there decides, not what it is elsewhere."""
    layers = [[folder("lib/"), folder("usr/"), folder("usr/lib/")]]
    files = [folder("./lib/"), member("./lib/libnew.so.1", "new")]
    assert set(above(pool, [pool.add("new", data=files)], layers, tmp_path)) == {"lib/libnew.so.1"}


def test_dpkg_knows_them(pool: Pool, tmp_path: Path) -> None:
    """Its list has what it had and the new ones, not their older versions; files, sums and settings are beside it."""
    control = {
        "control": f"Package: new\nVersion: 2\nArchitecture: amd64\n{SAME}",
        "md5sums": "0  usr/bin/new\n",
        "conffiles": "/etc/new.conf\n",
    }
    debs = [
        pool.add("new", "2", data=[member("./usr/bin/new", "x"), member("./etc/new.conf", "a = 1\n")], control=control),
        pool.add("older", "2", data=[member(f"./{LIB}/libolder.so.2", "x")]),
    ]
    found = above(pool, debs, MERGED, tmp_path, "usr-merge", "dpkg-status")
    assert found["var/lib/dpkg/status"][1].decode() == (
        "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12\n\n"
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2\n\n"
        f"Package: new\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n{SAME}"
        f"Conffiles:\n /etc/new.conf {hashlib.md5(b'a = 1' + bytes([10]), usedforsecurity=False).hexdigest()}\n\n"
        "Package: older\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n"
    )
    assert found["var/lib/dpkg/info/new:amd64.list"][1] == b"/.\n/usr/bin/new\n/etc/new.conf\n"
    assert found["var/lib/dpkg/info/new:amd64.md5sums"][1] == b"0  usr/bin/new\n"
    assert found["var/lib/dpkg/info/new:amd64.conffiles"][1] == b"/etc/new.conf\n"


def test_an_image_without_a_list_gets_one_file_for_each_package(pool: Pool, tmp_path: Path) -> None:
    """As distroless images have it."""
    found = above(pool, [pool.add("new", "2")], [[folder("var/lib/dpkg/status.d/")]], tmp_path, "dpkg-status")
    assert set(found) == {
        "var/lib/dpkg/info",
        "var/lib/dpkg/info/new.list",
        "var/lib/dpkg/status.d/new",
    }


def test_an_older_version_goes_first(pool: Pool, tmp_path: Path) -> None:
    """Files that only the older version had get whiteouts; what another package has stays."""
    found = above(pool, [pool.add("older", "2", data=[member(f"./{LIB}/libolder.so.2", "x")])], MERGED, tmp_path)
    assert set(found) == {f"{LIB}/.wh.libolder.so.1", f"{LIB}/libolder.so.2"}
    assert found[f"{LIB}/.wh.libolder.so.1"] == (Entry(path=f"{LIB}/.wh.libolder.so.1", kind="file", mode=0o644), b"")


@pytest.mark.parametrize(("there", "kept"), [("as it came\n", False), ("edited\n", True)])
def test_settings_that_were_edited_stay(pool: Pool, tmp_path: Path, there: str, kept: bool) -> None:
    """As dpkg keeps them where nobody answers its question."""
    layers = [*MERGED, [member("etc/older.conf", there)]]
    deb = pool.add("older", "2", data=[member("./etc/older.conf", "new\n")], control={"conffiles": "/etc/older.conf\n"})
    assert ("etc/older.conf" in above(pool, [deb], layers, tmp_path)) != kept


def test_settings_outside_etc_are_the_packages(pool: Pool, tmp_path: Path) -> None:
    """What they are in the image is not kept for reading."""
    control = {"control": "Package: older\nVersion: 2\nArchitecture: amd64\n", "conffiles": "/srv/older.conf\n"}
    package = pool.add("older", "2", data=[member("./srv/older.conf", "new\n")], control=control)
    layers = [*MERGED, [member("srv/older.conf", "edited\n")]]
    assert above(pool, [package], layers, tmp_path)["srv/older.conf"][1] == b"new\n"


def test_folders_that_are_not_plain_are_listed_as_they_are(pool: Pool, tmp_path: Path) -> None:
    """Docker's graph drivers give a folder that a layer does not list root and 0755."""
    mail = folder("var/mail/", mode=0o2775, gid=8)
    package = pool.add("new", data=[folder("./var/"), member("./var/mail/deep/new", "x"), member("./usr/bin/new", "x")])
    found = above(pool, [package], [*MERGED, [folder("var/"), mail]], tmp_path)
    assert set(found) == {"usr/bin/new", "var/mail", "var/mail/deep", "var/mail/deep/new"}
    assert (found["var/mail"][0].mode, found["var/mail"][0].gid) == (0o2775, 8)


def test_libraries_of_python_packages_that_the_linker_is_to_find(pool: Pool, tmp_path: Path) -> None:
    """As images for GPUs name them: they have gigabytes and are not read, so that their files' names have to do."""
    packages = "usr/local/lib/python3.11/dist-packages/nvidia/cudnn/lib"
    layers = [
        *MERGED,
        [member(f"{packages}/libcudnn.so.8", b"\x7fELF"), member("etc/ld.so.conf", f"/{LIB}\n/{packages}\n")],
    ]
    found = above(pool, [pool.add("new", data=[member("./usr/bin/new", "x")])], layers, tmp_path, "ld-so-cache")
    assert f"libcudnn.so.8\0/{packages}/libcudnn.so.8\0".encode() in found["etc/ld.so.cache"][1]


def test_whiteouts_of_the_image_count(pool: Pool, tmp_path: Path) -> None:
    """A link that a higher layer removed is followed no more; what it left implicit is not listed."""
    layers = [*MERGED, [member(".wh.lib"), member("lib/kept", "x")]]
    found = above(pool, [pool.add("new", data=[member("./lib/new", "x"), member("./etc/new", "y")])], layers, tmp_path)
    assert set(found) == {"lib/new", "etc/new"}


def test_a_file_in_the_place_of_a_folder_is_refused(pool: Pool, tmp_path: Path) -> None:
    """Whatever is below that folder would vanish."""
    with pytest.raises(IntegrityError, match="file-conflict"):
        above(pool, [pool.add("new", data=[member("./usr/bin", "x")])], MERGED, tmp_path)


def test_a_link_in_the_place_of_a_folder_leaves_the_folder(pool: Pool, tmp_path: Path) -> None:
    """dpkg never turns a folder into a link."""
    assert above(pool, [pool.add("new", data=[link("./usr/bin", "sbin")])], MERGED, tmp_path) == {}


def test_effects_speak_of_both(pool: Pool, tmp_path: Path) -> None:
    """The certificates of the image are in the bundle, its settings are added to, its choices stay unless lower."""
    noted = "auto\n/usr/bin/awk\nawk.1\n/usr/share/man/awk.1\n\n/usr/bin/mawk\n5\n/usr/share/man/mawk.1\n\n"
    layers = [
        *MERGED,
        [
            member("etc/gitconfig", "[user]\n"),
            member("usr/bin/mawk", "mawk"),
            link("usr/bin/awk", "/etc/alternatives/awk"),
            link("etc/alternatives/awk", "/usr/bin/mawk"),
            member("var/lib/dpkg/alternatives/awk", noted),
        ],
    ]
    line = "#!/bin/sh\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/gawk {}\n"
    low, high = (
        pool.add(f"gawk{n}", data=[member("./usr/bin/gawk", "g")], control={"postinst": line.format(n)})
        for n in (5, 10)
    )
    assert "etc/alternatives/awk" not in above(pool, [low], layers, tmp_path, "alternatives")
    found = above(pool, [high], layers, tmp_path, "alternatives", "git-lfs")
    assert found["etc/alternatives/awk"][0].link == "/usr/bin/gawk"
    assert "usr/bin/awk" not in found
    assert found["etc/gitconfig"][1].startswith(b'[user]\n[filter "lfs"]\n')


def test_what_an_effect_leaves_as_it_was_is_not_in_the_layer(pool: Pool, tmp_path: Path) -> None:
    """A layer holds what differs."""
    layers = [*MERGED, [member("etc/localtime", "x"), member("etc/timezone", "Etc/UTC\n"), folder("etc/fonts/")]]
    assert above(pool, [pool.add("new")], layers, tmp_path, "localtime", "usr-merge") == {}


def test_a_layer_of_other_bytes_is_refused(pool: Pool, tmp_path: Path) -> None:
    """Both digests are checked before anything comes out."""
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        above_altered(pool, tmp_path, b"")


def test_a_layer_that_cannot_be_read_is_said(pool: Pool, tmp_path: Path) -> None:
    """What is no archive is told before anything comes out."""
    with pytest.raises(IntegrityError, match="bad-layer") as raised:
        above_altered(pool, tmp_path, b"\x28\xb5\x2f\xfd and so on")
    assert "Zstandard" in str(raised.value)


def above_altered(pool: Pool, folder: Path, raw: bytes) -> None:
    """Read an image whose only layer is other bytes than those of its digest."""
    path = folder / "blob"
    path.write_bytes(raw or gzip.compress(tar([member("x")])))
    base = Base(
        distribution="debian-12",
        interpreter="/usr/bin/python3.11",
        python="3.11.2",
        glibc="2.36",
        solver="closure",
        effects=(),
        suites=(),
        packages=(),
    )
    layer = Layer(digest=digest_of(b"other"), diff_id=digest_of(b"other"), size=1)
    list(members_above(base, AMD64, pool.path, [(layer, path)]))
