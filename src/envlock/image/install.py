"""What an installed wheel is inside the image: paths, modes, generated scripts and the final RECORD.

Sources: the binary distribution format, the entry points and the recording of installed projects specifications of
packaging.python.org; sysconfig's `posix_prefix` scheme below the prefix /opt/venv.
"""

from __future__ import annotations

import csv
import hashlib
import io
import posixpath
import re
from collections.abc import Iterable, Iterator

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.contents import MAGIC
from envlock.formats.launcher import UV
from envlock.formats.record import encode_sha256
from envlock.formats.tar import Entry
from envlock.formats.wheel import EntryPoint, WheelEntry, WheelFile

PREFIX = "opt/venv"
INTERPRETER = f"/{PREFIX}/bin/python"
_OPAQUE = f"{PREFIX}/.wh..wh..opq"
_SHEBANG = f"#!{INTERPRETER}".encode()
_LAUNCHER = "#!{interpreter}\n" + UV
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_INSTALLER = b"envlock\n"
_UNUSED = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files of .dist-info that describe the wheel or another installation, not this one."""


class InstalledFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an installed wheel. Exactly one of `entry` (bytes from the wheel) and `text` (generated) is set."""

    path: str
    """In the image, without a leading slash."""
    executable: bool
    sha256: str
    """Hex."""
    size: int
    entry: WheelEntry | None = None
    text: bytes = b""

    @property
    def tar_entry(self) -> Entry:
        """The file as an entry of a layer."""
        return Entry(path=self.path, kind="file", mode=0o755 if self.executable else 0o644, size=self.size)


def site_packages(python: str) -> str:
    """Return the folder of pure and platform libraries; `python` is a feature version such as 3.9."""
    return f"{PREFIX}/lib/python{python}/site-packages"


def installed_files(wheel: WheelFile, python: str) -> tuple[InstalledFile, ...]:
    """Return the files of an installed wheel, sorted by the UTF-8 bytes of their paths, without bytecode.

    Raises IntegrityError (`bad-wheel`) where two of them would be the same file, or an entry point names no function.
    """
    site = site_packages(python)
    dist_info = f"{site}/{wheel.dist_info}"
    files = [_brought(wheel, entry, python) for entry in wheel.entries if not _is_unused(wheel, entry)]
    files += [_launcher(wheel, point) for point in wheel.entry_points()]
    files.append(_generated(f"{dist_info}/INSTALLER", _INSTALLER))
    paths: set[str] = set()
    for file in files:
        if file.path in paths:
            raise IntegrityError(
                "bad-wheel", f"{wheel.filename} is refused: it installs /{file.path} twice.", where=wheel.filename
            )
        paths.add(file.path)
    files.append(_generated(f"{dist_info}/RECORD", _record(files, site, f"{wheel.dist_info}/RECORD")))
    return tuple(sorted(files, key=lambda file: file.path.encode()))


def sources(files: Iterable[InstalledFile], python: str) -> tuple[InstalledFile, ...]:
    """Return the files that get bytecode, in the order given: every module below site-packages."""
    site = site_packages(python) + "/"
    return tuple(file for file in files if file.path.startswith(site) and file.path.endswith(".py"))


