"""The Python environment of an image or a container, found in its files without running anything."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

import msgspec

from envlock.formats.image_tree import resolved
from envlock.model.observation import Distribution, Environment, File, Interpreter, Layout, Unknown
from envlock.observe.distributions import find_distributions, recorded_elsewhere
from envlock.observe.wanted import keeper

_SITES = re.compile(r"(?P<prefix>.*?)/?(lib|lib64)/(?P<python>python3(\.\d+)?)/(site|dist)-packages")
_VERSION = re.compile(rb'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_MULTIARCH = {"amd64": "x86_64", "arm64": "aarch64"}
_PATH = "/usr/local/bin:/usr/bin:/bin"
"""What is searched where an image names no PATH."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """What stands at a path, in one layer or in all of them together."""

    kind: str
    size: int = 0
    sha256: str = ""
    content: bytes | None = None
    link: str = ""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What programs are started with, as an image's configuration or an Engine says it."""

    system: str
    architecture: str
    variables: Mapping[str, str]


def environment_of(tree: dict[str, Node], start: Start) -> Environment | Unknown:
    """Find the environment that `python` on PATH means, and read its files out of the tree of absolute paths."""
    found = find_prefix(tree, start)
    if found is None:
        return Unknown(reason="no python is on the image's PATH", hint="Name an image with a Python environment.")
    prefix, python = found
    sites = _sites(tree, prefix, python)
    scripts = f"{prefix}/bin" if prefix else "/bin"
    feature = _feature(sites, python)
    venv = f"{prefix}/pyvenv.cfg" in tree
    places = Layout(
        prefix=prefix or "/",
        sites=tuple(sites),
        scripts=scripts,
        data=prefix or "/",
        headers=tuple(f"{prefix}/include/{folder}" for folder in (f"site/python{feature}", f"python{feature}")),
        pythons=tuple(
            dict.fromkeys(
                f"{folder}/{name}"
                for folder in (scripts, "/usr/bin")
                for name in ("python", "python3", f"python{feature}")
            )
        ),
    )
    keep = keeper(places.sites, scripts)
    files: dict[str, File] = {}
    roots = tuple(f"{folder.rstrip('/')}/" for folder in (*places.sites, *((prefix,) if venv else (scripts,))))
    for path, node in tree.items():
        if node.kind != "dir" and path.startswith(roots):
            files[path] = _file(tree, path, node, keep(path, (node.content or b"")[:2]))
    if not venv:
        for path in _recorded(files, places, tree):
            files[path] = _file(tree, path, tree[path], keep=False)
    bytecode = sum(path.endswith(".pyc") for path in files)
    return Environment(
        interpreter=Interpreter(
            implementation="cpython",
            version=_version(tree, prefix, feature),
            system=start.system,
            machine=_MULTIARCH.get(start.architecture, start.architecture),
        )
        if feature
        else Unknown(reason="no folder such as lib/python3.9 tells the version of its Python"),
        layout=places,
        distributions=_with_conda(find_distributions(places.sites, files), tree, prefix),
        files=files,
        walked=True,
        hashed=True,
        bytecode=Unknown(
            reason=f"{bytecode} .pyc files cannot be compared with their sources without running the image"
        )
        if bytecode
        else None,
    )


def _file(tree: dict[str, Node], path: str, node: Node, keep: bool) -> File:
    linked = node.kind == "symlink"
    target = tree.get(resolved(tree, path)) if linked else node
    if target is None or target.kind != "file":
        what = "a link to nothing that is a file" if linked else "neither a file nor a folder"
        return File(kind="other", size=0, problem=f"it is {what}")
    return File(
        kind="link" if linked else "file",
        size=target.size,
        sha256=target.sha256,
        content=target.content if keep else None,
    )


