"""ca-bundle: /etc/ssl/certs as update-ca-certificates makes it, links by subject hash included."""

from __future__ import annotations

from envlock.errors import IntegrityError
from envlock.formats.certificate import subject_hash
from envlock.image.tree import Tree

_OWNER = "ca-bundle"
_SOURCE = "usr/share/ca-certificates"
_LOCAL = "usr/local/share/ca-certificates"
"""Of the administrator: packages leave it empty, a base from a registry may not."""
_CERTS = "etc/ssl/certs"


def apply(tree: Tree) -> None:
    """Link every certificate, write the bundle of all of them, and link each by the hash of its subject."""
    for folder in (_LOCAL, _CERTS):
        if folder not in tree:
            tree.add(folder, "dir", owner=_OWNER, mode=0o755)
    shipped, local = (
        [entry.path for entry in tree.under(folder, ".crt") if entry.kind == "file"] for folder in (_SOURCE, _LOCAL)
    )
    names = "".join(f"{path.removeprefix(_SOURCE + '/')}\n" for path in shipped)
    if "etc/ca-certificates.conf" not in tree:
        tree.add("etc/ca-certificates.conf", "file", owner=_OWNER, content=names.encode())
    bundle = bytearray()
    hashes: dict[str, int] = {}
    for path in (*shipped, *local):
        pem = tree.read(path)
        # update-ca-certificates flattens names and makes them safe in the same way.
        name = path.rpartition("/")[2].removesuffix(".crt").translate(str.maketrans(" ()", "_=="))
        name = f"{name.replace(',', '_')}.pem"
        tree.add(f"{_CERTS}/{name}", "symlink", owner=_OWNER, link=f"/{path}")
        bundle += pem if pem.endswith(b"\n") else pem + b"\n"
        try:
            digest = subject_hash(pem)
        except ValueError as error:
            raise IntegrityError("bad-certificate", f"A certificate cannot be read: {error}.", where=path) from error
        number = hashes.get(digest, 0)
        hashes[digest] = number + 1
        tree.add(f"{_CERTS}/{digest}.{number}", "symlink", owner=_OWNER, link=name)
    tree.add(f"{_CERTS}/ca-certificates.crt", "file", owner=_OWNER, content=bytes(bundle))
