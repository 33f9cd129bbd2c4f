"""Reads every layer of an image as a stream, and gives the files of its Python environment as a container sees them."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from envlock.errors import IntegrityError, UnverifiableError
from envlock.formats.dist_info import READ
from envlock.formats.image_tree import merged, resolved
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import Config, Descriptor, Layout, Manifest
from envlock.formats.tar import Entry
from envlock.model.edges import Progress, Task
from envlock.model.observation import Environment, File, Interpreter, LayerFact, Unknown
from envlock.model.observation import Layout as Places
from envlock.observe.distributions import find_distributions
from envlock.observe.environment import keeper

_THREADS = 2
"""Layers at a time: each holds a few MiB, and two cores are what CI has."""
_CONTENT = 8 << 20
_SITES = re.compile(r"(?P<prefix>.*?)/?(lib|lib64)/(?P<python>python3(\.\d+)?)/(site|dist)-packages")
_VERSION = re.compile(rb'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_MULTIARCH = {"amd64": "x86_64", "arm64": "aarch64"}


class _Node(msgspec.Struct, frozen=True, gc=False):
    """What stands at a path, in one layer or in all of them together."""

    kind: str
    size: int = 0
    sha256: str = ""
    content: bytes | None = None
    link: str = ""


class _LayerFiles(msgspec.Struct, kw_only=True):
    fact: LayerFact
    nodes: list[tuple[str, _Node]]
    """In the order of the archive."""


def read_image_files(
    layout: Layout, manifest: Manifest, config: Config, layers: tuple[LayerFact, ...], progress: Progress
) -> tuple[tuple[LayerFact, ...], Environment | Unknown]:
    """Return the layers with their digests checked, and the environment that a container would start with."""
    with (
        progress.task("Reading layers", sum(layer.size for layer in layers), unit="bytes") as task,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        read = list(pool.map(lambda blob, fact: _read(layout, blob, fact, task), manifest.layers, layers))
    facts = tuple(layer.fact for layer in read)
    if bad := next((fact for fact in facts if fact.problem), None):
        return facts, Unknown(reason=f"layer sha256:{bad.digest[:12]} could not be read: {bad.problem}")
    return facts, _environment(merged(layer.nodes for layer in read), config)


def _read(layout: Layout, blob: Descriptor, fact: LayerFact, task: Task) -> _LayerFiles:
    if fact.problem:
        return _LayerFiles(fact=fact, nodes=[])
    nodes: list[tuple[str, _Node]] = []

    def counted() -> Iterator[bytes]:
        for chunk in layout.chunks(blob):
            task.advance(len(chunk))
            yield chunk

    try:
        for entry, body in read_layer(
            counted(), where=blob.digest, digest=blob.digest, diff_id=f"sha256:{fact.diff_id}"
        ):
            if entry.path:
                nodes.append((f"/{entry.path}", _node(entry, body)))
    except (IntegrityError, UnverifiableError) as error:
        missing = isinstance(error, UnverifiableError)
        problem = f"{error.what} {error.found}".strip()
        return _LayerFiles(fact=msgspec.structs.replace(fact, problem=problem, missing=missing), nodes=[])
    return _LayerFiles(fact=msgspec.structs.replace(fact, checked=True), nodes=nodes)


def _node(entry: Entry, body: Iterator[bytes]) -> _Node:
    if entry.kind != "file":
        return _Node(entry.kind, link=entry.link)
    digest = hashlib.sha256()
    kept: list[bytes] | None = None
    for at, chunk in enumerate(body):
        if at == 0 and entry.size <= _CONTENT and _may_be_read(entry.path, chunk[:2]):
            kept = []
        digest.update(chunk)
        if kept is not None:
            kept.append(chunk)
    empty = b"" if entry.size == 0 and _may_be_read(entry.path, b"") else None
    content = b"".join(kept) if kept is not None else empty
    if content is not None and entry.path.endswith(".pyc"):
        content = content[:16]
    return _Node("file", entry.size, digest.hexdigest(), content)


def _may_be_read(path: str, start: bytes) -> bool:
    """Tell whether a rule may look at a file's content, before it is known where the environment is."""
    name = posixpath.basename(path)
    return (
        name in READ
        or name in ("pyvenv.cfg", "patchlevel.h")
        or name.endswith((".pth", ".pyc", ".egg-link", ".egg-info"))
        or path.startswith("var/lib/dpkg/status")
        or (start == b"#!" and posixpath.basename(posixpath.dirname(path)) in ("bin", "sbin"))
    )


def _environment(tree: dict[str, _Node], config: Config) -> Environment | Unknown:
    """Find the environment that `python` on PATH means, and read its files out of the tree."""
    found = _find_prefix(tree, config)
    if found is None:
        return Unknown(reason="no python is on the image's PATH", hint="Name an image with a Python environment.")
    prefix, python = found
    sites = _sites(tree, prefix, python)
    scripts = f"{prefix}/bin" if prefix else "/bin"
    feature = _feature(sites, python)
    venv = f"{prefix}/pyvenv.cfg" in tree
    places = Places(
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
            system=config.os,
            machine=_MULTIARCH.get(config.architecture, config.architecture),
        )
        if feature
        else Unknown(reason="no folder such as lib/python3.9 tells the version of its Python"),
        layout=places,
        distributions=find_distributions(places.sites, files),
        files=files,
        walked=True,
        hashed=True,
        bytecode=Unknown(
            reason=f"{bytecode} .pyc files cannot be compared with their sources without running the image"
        )
        if bytecode
        else None,
    )


def _file(tree: dict[str, _Node], path: str, node: _Node, keep: bool) -> File:
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


def _find_prefix(tree: dict[str, _Node], config: Config) -> tuple[str, str] | None:
    """Return (prefix, real path of its python), from VIRTUAL_ENV or the first python on PATH."""
    variables = dict(line.partition("=")[::2] for line in (config.config.env if config.config else None) or ())
    folders = [f"{variables['VIRTUAL_ENV'].rstrip('/')}/bin"] if variables.get("VIRTUAL_ENV") else []
    folders += [f for f in variables.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":") if f.startswith("/")]
    for folder in folders:
        for name in ("python", "python3"):
            path = f"{folder.rstrip('/')}/{name}"
            above = posixpath.dirname(posixpath.dirname(path)).rstrip("/")
            real = resolved(tree, path)
            if real in tree and tree[real].kind == "file":
                return (above if f"{above}/pyvenv.cfg" in tree else resolved(tree, above or "/").rstrip("/")), real
    return None


def _sites(tree: dict[str, _Node], prefix: str, python: str) -> list[str]:
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


def _version(tree: dict[str, _Node], prefix: str, feature: str) -> str:
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


def _recorded(files: dict[str, File], places: Places, tree: dict[str, _Node]) -> set[str]:
    """Return the paths outside the walked folders that RECORDs name and the image has."""
    from envlock.observe.distributions import recorded_elsewhere

    outside, _ = recorded_elsewhere(find_distributions(places.sites, files), files, places.data)
    return {path for path in outside if path in tree and tree[path].kind != "dir"}