def find_prefix(tree: Mapping[str, Node], start: Start) -> tuple[str, str] | None:
    """Return (prefix, real path of its python), from VIRTUAL_ENV or the first python on PATH."""
    active = start.variables.get("VIRTUAL_ENV")
    folders = [f"{active.rstrip('/')}/bin"] if active else []
    folders += [folder for folder in start.variables.get("PATH", _PATH).split(":") if folder.startswith("/")]
    for folder in folders:
        for name in ("python", "python3"):
            path = f"{folder.rstrip('/')}/{name}"
            above = posixpath.dirname(posixpath.dirname(path)).rstrip("/")
            real = resolved(tree, path)
            if real in tree and tree[real].kind == "file":
                return (above if f"{above}/pyvenv.cfg" in tree else resolved(tree, above or "/").rstrip("/")), real
    return None


def _sites(tree: dict[str, Node], prefix: str, python: str) -> list[str]:
    """Return the site folders of a prefix, with what Debian's own Python looks at besides."""
    version = re.search(r"python(3\.\d+)$", python)
    found = set()
    for path, node in tree.items():
        if node.kind in ("dir", "file") and (match := _SITES.match(path)) and match["prefix"] == prefix:
            site = match[0] if match[0].startswith("/") else f"/{match[0]}"
            if not version or match["python"] in ("python3", f"python{version[1]}"):
                found.add(resolved(tree, site))
    if prefix == "/usr" and version and f"/usr/local/lib/python{version[1]}/dist-packages" in tree:
        found.add(f"/usr/local/lib/python{version[1]}/dist-packages")
    return sorted(found, key=lambda site: (not site.startswith("/usr/local"), site))


def _feature(sites: Iterable[str], python: str) -> str:
    for text in (python, *sites):
        if match := re.search(r"python(3\.\d+)", text):
            return match[1]
    return ""


def _version(tree: dict[str, Node], prefix: str, feature: str) -> str:
    """Return the interpreter's version as its headers, Debian's package or pyvenv.cfg give it; else the feature."""
    for path in (f"{prefix}/include/python{feature}/patchlevel.h", f"/usr/local/include/python{feature}/patchlevel.h"):
        node = tree.get(path)
        if node is not None and node.content and (match := _VERSION.search(node.content)):
            return match[1].decode("ascii", "replace").rstrip("+")
    package = re.compile(
        rf"^Package: python{re.escape(feature)}(-minimal)?$.*?^Version: ({re.escape(feature)}\.\d+)".encode(),
        re.MULTILINE | re.DOTALL,
    )
    for path, node in tree.items():
        if path.startswith("/var/lib/dpkg/status") and node.content:
            for stanza in node.content.split(b"\n\n"):
                if match := package.search(stanza):
                    return match[2].decode()
    config = tree.get(f"{prefix}/pyvenv.cfg")
    for line in (config.content or b"").splitlines() if config else ():
        key, _, value = line.partition(b"=")
        if key.strip() in (b"version", b"version_info"):
            return value.strip().decode("ascii", "replace")
    return feature


def _recorded(files: dict[str, File], places: Layout, tree: dict[str, Node]) -> set[str]:
    """Return the paths outside the walked folders that RECORDs name and the image has."""
    outside, _ = recorded_elsewhere(find_distributions(places.sites, files), files, places.data)
    return {path for path in outside if path in tree and tree[path].kind != "dir"}


def _with_conda(found: tuple[Distribution, ...], tree: Mapping[str, Node], prefix: str) -> tuple[Distribution, ...]:
    """Mark what conda installed: conda-meta has a file for it, in the name of which only the version is sure."""
    if not any(each.installer.startswith("conda") for each in found):
        return found
    names = {path.rpartition("/")[2] for path in tree if path.startswith(f"{prefix}/conda-meta/")}
    versions = {parts[1] for name in names if len(parts := name.removesuffix(".json").rsplit("-", 2)) == 3}
    return tuple(
        msgspec.structs.replace(each, by_conda=each.installer.startswith("conda") and each.version in versions)
        for each in found
    )