def with_parents(paths: Iterable[str], seen: set[str]) -> Iterator[str]:
    """Yield the folders that each path needs and that were not yielded before, outermost first, below our prefix.

    `seen` remembers them. `opt` itself belongs to the base.
    """
    for path in paths:
        parts = path.split("/")
        for depth in range(2, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in seen:
                seen.add(folder)
                yield folder


def folder(path: str) -> Entry:
    """Return the entry of a folder of ours."""
    return Entry(path=path, kind="dir", mode=0o755)


def venv_skeleton(version: str, interpreter: str, *, opaque: bool = False) -> tuple[tuple[Entry, bytes], ...]:
    """Return the entries of an empty virtual environment with their bodies.

    Args:
        version: the interpreter's full version, such as 3.9.2.
        interpreter: its absolute path in the image.
        opaque: hide what lower layers have in its place (image-spec 1.1, layer.md, opaque whiteout): a base from a
            registry may have an environment of its own there, whose packages nobody locked.
    """
    python = ".".join(version.split(".")[:2])
    configuration = (
        f"home = {posixpath.dirname(interpreter)}\ninclude-system-site-packages = false\nversion = {version}\n"
    ).encode()
    entries = {
        f"{PREFIX}/bin/python": _link(f"{PREFIX}/bin/python", interpreter),
        f"{PREFIX}/bin/python3": _link(f"{PREFIX}/bin/python3", "python"),
        f"{PREFIX}/bin/python{python}": _link(f"{PREFIX}/bin/python{python}", "python"),
        # venv makes it wherever pointers have 64 bits, whatever the distribution calls its own folder.
        f"{PREFIX}/lib64": _link(f"{PREFIX}/lib64", "lib"),
        f"{PREFIX}/pyvenv.cfg": Entry(path=f"{PREFIX}/pyvenv.cfg", kind="file", mode=0o644, size=len(configuration)),
    }
    if opaque:
        entries[_OPAQUE] = Entry(path=_OPAQUE, kind="file", mode=0o644)
    site = site_packages(python)
    folders = [*with_parents([*entries, f"{site}/"], set()), f"{PREFIX}/include"]
    entries |= {path: folder(path) for path in folders}
    return tuple((entries[path], configuration if path.endswith(".cfg") else b"") for path in sorted(entries))


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A path of the image and who puts it there."""

    path: str
    owner: str
    """The file name of a wheel, or what else it is."""
    sha256: str
    """Hex; empty for what is not a file."""


def check_conflicts(owned: Iterable[Owned]) -> None:
    """Raise UsageError (`file-conflict`) naming every path that several wheels hold with different bytes.

    The same bytes are fine. A path that is a file to one wheel and a folder to another is a conflict too.
    """
    first: dict[str, Owned] = {}
    conflicts: list[tuple[Owned, Owned]] = []
    for file in owned:
        other = first.setdefault(file.path, file)
        if other.sha256 != file.sha256 or (not file.sha256 and other is not file):
            conflicts.append((other, file))
    folders: set[str] = {"", PREFIX}
    for file in first.values():
        above, passed = file.path.rpartition("/")[0], []
        while above not in folders and above not in first:
            passed.append(above)
            above = above.rpartition("/")[0]
        if above in first:
            conflicts.append((first[above], file))
        else:
            folders.update(passed)
    if not conflicts:
        return
    conflicts.sort(key=lambda pair: pair[1].path.encode())
    one, other = conflicts[0]
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    raise UsageError(
        "file-conflict",
        f"{one.owner} and {other.owner} both install /{one.path}, with different content{more}.",
        where="\n         ".join(f"/{first.path}: {first.owner}, {second.owner}" for first, second in conflicts[:20]),
        hint="Keep one of the packages: which of them would be imported depends on the order of installation.",
    )


def _is_unused(wheel: WheelFile, entry: WheelEntry) -> bool:
    return entry.scheme == "site" and entry.path in {f"{wheel.dist_info}/{name}" for name in _UNUSED}


def _brought(wheel: WheelFile, entry: WheelEntry, python: str) -> InstalledFile:
    folders = {
        "site": site_packages(python),
        "scripts": f"{PREFIX}/bin",
        "data": PREFIX,
        "headers": f"{PREFIX}/include/site/python{python}/{wheel.name}",
    }
    inside = entry.path
    if entry.scheme == "data" and inside.startswith("lib64/"):
        inside = inside.replace("lib64/", "lib/", 1)  # lib64 is a link there
    path = f"{folders[entry.scheme]}/{inside}"
    if entry.scheme == "scripts":
        text = _rewritten(wheel, entry)
        if text is not None:
            return _generated(path, text, executable=True)
    if entry.sha256 is None:
        raise IntegrityError("bad-record", f"RECORD gives no sha256 for {entry.name!r}.", where=wheel.filename)
    executable = entry.executable or entry.scheme == "scripts"
    return InstalledFile(path=path, executable=executable, sha256=entry.sha256, size=entry.size, entry=entry)


def _rewritten(wheel: WheelFile, entry: WheelEntry) -> bytes | None:
    """Return a ``#!python`` script with our interpreter in its first line, or None for any other script."""
    chunks = wheel.chunks(entry)
    if not next(chunks, b"").startswith(MAGIC):
        return None
    first, newline, rest = wheel.read(entry).partition(b"\n")
    # `#!pythonw`, `#!python -E`: the word is replaced, arguments stay (binary distribution format, installing).
    arguments = first.removeprefix(MAGIC).removeprefix(b"w")
    return _SHEBANG + arguments + newline + rest


def _launcher(wheel: WheelFile, point: EntryPoint) -> InstalledFile:
    for name in (point.module, point.attr):
        if not _DOTTED.fullmatch(name):
            raise IntegrityError(
                "bad-wheel",
                f"{wheel.filename} is refused: its entry point {point.name!r} names no function.",
                where=wheel.filename,
                found=f"{point.module}:{point.attr}",
            )
    text = _LAUNCHER.format(
        interpreter=INTERPRETER, module=point.module, name=point.attr.partition(".")[0], attr=point.attr
    )
    return _generated(f"{PREFIX}/bin/{point.name}", text.encode(), executable=True)


def _generated(path: str, text: bytes, *, executable: bool = False) -> InstalledFile:
    return InstalledFile(
        path=path, executable=executable, sha256=hashlib.sha256(text).hexdigest(), size=len(text), text=text
    )


def _record(files: Iterable[InstalledFile], site: str, own: str) -> bytes:
    """Return RECORD: sorted rows, paths relative to site-packages, its own row without hash and size."""
    rows = [(own, "", "")]
    for file in files:
        path = file.path.removeprefix(site + "/")
        if path == file.path:
            path = posixpath.relpath(file.path, site)
        rows.append((path, encode_sha256(bytes.fromhex(file.sha256)), str(file.size)))
    rows.sort(key=lambda row: row[0].encode())
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _link(path: str, target: str) -> Entry:
    return Entry(path=path, kind="symlink", mode=0o777, link=target)
