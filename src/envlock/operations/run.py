"""`envlock run`: a command in the locked environment, on this machine or in a container of the locked image."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

from envlock.errors import StaleError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.image.oci import Image, PlatformImage
from envlock.image.plan import image_of
from envlock.image.sums import read_sums
from envlock.model.container import Container, Gpus, Mount
from envlock.model.edges import Progress
from envlock.model.lock import Lock, LockFile
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.observe.distributions import normalise
from envlock.operations import local_venv
from envlock.operations.edges import Edges
from envlock.operations.image import build_image, vouched_image

WORKDIR = "/app"
"""Where the project is in a container whose image names no working directory."""
_HOME = "/tmp"  # noqa: S108 - inside; the one folder of most images that anybody may write to
_OTHER_CODE = (
    "CONDA_DEFAULT_ENV",
    "CONDA_PREFIX",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "__PYVENV_LAUNCHER__",
)
"""What makes Python, or packages that look for libraries, load code from elsewhere than the environment."""
_MISSED = ("PYTHONPATH",)
"""Those that somebody may rely on, and is told of."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of this machine, ready to be executed."""

    program: Path
    argv: tuple[str, ...]
    environment: dict[str, str]
    """All of it."""
    dropped: tuple[str, ...] = ()
    """Variables that were set here and are not passed on, though the command may have counted on them."""


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


def local_command(
    lock_file: LockFile,
    venv: Path,
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    extra: Mapping[str, str],
) -> Command:
    """Return a command in the virtual environment that `sync` made, with the lock's settings.

    The environment's programs come first on PATH, `extra` goes before the lock's settings and these before
    `environment`, of which nothing is passed on that would bring other code in. Raises UsageError (`no-venv`,
    `not-a-venv`, `other-python`, `no-command`).
    """
    lock = lock_file.lock
    if not local_venv.exists(venv):
        raise UsageError(
            "no-venv",
            f"Environment {lock.env!r} is not installed here.",
            where=str(venv),
            hint=f"Run `envlock sync {lock.env}` first, or use the image: envlock run {lock.env} --image -- …",
        )
    local_venv.check_python(venv, lock.python, lock.env)
    programs = str(venv / ("Scripts" if os.name == "nt" else "bin"))
    others = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part and part != programs]
    own = {"VIRTUAL_ENV": str(venv), "PATH": os.pathsep.join([programs, *others])}
    kept = {name: value for name, value in environment.items() if name not in _OTHER_CODE}
    variables = kept | own | lock.settings.variables | dict(extra)
    found = shutil.which(argv[0], path=variables["PATH"])
    if found is None:
        raise UsageError(
            "no-command",
            f"There is no command {argv[0]!r}, in the environment or on PATH.",
            where=str(venv),
            hint="Is it the program of a package that is not locked? `envlock add` it.",
        )
    dropped = tuple(name for name in _MISSED if name in environment and name not in variables)
    return Command(program=Path(found), argv=tuple(argv), environment=variables, dropped=dropped)


def out_of_step(lock: Lock, platform: Platform, venv: Path) -> tuple[str, ...]:
    """Return what the names of installed distributions already tell: each locked package that is not there as locked.

    Read off the folders' names in a few milliseconds; `envlock verify` looks at the files.
    """
    if local_venv.unfinished_mark(venv).exists():
        return ("its sync was interrupted",)
    from packaging.utils import canonicalize_version

    found: dict[str, str] = {}
    for site in local_venv.sites_of(venv):
        for folder in site.glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found[normalise(name)] = version
    return tuple(
        f"{package.name} {found.get(package.name, 'missing')}, locked {package.version}"
        for package, _ in wheels_of(lock, platform)
        if canonicalize_version(found.get(package.name, "").replace("_", "-")) != canonicalize_version(package.version)
    )


def refuse_out_of_step(differences: Sequence[str], env: str) -> None:
    """Raise StaleError (`out-of-step`) where an environment is not the locked one."""
    if differences:
        raise StaleError(
            "out-of-step",
            f"The installed environment is not what the lock of {env!r} says.",
            found=_several(differences),
            hint=f"Run `envlock sync {env}`.",
        )


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
    `platform` is the Engine's own where None. Raises UsageError (`not-for-platform`) where the lock is not for it, and
    what building and loading raise.
    """
    wanted = platform or store.platform
    if wanted not in lock_file.lock.platforms:
        raise UsageError(
            "not-for-platform",
            f"The lock of {lock_file.lock.env!r} is not for {wanted}.",
            expected=", ".join(map(str, lock_file.lock.platforms)),
            found=str(wanted),
            hint=f'Lock it for this platform too (platforms = [..., "{wanted}"]), or emulate one of these: --platform.',
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
    workdir = config.workdir or WORKDIR
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


def chosen_variables(texts: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ``NAME=VALUE``, or ``NAME`` for one that is set here, as docker's -e reads them.

    Raises UsageError (`bad-variable`).
    """
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError(
                "bad-variable",
                "--env does not name a variable.",
                expected="NAME=VALUE, or NAME for one that is set here",
                found=name,
            )
        if equals:
            variables[name] = value
        elif name in environment:
            variables[name] = environment[name]
    return variables


def _several(differences: Sequence[str]) -> str:
    more = f"; {len(differences) - 1} more" if len(differences) > 1 else ""
    return differences[0] + more


def said_out_of_step(differences: Sequence[str], env: str) -> str:
    """Return the warning for an environment that is not the locked one."""
    return f"the installed environment is not what is locked ({_several(differences)}); run `envlock sync {env}`."
