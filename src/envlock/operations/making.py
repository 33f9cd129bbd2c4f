"""The images of one environment of a manifest: that of its lock, and that of the project's files on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from envlock.image.oci import Image
from envlock.image.sums import read_sums
from envlock.model.lock import LockFile
from envlock.model.manifest import Manifest
from envlock.model.reference import Reference
from envlock.operations.edges import Edges
from envlock.operations.image import build_image, vouched_image
from envlock.operations.materials import Elsewhere, nowhere
from envlock.operations.project import project_image
from envlock.operations.pull import pull_image
from envlock.operations.references import neighbours


@dataclass(frozen=True, kw_only=True)
class Making:
    """How the images of one environment are made."""

    manifest: Manifest
    name: str
    lock_file: LockFile
    edges: Edges
    warn: Callable[[str], None]

    @property
    def includes(self) -> tuple[str, ...]:
        """What the manifest includes of the project's files."""
        table = self.manifest.environment(self.name).image
        return table.include if table is not None else ()

    def vouched(self) -> Image | None:
        """Return the documents of the lock's image where `envlock.sum` vouches for it, and no layer."""
        return vouched_image(self.lock_file, read_sums(self.manifest.sums_path), self.edges)

    def build(self, elsewhere: Elsewhere = nowhere, *, jobs: int | None = None, rebuild: bool = False) -> Image:
        """Return the lock's image, built of what neither the cache nor a repository of the manifest has."""
        return build_image(
            self.lock_file,
            folder=self.manifest.lock_path(self.name).parent,
            sums=self.manifest.sums_path,
            edges=self.edges,
            warn=self.warn,
            repositories=() if rebuild else neighbours(self.manifest, self.name, self.lock_file.lock),
            elsewhere=elsewhere,
            jobs=jobs,
            rebuild=rebuild,
        )

    def pulled(self, repository: Reference, tag: str | None) -> tuple[Image, ...]:
        """Return the lock's image out of a repository, and after it that of the project, made of the files here.

        Where the manifest includes files, a tag is the project image's, as `push` gives it. Raises what `pull_image`
        and `project_image` raise.
        """
        sums, edges = self.manifest.sums_path, self.edges
        own = None if self.includes else tag
        images = self.with_project(
            pull_image(self.lock_file, repository, own, sums=sums, edges=edges, warn=self.warn),
        )
        if self.includes and tag is not None:
            asked, expected = repository.tagged(tag), images[-1].index.descriptor.digest
            found = edges.registry().find(asked)
            if found != expected:
                said = "names nothing" if found is None else f"names another image, {found}"
                self.warn(f"{asked} {said}; what follows from the lock and the files here is {expected}")
        return images

    def with_project(self, image: Image, *, rebuild: bool = False) -> tuple[Image, ...]:
        """Return the lock's image, and after it that of the project where the manifest includes files."""
        config = self.lock_file.lock.image
        if not self.includes or config is None:
            return (image,)
        project = project_image(
            image,
            include=self.includes,
            workdir=config.workdir,
            folder=self.manifest.folder,
            layers=self.edges.artifacts.folder("layers"),
            progress=self.edges.progress,
            warn=self.warn,
            rebuild=rebuild,
        )
        return (image, project)
