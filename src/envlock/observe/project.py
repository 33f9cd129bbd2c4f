"""Observes the layer of project files on top of an image: its files are hashed as a stream, and unpacked nowhere."""

from __future__ import annotations

import hashlib

from envlock.errors import IntegrityError, UnverifiableError
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import Config, Manifest
from envlock.formats.project import LABEL_SOURCE, comment_of, tree_digest
from envlock.formats.tar import Entry
from envlock.model.observation import LayerFact, ProjectFact, Unknown
from envlock.observe.sources import ImageSource

_IMPORTABLE = (".py", ".pyc", ".so")
_TOLD = 20


def observe_project(
    source: ImageSource, manifest: Manifest, config: Config, fact: LayerFact, below: tuple[str, ...], limit: int
) -> tuple[ProjectFact, str]:
    """Return what the last layer of an image that calls itself a project's holds, and how its bytes contradict it.

    `below` are the digests that the image may have without it, `fact` is what is known of the layer; one of more than
    `limit` bytes is not read.
    """
    blob, found = manifest.layers[-1], ProjectFiles(destination_of(config))
    problem = ""
    tree: str | Unknown = Unknown(reason=f"its layer of {blob.size / 1e6:.0f} MB is not read")
    if not fact.problem and blob.size <= limit:
        try:
            for entry, body in read_layer(
                source.chunks(blob), where=blob.digest, digest=blob.digest, diff_id=f"sha256:{fact.diff_id}"
            ):
                digest = hashlib.sha256()
                for chunk in body:
                    digest.update(chunk)
                found.add(entry, digest.hexdigest())
            tree = tree_of(found)
        except IntegrityError as error:
            problem = f"{error.what} {error.found}".strip()
            tree = Unknown(reason=error.what)
        except UnverifiableError as error:
            tree = Unknown(reason=error.what)
    return project_fact(config, found, tree, below), problem


def destination_of(config: Config) -> str:
    """Return the folder of a project's files: the working folder."""
    return (config.config.working_dir if config.config else None) or "/"


def tree_of(found: ProjectFiles) -> str:
    """Return the digest of a project's files."""
    return tree_digest(found.rows, found.destination)


def project_fact(config: Config, found: ProjectFiles, tree: str | Unknown, below: tuple[str, ...]) -> ProjectFact:
    """Return what is known of a project layer, with `tree` the digest of its files."""
    destination = destination_of(config)
    return ProjectFact(
        source=config.labels.get(LABEL_SOURCE, "").removeprefix("sha256:"),
        destination=destination,
        environments=below,
        comment=comment_of(config.history[-1].comment) if config.history else "",
        tree=tree,
        files=len(found.rows),
        strays=tuple(sorted(found.strays)[:_TOLD]),
        modules=tuple(sorted(found.modules)),
        roots=tuple(
            dict.fromkeys(
                folder
                for folder in (destination, *config.variables.get("PYTHONPATH", "").split(":"))
                if folder == destination or folder.startswith(f"{destination.rstrip('/')}/")
            )
        ),
    )


class ProjectFiles:
    """The entries of one layer, sorted into what a project layer holds and what it does not."""

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._top = destination.strip("/")
        self.rows: list[tuple[str, str, str]] = []
        self.modules: list[str] = []
        self.strays: list[str] = []

    def add(self, entry: Entry, sha256: str) -> None:
        """Take one entry; `sha256` is that of its bytes."""
        path = f"/{entry.path}"
        inside = entry.path.removeprefix(f"{self._top}/")
        if (entry.uid, entry.gid) != (0, 0):
            self.strays.append(f"{path} belongs to {entry.uid}:{entry.gid}")
        elif entry.path != self._top and inside == entry.path:
            self.strays.append(f"{path} is not in /{self._top}")
        elif inside.rpartition("/")[2].startswith(".wh."):
            self.strays.append(f"{path} hides a file")
        elif entry.kind == "dir" and entry.mode == 0o755:
            pass
        elif entry.kind == "symlink":
            target = hashlib.sha256(entry.link.encode("utf-8", "surrogateescape")).hexdigest()
            self.rows.append((inside, "link", target))
        elif entry.kind == "file" and entry.mode in (0o644, 0o755) and inside != entry.path:
            self.rows.append((inside, f"{entry.mode:04o}", sha256))
            if path.endswith(_IMPORTABLE):
                self.modules.append(path)
        else:
            self.strays.append(f"{path} is a {entry.kind} of mode {entry.mode:04o}")
