"""The manifest, `envlock.toml`, as a value: what the user asks for. `model.manifest_parser` reads it."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec

from envlock.errors import UsageError, did_you_mean
from envlock.model.hardware import HardwareClass
from envlock.model.index import Index
from envlock.model.lock import Cuda, Policy, Settings, Urls
from envlock.model.names import Project
from envlock.model.platform import Platform
from envlock.model.terms import VerifyTable

FILENAME = "envlock.toml"


class ImageTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[env.NAME.image]."""

    base: str
    """A recipe of images/, or the reference of an image in a registry."""
    os_packages: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    """Shell commands executed at lock time, in a container of the pinned base; what they change is locked."""
    bytecode: bool = True
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """Variables of containers, beside those of `settings`, which go before them."""
    workdir: str | None = None
    """Absolute path in the image."""
    user: str | None = None
    """Name or uid, with a group or gid after a colon."""
    repository: str | None = None
    """Where `push` puts the image."""
    include: tuple[str, ...] = ()
    """Project files of the project image."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[env.NAME]: one environment to lock, its `extends` already merged in."""

    python: str = ""
    """Feature version, such as 3.9."""
    extends: tuple[str, ...] = ()
    """Environments whose keys count here too, later ones before earlier ones, this table's own before all."""
    abstract: bool = False
    """Only there to be extended: it is not locked."""
    from_: tuple[str, ...] = msgspec.field(default=(), name="from")
    """Requirements files, pyproject.toml, uv.lock or poetry.lock, relative to the manifest."""
    groups: tuple[str, ...] = ()
    """Dependency groups of that pyproject.toml (PEP 735)."""
    extras: tuple[str, ...] = ()
    """Extras of that pyproject.toml (PEP 621, optional-dependencies)."""
    frameworks: dict[Project, str] = {}
    """Project to version specifier: what decides the results."""
    dependencies: tuple[str, ...] = ()
    """PEP 508."""
    constraints: tuple[str, ...] = ()
    """PEP 508: versions, for what is installed anyway."""
    overrides: tuple[str, ...] = ()
    """PEP 508: instead of whatever packages ask for."""
    as_of: str = "none"
    """A date or time (a TOML date is its ISO 8601 text here), `release` or `none`."""
    as_of_packages: dict[Project, str] = {}
    """A cutoff of its own for a project: a date, or `none`."""
    platforms: tuple[str, ...] = ("linux/amd64",)
    cuda: Cuda | None = None
    """Where the CUDA libraries come from."""
    hardware: tuple[str, ...] = ()
    """Hardware classes that this environment may run on."""
    inputs: tuple[str, ...] = ()
    """Data files whose hashes go into reports."""
    build: bool = True
    """Whether packages without a wheel may be built from their sdists."""
    policy: Policy = "numeric"
    urls: Urls = "record"
    settings: Settings = Settings()
    probes: dict[str, str] = {}
    """Name to `module:function`, for fingerprints."""
    image: ImageTable | None = None
    verify: VerifyTable = VerifyTable()

    @property
    def targets(self) -> tuple[Platform, ...]:
        """The platforms, parsed and sorted."""
        return tuple(sorted({Platform.parse(text) for text in self.platforms}))

    @property
    def cutoff(self) -> str:
        """`none`, `release`, or a moment as RFC 3339 in UTC; UsageError (`bad-as-of`) for anything else."""
        return cutoff_of(self.as_of)

    @property
    def package_cutoffs(self) -> dict[str, str]:
        """Cutoffs of single projects by normalised name: `none`, or RFC 3339 in UTC; sorted."""
        from packaging.utils import canonicalize_name

        rows = {str(canonicalize_name(name)): cutoff_of(text) for name, text in self.as_of_packages.items()}
        return dict(sorted(rows.items()))

    @property
    def requirements(self) -> tuple[str, ...]:
        """Frameworks and dependencies as PEP 508 requirements, sorted."""
        return tuple(sorted({*self.dependencies, *(name + spec for name, spec in self.frameworks.items())}))


def cutoff_of(text: str) -> str:
    """Return `none`, `release`, or a moment as RFC 3339 in UTC; UsageError (`bad-as-of`) for anything else."""
    if text in ("none", "release"):
        return text
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "bad-as-of",
            "as-of is not a date.",
            expected='"2021-05-15", an RFC 3339 time, "release" or "none"',
            found=repr(text),
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


class ReviewTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[review]: what the project wants to be agreed on before a lock changes. No lock holds it."""

    labels: dict[str, str] = {}
    """What changes (an area, an impact, or another of `model.review.MATTERS`), to the label that a pull request with
    such a change must have."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole manifest and where it stands."""

    folder: Path
    path: Path
    environments: dict[str, Environment]
    """Those that are locked: abstract ones are merged into what extends them."""
    indexes: tuple[Index, ...] = ()
    hardware: dict[str, HardwareClass] = {}
    review: ReviewTable = ReviewTable()

    def environment(self, name: str) -> Environment:
        """Return one environment; UsageError (`unknown-env`) with the nearest names."""
        if name in self.environments:
            return self.environments[name]
        raise UsageError(
            "unknown-env",
            f"The manifest has no environment {name!r}.",
            where=self.path.name,
            expected="one of: " + ", ".join(sorted(self.environments)),
            found=name,
            hint=did_you_mean(name, self.environments),
        )

    def lock_path(self, name: str) -> Path:
        """Where the lock of an environment is kept."""
        return self.folder / "lockfiles" / f"pylock.{name}.toml"

    def venv_path(self, name: str) -> Path:
        """Where the local virtual environment of an environment is made: .venv if it is the only one."""
        return self.folder / (".venv" if len(self.environments) == 1 else f".venv-{name}")

    def fingerprints_path(self, name: str) -> Path:
        """Where the fingerprints of an environment are kept, a file for each class of hardware."""
        return self.folder / "lockfiles" / "fingerprints" / name

    def reports_path(self, name: str) -> Path:
        """Where the reports of an environment are kept that the team shares, a file for each teammate or machine."""
        return self.folder / "lockfiles" / "reports" / name

    @property
    def signers_path(self) -> Path:
        """The SSH keys whose signatures on reports count (ssh-keygen(1), ALLOWED SIGNERS)."""
        return self.folder / "lockfiles" / "allowed_signers"

    @property
    def sums_path(self) -> Path:
        """The file that vouches for the digests of layers and images."""
        return self.folder / "lockfiles" / "envlock.sum"
