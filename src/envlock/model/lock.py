"""The lock as a value: everything that decides a result, by exact identity."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from envlock.model.artifact import Build, Deb, PackageName, Suite, Version, Wheel
from envlock.model.hardware import Facts, HardwareClass
from envlock.model.platform import Platform

SCHEMA = 1
LAYER_SPEC = 1

Policy = Literal["bitwise", "numeric", "compatible"]
Urls = Literal["record", "omit"]
Cuda = Literal["wheels", "base", "none"]

THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""What the numerical libraries read their number of threads from."""


class Package(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A distribution at one version, with one wheel for each platform it is installed on."""

    name: PackageName
    """Normalised (PEP 503)."""
    version: Version
    marker: str | None = None
    dependencies: tuple[PackageName, ...] = ()
    """What of the same lock it needs on any of its platforms, sorted; locks of old do not say."""
    wheels: tuple[Wheel, ...]
    build: Build | None = None

    def built(self, wheel: Wheel) -> bool:
        """Tell whether a wheel was built when it was locked; on another platform the same release may have one."""
        return self.build is not None and wheel.path is not None and wheel.path.startswith("built/")


class BaseManifest(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The image of one platform inside a base from a registry."""

    platform: str
    digest: str
    """Of the image manifest, which names config and layers by digest."""


class BaseImage(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A base from a registry, by digest."""

    reference: str
    """As the manifest gave it, such as docker.example.com/python:3.11-slim; never read again once it is locked."""
    index: str | None = None
    """Digest of the image index, where the reference named one."""
    manifests: tuple[BaseManifest, ...]


class RunLayer(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the `run` steps of an image changed on one platform, executed when they were locked: a layer's blob."""

    platform: str
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """Of the blob."""
    diff_id: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    """Of the blob, in bytes."""
    path: Annotated[str, msgspec.Meta(pattern=r"^built/[0-9a-f]{16}/[a-z0-9._-]+\Z")]
    """Relative to the lock, where a team that keeps it in git has it."""


class BuildRoot(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Where source distributions are built for a base from a registry: the packages of a recipe like it."""

    recipe: str
    interpreter: str
    effects: tuple[str, ...]


class Base(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What an image stands on: locked Debian packages, those above an image of a registry included."""

    recipe: str | None = None
    """Of a base made of packages alone."""
    image: BaseImage | None = None
    """Of a base from a registry; `packages` are then those above it."""
    distribution: str
    interpreter: Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._+-]+)+/python3(\.\d{1,2})?\Z")]
    """Absolute path inside the image."""
    python: str
    """Full version of that interpreter, such as 3.9.2."""
    glibc: str
    solver: Literal["closure", "apt"]
    effects: tuple[str, ...]
    """What maintainer scripts would have done, by the names of `image.effects`, in order."""
    suites: tuple[Suite, ...]
    packages: tuple[Deb, ...]
    build_packages: tuple[Deb, ...] = ()
    """Beyond `packages`, in the build root only; listed where a wheel of this lock was built."""
    build_root: BuildRoot | None = None
    """Of a base from a registry, where a wheel of this lock was built."""
    run: tuple[str, ...] = ()
    """Shell commands that were executed in a container of this base and its packages, when they were locked."""
    run_layers: tuple[RunLayer, ...] = ()
    """What they changed, one for each Linux platform of the lock."""

    @property
    def builder(self) -> Base:
        """The base that wheels are built in and checked against: this one, or for one of a registry its build root."""
        if self.build_root is None:
            return self
        return msgspec.structs.replace(
            self,
            recipe=self.build_root.recipe,
            image=None,
            interpreter=self.build_root.interpreter,
            effects=self.build_root.effects,
            packages=tuple(sorted((*self.packages, *self.build_packages), key=lambda d: (d.name, d.architecture))),
            build_packages=(),
            build_root=None,
        )

    def of(self, platform: Platform) -> tuple[Deb, ...]:
        """Return the packages of one platform, `all` included, sorted by name."""
        return tuple(d for d in self.packages if d.architecture in (platform.architecture, "all"))

    def build_root_of(self, platform: Platform) -> tuple[Deb, ...]:
        """Return what the build root of one platform holds."""
        extra = (d for d in self.build_packages if d.architecture in (platform.architecture, "all"))
        return (*self.of(platform), *extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What `run` and the image set, and `verify` expects there."""

    threads: int | None = None
    env: dict[str, str] = {}

    @property
    def variables(self) -> dict[str, str]:
        """Every environment variable that follows from the settings; `env` goes before `threads`."""
        if self.threads is None:
            return dict(self.env)
        return dict.fromkeys(THREAD_VARIABLES, str(self.threads)) | self.env


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the image's configuration takes from the manifest."""

    bytecode: bool = True
    threshold: int = 1 << 20
    """Wheels of at least this many bytes get a layer of their own."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """Beside those of `settings`, which go before them."""
    workdir: str | None = None
    """Absolute path in the image."""
    user: str | None = None
    """Name or uid, with a group or gid after a colon."""


class Lock(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One environment, pinned. Written and read by `formats.pylock`."""

    env: str
    python: str
    """Feature version, such as 3.9."""
    platforms: tuple[Platform, ...]
    packages: tuple[Package, ...]
    """Sorted by name, then version."""
    frameworks: tuple[str, ...]
    as_of: str | None
    """The cutoff, RFC 3339, or None where there is none."""
    as_of_packages: dict[str, str] = {}
    """Cutoffs of single projects: RFC 3339, or `none`."""
    cuda: Cuda | None = None
    hardware: dict[str, HardwareClass] = {}
    """The classes that the environment may run on, normalised."""
    facts: Facts = Facts()
    policy: Policy = "numeric"
    urls: Urls = "record"
    inputs: dict[str, str] = {}
    """Name of each normalised input to its canonical text; `lock --check` compares them."""
    settings: Settings = Settings()
    image: ImageConfig | None = None
    base: Base | None = None
    layer_spec: int = LAYER_SPEC

    def package(self, name: str) -> Package | None:
        """Return the package of that normalised name, if it is locked."""
        return next((p for p in self.packages if p.name == name), None)


class LockFile(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A lock together with the bytes it was read from, whose sha256 is the lock digest."""

    lock: Lock
    raw: bytes

    @property
    def digest(self) -> str:
        """The lock digest: sha256 of the file, as 64 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()
