"""`envlock run --image`: a command in a container of the locked image."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from envlock.errors import UsageError
from envlock.image.oci import Image, PlatformImage
from envlock.image.plan import image_of
from envlock.image.project import DEFAULT_WORKDIR
from envlock.image.sums import read_sums
from envlock.model.container import Container, Gpus, Mount
from envlock.model.edges import Progress
from envlock.model.lock import Lock, LockFile
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.edges import Edges
from envlock.operations.image import build_image, vouched_image
from envlock.operations.references import no_image

_HOME = "/tmp"  # noqa: S108 - inside; the one folder of most images that anybody may write to


class ImageStore(Protocol):
    """The images of an Engine."""

    @property
    def platform(self) -> Platform:
        """The platform that it runs."""

    def find(self, image: Image, platform: PlatformImage) -> str | None:
        """Return the ID under which it has one platform of an image, None where it has not."""

    def load(
        self, image: Image, platform: PlatformImage, tags: Sequence[str], *, progress: Progress | None = None
    ) -> str:
        """Make it hold one platform of an image under these tags, and return its ID."""


def engine_image(
    lock_file: LockFile,
    *,
    folder: Path,
    sums: Path,
    edges: Edges,
    store: ImageStore,
    warn: Callable[[str], None],
    repositories: Sequence[Reference] = (),
    platform: Platform | None = None,
) -> str:
    """Return the ID of the locked image in an Engine, built and loaded only where the Engine does not have it.

    Which image that is, `envlock.sum` says; `repositories` may have layers of it.
    `platform` is the Engine's own where None. Raises UsageError (`no-image`; `not-for-platform`) where the lock is not
    for it, and what building and loading raise.
    """
    wanted = platform or store.platform
    if lock_file.lock.image is None:
        raise no_image(lock_file.lock.env)
    if wanted not in lock_file.lock.platforms:
        raise UsageError(
            "not-for-platform",
            f"The lock of {lock_file.lock.env!r} is not for {wanted}.",
            expected=", ".join(map(str, lock_file.lock.platforms)),
            found=str(wanted),
            hint=f'Lock it for this platform too (platforms = [..., "{wanted}"]), or emulate another one: --platform.',
        )
    known = vouched_image(lock_file, read_sums(sums), edges)
    if known is not None and (found := store.find(known, known.of(wanted))) is not None:
        return found
    image = build_image(lock_file, folder=folder, sums=sums, edges=edges, warn=warn, repositories=repositories)
    name = f"{re.sub('[^a-z0-9]+', '-', lock_file.lock.env.lower()).strip('-') or 'env'}:{image.tag}"
    return store.load(image, image.of(wanted), [name], progress=edges.progress)


def container_for(
    lock_file: LockFile,
    image: str,
    argv: Sequence[str],
    *,
    project: Path,
    cwd: Path,
    user: str | None,
    gpus: Gpus | None,
    extra: Mapping[str, str],
    mounts: Sequence[Mount] = (),
    network: str | None = None,
) -> Container:
    """Return the container of a command in the locked image, the project folder mounted, writable, where it works.

    It works in the folder of the project that `cwd` is. A `user` who need not be known inside gets a home that
    anybody may write to, and a name. `gpus` is what the lock wants where None. The lock's settings are in the image.
    """
    base, config = image_of(lock_file.lock)
    home = {} if user is None else {"HOME": _HOME, "USER": "envlock", "LOGNAME": "envlock"}
    set_inside = config.env.keys() | lock_file.lock.settings.variables.keys()
    variables = {name: value for name, value in home.items() if name not in set_inside} | dict(extra)
    workdir = config.workdir or DEFAULT_WORKDIR
    inside = PurePosixPath(*cwd.relative_to(project).parts) if cwd.is_relative_to(project) else PurePosixPath()
    return Container(
        image=image,
        interpreter=base.interpreter,
        argv=tuple(argv),
        workdir=str(PurePosixPath(workdir, inside)),
        variables=variables,
        mounts=(Mount(source=str(project), target=workdir), *mounts),
        user=user,
        gpus=gpus_of(lock_file.lock) if gpus is None else gpus,
        network=network,
    )


def gpus_of(lock: Lock) -> Gpus:
    """Return whether a lock wants NVIDIA GPUs.

    It requires them where every hardware class does, or CUDA was asked for and there is no class; it wants them where
    some class does, or CUDA was asked for and some class leaves it open.
    """
    asked = lock.cuda in ("wheels", "base") and lock.facts.cuda is not None
    kinds = {one.accelerator.kind if one.accelerator else None for one in lock.hardware.values()}
    if kinds == {"nvidia"} or (asked and not kinds):
        return "required"
    return "wanted" if "nvidia" in kinds or (asked and None in kinds) else "none"
