"""unrolled: alternatives of scripts that ask for them in loops and functions, written out by who read those scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

_MAN1 = "/usr/share/man/man1"
_MULTIARCH = ("x86_64-linux-gnu", "aarch64-linux-gnu")
_LANGUAGES = ("da", "de", "fr", "it", "ja", "pl", "ru")


class Unrolled(msgspec.Struct, frozen=True):
    """Literal lines that stand for the postinst of a package, in which `call` is what had to be unrolled."""

    package: str
    call: str
    lines: tuple[str, ...]


def literal(script: str, package: str) -> str:
    """Return the lines that stand for a script, or the script itself where no call of it was unrolled."""
    for each in UNROLLED:
        if each.package == package and each.call in script:
            return "\n".join(each.lines)
    return script


def _line(link: str, path: str, priority: int, slaves: Iterable[tuple[str, str]] = ()) -> str:
    """Return a line for alternatives that are named after their links."""
    extra = "".join(f" --slave {slave} {_name(slave)} {target}" for slave, target in slaves)
    return f"update-alternatives --install {link} {_name(link)} {path} {priority}{extra}"


def _name(link: str) -> str:
    return link.rpartition("/")[2]


def _automake(version: str, priority: int) -> str:
    slaves = [
        ("/usr/bin/aclocal", f"/usr/bin/aclocal-{version}"),
        (f"{_MAN1}/automake.1.gz", f"{_MAN1}/automake-{version}.1.gz"),
        (f"{_MAN1}/aclocal.1.gz", f"{_MAN1}/aclocal-{version}.1.gz"),
    ]
    return _line("/usr/bin/automake", f"/usr/bin/automake-{version}", priority, slaves)


def _imagemagick(version: str, programs: str) -> Iterator[str]:
    for program in programs.split():
        for name in (program, f"{program}-{version}"):
            manual = (f"{_MAN1}/{name}.1.gz", f"{_MAN1}/{program}-{version}.q16.1.gz")
            yield _line(f"/usr/bin/{name}", f"/usr/bin/{program}-{version}.q16", 10000, [manual])


def _vim(variant: str, priority: int, names: str) -> Iterator[str]:
    for name in names.split():
        yield _line(f"/usr/bin/{name}", f"/usr/bin/vim.{variant}", priority)
    for name in ("vi", "view", "ex", "editor"):
        slaves = "".join(
            f" --slave /usr/share/man/{language}/man1/{name}.1.gz {name}.{language}.1.gz"
            f" /usr/share/man/{language}/man1/vim.1.gz"
            for language in _LANGUAGES
        )
        manual = f" --slave {_MAN1}/{name}.1.gz {name}.1.gz {_MAN1}/vim.1.gz"
        yield _line(f"/usr/bin/{name}", f"/usr/bin/vim.{variant}", priority) + slaves + manual


def _procps() -> Iterator[str]:
    for folder, name, section in (
        ("/usr/bin", "uptime", 1),
        ("/usr/bin", "kill", 1),
        ("/usr/bin", "vmstat", 8),
        ("/bin", "ps", 1),
    ):
        manual = f"/usr/share/man/man{section}/{name}"
        slave = (f"{manual}.{section}.gz", f"{manual}.procps.{section}.gz")
        yield _line(f"{folder}/{name}", f"{folder}/{name}.procps", 50, [slave])


def _xz() -> str:
    slaves = [
        (f"{_MAN1}/lzma.1.gz", f"{_MAN1}/xz.1.gz"),
        ("/usr/bin/unlzma", "/usr/bin/unxz"),
        (f"{_MAN1}/unlzma.1.gz", f"{_MAN1}/unxz.1.gz"),
    ]
    for tool in ("cat", "more", "less", "diff", "cmp", "grep", "egrep", "fgrep"):
        slaves += [
            (f"/usr/bin/lz{tool}", f"/usr/bin/xz{tool}"),
            (f"{_MAN1}/lz{tool}.1.gz", f"{_MAN1}/xz{tool}.1.gz"),
        ]
    return _line("/usr/bin/lzma", "/usr/bin/xz", 20, slaves)


_PROGRAMS = "compare animate convert composite conjure import identify stream display montage mogrify"
UNROLLED = (
    Unrolled("automake", "ver=1.16\nprio=34\n", (_automake("1.16", 34),)),
    Unrolled("automake", "ver=1.17\nprio=35\n", (_automake("1.17", 35),)),
    Unrolled(
        "clang",
        "prio=10\n",
        tuple(
            _line(f"/usr/bin/{name}", f"/usr/bin/{tool}", 10)
            for name, tool in (("c++", "clang++"), ("cc", "clang"), ("c89", "clang"), ("c99", "clang"))
        ),
    ),
    Unrolled("imagemagick-6.q16", "/usr/bin/$prog-im6.q16 10000", tuple(_imagemagick("im6", _PROGRAMS))),
    Unrolled(
        "imagemagick-7.q16",
        "/usr/bin/$prog-im7.q16 10000",
        tuple(_imagemagick("im7", f"{_PROGRAMS} magick magick-script")),
    ),
    Unrolled(
        # What it says of MPI is for the sibling package that is built with it: here "serial" is always "serial".
        "libhdf5-dev",
        '[ "serial" != "serial" ]',
        tuple(
            _line(f"/usr/lib/{each}/pkgconfig/hdf5.pc", f"/usr/lib/{each}/pkgconfig/hdf5-serial.pc", 20)
            for each in _MULTIARCH
        ),
    ),
    Unrolled(
        "openssh-client",
        '"/usr/bin/$cmd" "$cmd" "/usr/bin/$scmd" 20',
        tuple(
            _line(f"/usr/bin/{old}", f"/usr/bin/{new}", 20, [(f"{_MAN1}/{old}.1.gz", f"{_MAN1}/{new}.1.gz")])
            for old, new in (("rsh", "ssh"), ("rlogin", "slogin"), ("rcp", "scp"))
        ),
    ),
    Unrolled("procps", '"$BINPATH"/"$BINNAME".procps 50', tuple(_procps())),
    Unrolled(
        "vim",
        "/usr/bin/vim.$variant $1",
        tuple(_vim("basic", 30, "vim vimdiff rvim rview")),
    ),
    Unrolled("vim-tiny", "/usr/bin/vim.$variant $1", tuple(_vim("tiny", 15, "rview"))),
    Unrolled("xz-utils", "lzma lzma /usr/bin/xz 20 $(", (_xz(),)),
)
"""Where several lines name paths that are not there (another release, another architecture), those do not count."""
