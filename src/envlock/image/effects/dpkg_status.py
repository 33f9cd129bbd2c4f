"""dpkg-status: what is installed, for scanners and for `verify`: as dpkg notes it where it has noted something already.

In a tree without dpkg's own list, the layout that distroless images made common.
"""

from __future__ import annotations

import hashlib
import re

from envlock.image.tree import Package, Tree

_OWNER = "dpkg-status"
_LIST = "var/lib/dpkg/status"
_NAME = re.compile(r"^Package: *(?P<name>\S+)$", re.MULTILINE)
_ARCHITECTURE = re.compile(r"^Architecture: *(?P<name>\S+)$", re.MULTILINE)


def apply(tree: Tree) -> None:
    """Note every package: in /var/lib/dpkg/status where that is, else in status.d; its files in /var/lib/dpkg/info."""
    known = _LIST in tree
    for package in tree.packages:
        if not known:
            status = f"{_LIST}.d/{package.deb.name}"
            tree.add(status, "file", owner=_OWNER, content=_status(package.control["control"]))
            _add_if_any(tree, f"{status}.md5sums", package, "md5sums")
        info = f"var/lib/dpkg/info/{_qualified(package)}"
        tree.add(f"{info}.list", "file", owner=_OWNER, content=_list(package))
        if known:
            _add_if_any(tree, f"{info}.md5sums", package, "md5sums")
            _add_if_any(tree, f"{info}.conffiles", package, "conffiles")
    if known:
        content = _merged(tree.read(_LIST).decode("utf-8", "surrogateescape"), tree)
        tree.add(_LIST, "file", owner=_OWNER, content=content.encode("utf-8", "surrogateescape"))


def _merged(text: str, tree: Tree) -> str:
    """Return the list of an image with the packages above it: older versions go, new ones come last."""
    new = {package.deb.name: package for package in tree.packages}

    def stays(stanza: str) -> bool:
        name, architecture = _NAME.search(stanza), _ARCHITECTURE.search(stanza)
        package = new.get(name["name"]) if name else None
        own = {"all", package.deb.architecture} if package else set()
        # Of another architecture, it is another package (dpkg(1), multiarch).
        return package is None or (
            architecture is not None and architecture["name"] not in own and package.deb.architecture != "all"
        )

    kept = [stanza.strip("\n") for stanza in re.split(r"\n{2,}", text) if stanza.strip() and stays(stanza)]
    added = [
        (_status(package.control["control"]).decode("utf-8") + _settings(package, tree)).strip("\n")
        for package in tree.packages
    ]
    return "".join(f"{stanza}\n\n" for stanza in (*kept, *added))


def _settings(package: Package, tree: Tree) -> str:
    """Return the field that says what the settings files were like when they came, for `dpkg --verify`."""
    rows = []
    contents = {f"/{entry.path}": (offset, entry.size) for entry, offset in package.entries if entry.kind == "file"}
    for path in package.control.get("conffiles", b"").decode("utf-8", "replace").split():
        if path in contents:
            content = b"".join(tree.spool.chunks(*contents[path]))
            rows.append(f" {path} {hashlib.md5(content, usedforsecurity=False).hexdigest()}")
    return "\n".join(["Conffiles:", *rows, ""]) if rows else ""


def _add_if_any(tree: Tree, path: str, package: Package, name: str) -> None:
    if content := package.control.get(name):
        tree.add(path, "file", owner=_OWNER, content=content)


def _status(control: bytes) -> bytes:
    """Return the control paragraph with the state that dpkg would note behind the package's name."""
    first, _, rest = control.decode("utf-8").strip("\n").partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}\n".encode()


def _qualified(package: Package) -> str:
    same = b"\nMulti-Arch: same" in package.control["control"]
    return f"{package.deb.name}:{package.deb.architecture}" if same else package.deb.name


def _list(package: Package) -> bytes:
    return "".join(f"{path}\n" for path in ("/.", *(f"/{entry.path}" for entry, _ in package.entries))).encode()
