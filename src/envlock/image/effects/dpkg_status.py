"""dpkg-status: what is installed, for scanners and for `verify`, in the layout that distroless images made common."""

from __future__ import annotations

from envlock.image.tree import Package, Tree

_OWNER = "dpkg-status"


def apply(tree: Tree) -> None:
    """Write control file and md5sums to /var/lib/dpkg/status.d, and the list of files to /var/lib/dpkg/info."""
    for package in tree.packages:
        name = package.deb.name
        status = f"var/lib/dpkg/status.d/{name}"
        tree.add(status, "file", owner=_OWNER, content=_status(package.control["control"]))
        if sums := package.control.get("md5sums"):
            tree.add(f"{status}.md5sums", "file", owner=_OWNER, content=sums)
        tree.add(f"var/lib/dpkg/info/{_qualified(package)}.list", "file", owner=_OWNER, content=_list(package))


def _status(control: bytes) -> bytes:
    """Return the control paragraph with the state that dpkg would note behind the package's name."""
    first, _, rest = control.decode("utf-8").strip("\n").partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}\n".encode()


def _qualified(package: Package) -> str:
    same = b"\nMulti-Arch: same" in package.control["control"]
    return f"{package.deb.name}:{package.deb.architecture}" if same else package.deb.name


def _list(package: Package) -> bytes:
    return "".join(f"{path}\n" for path in ("/.", *(f"/{entry.path}" for entry, _ in package.entries))).encode()
