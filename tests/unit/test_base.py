"""Bases: packages put together, with effects in place of scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.formats.tar import Entry
from envlock.image.base import base_members
from envlock.image.effects import _APPLY
from envlock.image.effects.alternatives import Choice, Link, choices
from envlock.image.effects.ld_so_cache import cache, name_key
from envlock.model.effects import EFFECTS, in_order
from envlock.model.lock import Base
from envlock.model.platform import Platform
from tests.unit.debs import Pool, folder, link, member
from tests.unit.test_certificate import HASH, PEM
from tests.unit.test_elf import library

AMD64 = Platform("linux", "amd64")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


def base_of(pool: Pool, effects: Sequence[str] = ()) -> Base:
    return Base(
        recipe="sample",
        distribution="debian-11",
        interpreter="/usr/bin/python3.9",
        python="3.9.2",
        glibc="2.31",
        solver="closure",
        effects=tuple(effects),
        suites=(),
        packages=tuple(pool.debs.values()),
    )


def members(pool: Pool, *effects: str) -> dict[str, tuple[Entry, bytes]]:
    found = [
        (entry, b"".join(body()) if body else b"")
        for entry, body in base_members(base_of(pool, effects), AMD64, pool.path)
    ]
    paths = [entry.path for entry, _ in found]
    assert paths == sorted(paths, key=str.encode)
    return {entry.path: (entry, body) for entry, body in found}


def test_files_of_all_packages_are_merged_and_sorted(pool: Pool) -> None:
    """Folders before what they hold; another order of packages gives the same members."""
    pool.add("b", data=[folder("./usr/"), folder("./usr/a/"), member("./usr/a/2", "two")])
    pool.add("a", data=[folder("./"), folder("./usr/"), member("./usr/a-b", "one")])
    found = members(pool)
    assert list(found) == ["usr", "usr/a", "usr/a-b", "usr/a/2"]
    assert found["usr/a/2"][1] == b"two"
    pool.debs = dict(reversed(pool.debs.items()))
    assert members(pool) == found


def test_the_folder_that_one_package_means_keeps_its_modes(pool: Pool) -> None:
    """Others ship it as a plain parent."""
    pool.add("a", data=[folder("./tmp/")])
    pool.add("base-files", data=[folder("./tmp/", 0o1777)])
    pool.add("c", data=[folder("./tmp/")])
    assert members(pool)["tmp"][0].mode == 0o1777


def test_the_same_file_in_two_packages_is_fine(pool: Pool) -> None:
    """Changelogs of packages built from one source, for instance."""
    for name in ("a", "b"):
        pool.add(name, data=[member("./x", "same")])
    assert members(pool)["x"][1] == b"same"


@pytest.mark.parametrize(
    "other", [member("./x", "2"), member("./x", "1", mode=0o755), link("./x", "y"), folder("./x/")], ids=range(4)
)
def test_a_path_that_two_packages_ship_differently_is_refused(pool: Pool, other: tuple[object, bytes]) -> None:
    """The error names the path and both packages."""
    pool.add("a", data=[member("./x", "1")])
    pool.add("b", data=[other])  # type: ignore[list-item]
    with pytest.raises(IntegrityError, match="file-conflict") as caught:
        members(pool)
    assert caught.value.where == "/x"
    assert (caught.value.expected, caught.value.found.split()[-1]) == ("file of a", "b")


def test_usr_is_merged(pool: Pool) -> None:
    """What packages ship in /bin and /lib64 is in /usr, and the old names are links."""
    pool.add(
        "a",
        data=[
            folder("./bin/"),
            member("./bin/dash", "dash", mode=0o755),
            folder("./lib64/"),
            link("./lib64/ld.so", "/lib/ld-2.31.so"),
            folder("./lib/"),
            member("./lib/ld-2.31.so", "ld"),
            folder("./usr/"),
            folder("./usr/bin/"),
            # A compatibility link that would point at itself.
            link("./usr/bin/dash", "/bin/dash"),
        ],
    )
    found = members(pool, "usr-merge")
    links = {path: entry.link for path, (entry, _) in found.items() if entry.kind == "symlink"}
    assert links == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "sbin": "usr/sbin",
        "usr/lib64/ld.so": "/lib/ld-2.31.so",
    }
    assert found["usr/bin/dash"][1] == b"dash"
    assert [path for path, (entry, _) in found.items() if entry.kind == "dir"] == [
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "usr/sbin",
    ]


def test_the_first_of_hard_links_is_the_file(pool: Pool) -> None:
    """Whichever the package has as the file: in a sorted layer the target must come first."""
    pool.add("a", data=[member("./b", "x", mode=0o755), link("./a", "./b", hard=True), link("./c", "./b", hard=True)])
    found = members(pool)
    assert found["a"] == (Entry(path="a", kind="file", mode=0o755, size=1), b"x")
    assert [(found[path][0].kind, found[path][0].link) for path in "bc"] == [("hardlink", "a")] * 2


def test_a_hard_link_to_nothing_is_refused(pool: Pool) -> None:
    """It could not be unpacked."""
    pool.add("a", data=[link("./a", "./gone", hard=True)])
    with pytest.raises(IntegrityError, match="bad-deb"):
        members(pool)


def test_every_effect_has_its_module_and_its_place() -> None:
    """The names that locks hold, in the order of application."""
    assert tuple(_APPLY) == EFFECTS
    assert in_order({"dpkg-status", "usr-merge"}) == ("usr-merge", "dpkg-status")
    with pytest.raises(ValueError, match="magic"):
        in_order({"magic"})


def test_an_effect_of_a_newer_envlock_is_refused(pool: Pool) -> None:
    """The base would not be the locked one without it."""
    pool.add("a")
    with pytest.raises(UsageError, match="unknown-effect") as caught:
        members(pool, "usr-merge", "magic")
    assert caught.value.found == "magic"


def test_base_files_makes_what_its_postinst_names(pool: Pool) -> None:
    """Folders with their modes and groups, links for empty folders, default files, logs."""
    script = (
        "install_directory() {\n  mkdir $1\n}\n  install_directory mnt       755 root\n"
        "  install_directory var/mail 2775 mail\n  install_local_dir /usr/local/bin\n"
        "  install_from_default dot.profile   /root/.profile\n  install_from_default gone /etc/gone\n"
    )
    pool.add(
        "base-files",
        data=[folder("./var/run/"), folder("./root/", 0o700), member("./usr/share/base-files/dot.profile", "hello")],
        control={"postinst": script},
    )
    found = members(pool, "base-files")
    assert found["mnt"][0].mode == 0o755
    assert (found["var/mail"][0].mode, found["var/mail"][0].gid) == (0o2775, 8)
    assert found["usr/local/bin"][0].kind == "dir"
    assert found["root/.profile"][1] == b"hello"
    assert "etc/gone" not in found
    assert (found["var/run"][0].kind, found["var/run"][0].link) == ("symlink", "/run")
    assert (found["var/log/btmp"][0].mode, found["var/log/btmp"][0].gid) == (0o660, 43)


def test_alternatives_are_linked_by_priority(pool: Pool) -> None:
    """The highest one wins, with the slaves that exist; a choice whose file is missing does not count."""
    pool.add(
        "gawk",
        data=[member("./usr/bin/gawk", "g")],
        control={
            "postinst": "update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10 \\\n"
            "  --slave /usr/bin/nawk nawk /usr/bin/gawk --slave /man/awk.1 awk.1 /man/gone.1\n"
        },
    )
    pool.add(
        "mawk",
        data=[member("./usr/bin/mawk", "m")],
        control={"postinst": "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5\n"},
    )
    pool.add(
        "absent",
        control={"postinst": "update-alternatives --install /usr/bin/awk awk /usr/bin/absent 99\n"},
    )
    found = members(pool, "alternatives")
    links = {path: entry.link for path, (entry, _) in found.items() if entry.kind == "symlink"}
    assert links == {
        "etc/alternatives/awk": "/usr/bin/gawk",
        "etc/alternatives/nawk": "/usr/bin/gawk",
        "usr/bin/awk": "/etc/alternatives/awk",
        "usr/bin/nawk": "/etc/alternatives/nawk",
    }


def test_literal_calls_are_read_as_a_shell_would() -> None:
    """Continuations, options, comments and several commands on a line."""
    script = (
        b"# update-alternatives --install /no no /no 1\n"
        b"if true; then update-alternatives --quiet --install /l/cpp cpp /u/cpp 10 || true; fi\n"
        b"update-alternatives \\\n    --install /u/c++ c++ /u/g++ 20 \\\n    #--slave /m/c++.1 c++.1 /m/g++.1\n"
    )
    assert list(choices(script, "x")) == [
        Choice(Link("/l/cpp", "cpp", "/u/cpp"), 10),
        Choice(Link("/u/c++", "c++", "/u/g++"), 20),
    ]
    assert list(choices(b"\x7fELF\xff", "x")) == []


@pytest.mark.parametrize(
    "line",
    [
        b"update-alternatives --install $LINK awk /usr/bin/mawk 5\n",
        b"update-alternatives --install /usr/bin/awk awk /usr/bin/mawk many\n",
        b"update-alternatives --install /usr/bin/awk awk\n",
        b"update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 --slave /a\n",
    ],
)
def test_a_call_that_would_have_to_be_run_is_refused(line: bytes) -> None:
    """Nothing here evaluates shell."""
    with pytest.raises(UsageError, match="unread-script"):
        list(choices(line, "x"))


def test_the_ca_bundle_is_written_with_links_by_hash(pool: Pool) -> None:
    """Python's default cafile and capath both work."""
    pool.add("ca-certificates", data=[member("./usr/share/ca-certificates/mozilla/A (1).crt", PEM.rstrip(b"\n"))])
    pool.add("other", data=[member("./usr/share/ca-certificates/mozilla/B.crt", PEM)])
    found = members(pool, "ca-bundle")
    assert found["etc/ssl/certs/ca-certificates.crt"][1] == PEM * 2
    assert found["etc/ssl/certs/A_=1=.pem"][0].link == "/usr/share/ca-certificates/mozilla/A (1).crt"
    assert found[f"etc/ssl/certs/{HASH}.0"][0].link == "A_=1=.pem"
    assert found[f"etc/ssl/certs/{HASH}.1"][0].link == "B.pem"
    assert found["etc/ca-certificates.conf"][1] == b"mozilla/A (1).crt\nmozilla/B.crt\n"


