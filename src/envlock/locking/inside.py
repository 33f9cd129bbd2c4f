"""What is inside an image, told by its files: which Python its PATH means, glibc, distribution, packages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

import msgspec

from envlock.errors import UsageError
from envlock.formats.control import upstream_version
from envlock.formats.image_tree import resolved
from envlock.locking.dpkg_status import Installed, read_status

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a container starts with where its configuration names no PATH."""
_CONTENT = 16 << 20
_HEADER = 1 << 16
"""Any file of any image may have this name, so that many may be kept."""
_OVERLAP = 128
"""Longer than anything that is searched for in a binary."""
_INTERPRETER = re.compile(r"(/[A-Za-z0-9._+-]+)+/python(3\.\d{1,2})")
_BINARY = re.compile(r"(?:libpython3(?:\.\d+)?\.so[.\d]*|python3(?:\.\d+)?|python)")
_LIBC = re.compile(r"libc(?:-2\.\d+)?\.so(?:\.6)?")
_PYTHON_SAYS = re.compile(rb"\x00(3\.\d{1,2}\.\d{1,3}(?:(?:a|b|rc)\d+)?)\+?\x00")
_GLIBC_SAYS = re.compile(rb"GNU C Library [^\n\x00]{0,80}release version (\d+\.\d+)")
_HEADER_SAYS = re.compile(rb'^#define\s+PY_VERSION\s+"(3\.\d+\.\d+[^"+]*)', re.MULTILINE)
_LIBC_FOLDERS = ("lib64", "lib", "usr/lib64", "usr/lib")


class Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is remembered of one entry of a layer."""

    kind: str
    link: str = ""
    content: bytes = b""
    says: tuple[str, ...] = ()
    """Versions that a binary names."""


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """What one platform of an image holds."""

    distribution: str
    """Identifier and version as in os-release, such as debian-12."""
    interpreter: str
    """Absolute path, symbolic links resolved."""
    python: str
    """Full version."""
    glibc: str
    usr_merged: bool
    """Whether /lib and its like are links into /usr."""
    installed: tuple[Installed, ...]
    """What its dpkg says; empty where it has none."""


def keep(path: str, size: int, body: Iterator[bytes]) -> Kept | None:
    """Return what to remember of a file: whole small ones that say something, versions that binaries name.

    None stands for nothing: a file that hides no other and is asked for by nobody.
    """
    name = posixpath.basename(path)
    if path in ("etc/os-release", "usr/lib/os-release") or path.startswith("var/lib/dpkg/status"):
        return Kept(kind="file", content=b"".join(body) if size <= _CONTENT else b"")
    if name == "patchlevel.h":
        return Kept(kind="file", content=b"".join(body) if size <= _HEADER else b"")
    if _LIBC.fullmatch(name):
        return Kept(kind="file", says=_searched(body, _GLIBC_SAYS))
    if _BINARY.fullmatch(name):
        return Kept(kind="file", says=_searched(body, _PYTHON_SAYS))
    return Kept(kind="file") if _hides(path) else None


def _hides(path: str) -> bool:
    """Tell whether a file could stand where another layer has a folder or link that counts, or is a whiteout."""
    name = posixpath.basename(path)
    return name.startswith((".wh.", "ld-musl-")) or path.count("/") < 4


def _searched(body: Iterator[bytes], pattern: re.Pattern[bytes]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    tail = b""
    for chunk in body:
        window = tail + chunk
        found |= {match[1].decode("ascii"): None for match in pattern.finditer(window)}
        tail = window[-_OVERLAP:]
    return tuple(found)


def look_inside(tree: Mapping[str, Kept], search: str, python: str, where: str) -> Inside:
    """Read the facts of an image off its merged files; `search` is the PATH of its configuration.

    Raises UsageError (`no-glibc`, `no-python`, `no-distribution`) and IntegrityError (`bad-status`).
    """
    glibc = _glibc(tree, where)
    installed = read_status(_status_files(tree), where)
    interpreter, version = _python(tree, search or _PATH, python, installed, where)
    return Inside(
        distribution=_distribution(tree, where),
        interpreter=interpreter,
        python=version,
        glibc=glibc,
        usr_merged="/lib" in tree and tree["/lib"].kind == "symlink",
        installed=installed,
    )


def _glibc(tree: Mapping[str, Kept], where: str) -> str:
    for folder in _LIBC_FOLDERS:
        names = [f"/{folder}/libc.so.6", *(f"/{folder}/{m}-linux-gnu/libc.so.6" for m in ("x86_64", "aarch64"))]
        for name in names:
            node = tree.get(resolved(tree, name))
            if node is not None and node.says:
                return node.says[0]
    musl = any(posixpath.basename(path).startswith("ld-musl-") for path in tree)
    raise UsageError(
        "no-glibc",
        "The base's C library is musl, and manylinux wheels need glibc." if musl else "The base has no glibc.",
        where=where,
        expected="libc.so.6 of glibc",
        found="musl (Alpine)" if musl else "none",
        hint="Choose a base with glibc, such as the -slim variant in place of -alpine.",
    )


def _python(
    tree: Mapping[str, Kept], search: str, feature: str, installed: tuple[Installed, ...], where: str
) -> tuple[str, str]:
    """Return the real path and full version of the first Python on PATH that has the feature version."""
    others: dict[str, None] = {}
    for folder in search.split(":"):
        for name in (f"python{feature}", "python3", "python") if folder.startswith("/") else ():
            real = resolved(tree, f"{folder.rstrip('/')}/{name}")
            node = tree.get(real)
            if node is None or node.kind != "file":
                continue
            match = _INTERPRETER.fullmatch(real)
            if match is None or match[2] != feature:
                others[f"{real} {_own_version(node, '') or ''}".strip()] = None
                continue
            if version := _version(tree, real, node, feature, installed):
                return real, version
            others[f"{real} of an unknown version"] = None
    raise UsageError(
        "no-python",
        f"No Python {feature} is on the base's PATH.",
        where=where,
        expected=f"python{feature}",
        found=", ".join(others) or "no Python",
        hint="Choose a base that has it, or set `python` to the one it has.",
    )


def _version(
    tree: Mapping[str, Kept], real: str, node: Kept, feature: str, installed: tuple[Installed, ...]
) -> str | None:
    """Return the full version: as the binary says, or its library, its headers, or the package that it is from."""
    prefix = posixpath.dirname(posixpath.dirname(real)).rstrip("/")
    library = re.compile(rf"{re.escape(prefix)}/lib(?:64|/[^/]+)?/libpython{re.escape(feature)}\.so[.\d]*")
    nodes = [node, *(tree[path] for path in sorted(tree) if library.fullmatch(path))]
    for each in nodes:
        if version := _own_version(each, feature):
            return version
    header = tree.get(f"{prefix}/include/python{feature}/patchlevel.h")
    if header is not None and (said := _HEADER_SAYS.search(header.content)):
        return said[1].decode("ascii", "replace")
    package = next((each for each in installed if each.name == f"python{feature}-minimal"), None)
    return upstream_version(package.version) if package is not None else None


def _own_version(node: Kept, feature: str) -> str | None:
    """Return the one version of the feature version that a binary names."""
    fitting = {said for said in node.says if said.startswith(f"{feature}." if feature else "3.")}
    return fitting.pop() if len(fitting) == 1 else None


def _distribution(tree: Mapping[str, Kept], where: str) -> str:
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        node = tree.get(resolved(tree, name))
        if node is None:
            continue
        lines = (line.partition("=") for line in node.content.decode("utf-8", "replace").splitlines())
        fields = {key.strip(): value.strip().strip("\"'") for key, _, value in lines}
        if identifier := fields.get("ID"):
            return "-".join(part for part in (identifier, fields.get("VERSION_ID")) if part)
    raise UsageError(
        "no-distribution",
        "The base does not say which distribution it is.",
        where=where,
        expected="ID and VERSION_ID in /etc/os-release",
        hint="Choose a base of a distribution, such as Debian, Ubuntu or Fedora.",
    )


def _status_files(tree: Mapping[str, Kept]) -> list[bytes]:
    """Return the status file of dpkg, or those of status.d, which images without dpkg have."""
    status = tree.get(resolved(tree, "/var/lib/dpkg/status"))
    if status is not None and status.content:
        return [status.content]
    folder = resolved(tree, "/var/lib/dpkg/status.d")
    return [
        tree[path].content
        for path in sorted(tree)
        if path.startswith(f"{folder}/") and not path.endswith(".md5sums") and tree[path].kind == "file"
    ]