def test_names_are_ordered_as_the_linker_compares_them() -> None:
    """Numbers by value; digits after every other character."""
    ascending = ["liba.so", "liba.so.1", "liba.so.2", "liba.so.10", "liba1.so", "libz.so.1"]
    assert sorted(set(ascending), key=name_key) == ascending


def test_the_cache_has_the_format_of_glibc() -> None:
    """Magic, sizes, entries in descending order with the offsets of their strings."""
    raw = cache([("liba.so.1", "/lib/liba.so.1"), ("liba.so.10", "/lib/liba.so.10")], 0x0303)
    assert raw[:20] == b"glibc-ld.so.cache1.1"
    assert int.from_bytes(raw[20:24], "little") == 2
    key, value = (int.from_bytes(raw[48 + at : 52 + at], "little") for at in (4, 8))
    assert raw[key:].split(b"\0")[0] == b"liba.so.10"
    assert raw[value:].split(b"\0")[0] == b"/lib/liba.so.10"


@pytest.mark.skipif(sys.platform != "linux", reason="ldconfig is Linux's")
def test_ldconfig_reads_the_cache(pool: Pool, tmp_path: Path) -> None:
    """Libraries by soname, development links by name, other machines left out, missing links made."""
    pool.add(
        "a",
        data=[
            member("./etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
            member("./etc/ld.so.conf.d/x.conf", "# comment\n/usr/lib/x86_64-linux-gnu\n/nowhere\n"),
            member("./usr/lib/x86_64-linux-gnu/libsample.so.1.2.3", library()),
            link("./usr/lib/x86_64-linux-gnu/libsample.so", "libsample.so.1.2.3"),
            member("./usr/lib/x86_64-linux-gnu/libarm.so.1", library(machine=183, soname="libarm.so.1")),
            member("./usr/lib/x86_64-linux-gnu/libc.so", "/* GNU ld script */"),
            member("./usr/lib/x86_64-linux-gnu/notes.txt", "text"),
        ],
    )
    found = members(pool, "ld-so-cache")
    assert found["usr/lib/x86_64-linux-gnu/libsample.so.1"][0].link == "libsample.so.1.2.3"
    (tmp_path / "cache").write_bytes(found["etc/ld.so.cache"][1])
    try:
        listing = subprocess.run(
            ["/sbin/ldconfig", "-p", "-C", tmp_path / "cache"], capture_output=True, text=True, check=True
        ).stdout
    except FileNotFoundError:
        pytest.skip("ldconfig is not there")
    assert listing.splitlines()[1:3] == [
        "\tlibsample.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libsample.so.1",
        "\tlibsample.so (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libsample.so",
    ]


def test_the_state_of_packages_is_written_in_two_layouts(pool: Pool) -> None:
    """status.d for scanners, lists under the names that dpkg gives them."""
    pool.add("a", data=[member("./x", "1")], control={"md5sums": "abc  x\n"})
    pool.add("b", control={"control": "Package: b\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\n"})
    found = members(pool, "dpkg-status")
    assert found["var/lib/dpkg/status.d/a"][1] == (
        b"Package: a\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n"
    )
    assert found["var/lib/dpkg/status.d/a.md5sums"][1] == b"abc  x\n"
    assert found["var/lib/dpkg/info/a.list"][1] == b"/.\n/x\n"
    assert "var/lib/dpkg/info/b:amd64.list" in found


def test_small_effects_write_their_files(pool: Pool) -> None:
    """Accounts, names, shells, time zone, key bindings, folders for local modules."""
    pool.add(
        "python3.9-minimal",
        data=[
            member("./usr/bin/bash", ""),
            member("./usr/share/base-passwd/passwd.master", "root:*:0:0\n"),
            member("./usr/share/base-passwd/group.master", "root:*:0:\n"),
            member("./usr/share/readline/inputrc", "set x\n"),
        ],
    )
    names = ("base-passwd", "nsswitch", "network", "readline", "shells", "localtime", "python-local")
    found = members(pool, *names)
    assert found["etc/passwd"][1] == b"root:*:0:0\n"
    assert found["etc/group"][1] == b"root:*:0:\n"
    assert b"hosts: files dns\n" in found["etc/nsswitch.conf"][1]
    assert found["etc/hosts"][1].startswith(b"127.0.0.1\tlocalhost\n")
    assert found["etc/inputrc"][1] == b"set x\n"
    assert found["etc/shells"][1].decode().splitlines()[1:] == ["/bin/bash", "/usr/bin/bash"]
    assert found["etc/localtime"][0].link == "/usr/share/zoneinfo/Etc/UTC"
    assert found["etc/timezone"][1] == b"Etc/UTC\n"
    assert found["usr/local/lib/python3.9/dist-packages"][0].kind == "dir"


def test_an_effect_never_writes_over_a_packages_file(pool: Pool) -> None:
    """What the package ships is left as it is, or the build stops."""
    pool.add("a", data=[member("./etc/hosts", "mine"), member("./var/lib/dpkg/status.d/a", "mine")])
    assert members(pool, "network")["etc/hosts"][1] == b"mine"
    with pytest.raises(IntegrityError, match="An effect would write over a file"):
        members(pool, "dpkg-status")


def test_bytecode_is_compiled_from_sorted_sources(pool: Pool) -> None:
    """Absolute paths in, absolute paths out; links are compiled under their own name, dangling ones left."""
    pool.add(
        "a",
        data=[
            folder("./usr/lib/python3.9/"),
            member("./usr/lib/python3.9/b.py", "b = 1"),
            link("./usr/lib/python3.9/a.py", "/etc/a.py"),
            link("./usr/lib/python3.9/dangling.py", "/etc/gone.py"),
            member("./etc/a.py", "a = 1"),
            member("./usr/lib/python3/dist-packages/c.py", "c = 1"),
            member("./usr/lib/python3.10/d.py", "d = 1"),
        ],
    )
    seen = []

    def compile_all(sources: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        for path, source in sources:
            seen.append((path, source))
            head, _, name = path.rpartition("/")
            yield f"{head}/__pycache__/{name.removesuffix('.py')}.cpython-39.pyc", source.upper()

    found = {
        entry.path: b"".join(body()) if body else b""
        for entry, body in base_members(base_of(pool), AMD64, pool.path, bytecode=compile_all)
    }
    assert seen == [
        ("/usr/lib/python3.9/a.py", b"a = 1"),
        ("/usr/lib/python3.9/b.py", b"b = 1"),
        ("/usr/lib/python3/dist-packages/c.py", b"c = 1"),
    ]
    assert found["usr/lib/python3.9/__pycache__/a.cpython-39.pyc"] == b"A = 1"
    assert "usr/lib/python3.9/__pycache__" in found


def test_the_build_root_has_the_build_packages_too(pool: Pool) -> None:
    """And the base itself has not."""
    base = base_of(pool, [])
    plain = pool.add("a", data=[member("./a", "")])
    gcc = pool.add("gcc", data=[member("./gcc", "")])
    base = msgspec.structs.replace(base, packages=(plain,), build_packages=(gcc,))
    assert [entry.path for entry, _ in base_members(base, AMD64, pool.path)] == ["a"]
    assert [entry.path for entry, _ in base_members(base, AMD64, pool.path, build_root=True)] == ["a", "gcc"]
