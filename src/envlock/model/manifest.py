"""The manifest, `envlock.toml`: what the user asks for, parsed and checked at the border."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.model.hardware import HardwareClass
from envlock.model.index import Index
from envlock.model.lock import Cuda, Policy, Settings, Urls
from envlock.model.names import Project
from envlock.model.platform import Platform

FILENAME = "envlock.toml"
_ENV_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")


class ImageTable(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[env.NAME.image]."""

    base: str
    """A recipe of images/, or the reference of an image in a registry."""
    os_packages: tuple[str, ...] = ()
    bytecode: bool = True
    entrypoint: tuple[str, ...] = ()
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


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole manifest and where it stands."""

    folder: Path
    path: Path
    environments: dict[str, Environment]
    """Those that are locked: abstract ones are merged into what extends them."""
    indexes: tuple[Index, ...] = ()
    hardware: dict[str, HardwareClass] = {}

    def environment(self, name: str) -> Environment:
        """Return one environment; UsageError (`unknown-env`) with the nearest names."""
        if name in self.environments:
            return self.environments[name]
        near = difflib.get_close_matches(name, self.environments, 1)
        raise UsageError(
            "unknown-env",
            f"The manifest has no environment {name!r}.",
            where=str(self.path),
            expected="one of: " + ", ".join(sorted(self.environments)),
            found=name,
            hint=f"Did you mean {near[0]!r}?" if near else "",
        )

    def lock_path(self, name: str) -> Path:
        """Where the lock of an environment is kept."""
        return self.folder / "lockfiles" / f"pylock.{name}.toml"

    def venv_path(self, name: str) -> Path:
        """Where the local virtual environment of an environment is made: .venv if it is the only one."""
        return self.folder / (".venv" if len(self.environments) == 1 else f".venv-{name}")

    @property
    def sums_path(self) -> Path:
        """The file that vouches for the digests of layers and images."""
        return self.folder / "lockfiles" / "envlock.sum"


def find_manifest(start: Path) -> Manifest:
    """Read envlock.toml, or pyproject.toml with [tool.envlock], of `start` or the nearest folder above it."""
    for folder in (start, *start.parents):
        path = folder / FILENAME
        if path.is_file():
            return parse_manifest(path, _read(path))
        path = folder / "pyproject.toml"
        if path.is_file():
            table = _read(path).get("tool", {}).get("envlock")
            if isinstance(table, dict):
                return parse_manifest(path, table)
    raise UsageError(
        "no-manifest",
        f"There is no {FILENAME} here or in a folder above.",
        where=str(start),
        hint='Write one:\n\n[env.train]\npython = "3.11"\nfrom = "requirements.txt"\n',
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError("bad-manifest", "The manifest is not UTF-8.", where=str(path), found=str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            "bad-manifest", "The manifest is not TOML.", where=str(path), found=str(error), hint="Mend that line."
        ) from None


def parse_manifest(path: Path, document: dict[str, Any]) -> Manifest:
    """Check a manifest's tables; UsageError (`bad-manifest`) says key, expected and found."""
    _known_keys(document, {"env"}, "", path)
    tables = document.get("env")
    if not isinstance(tables, dict) or not tables:
        raise UsageError(
            "bad-manifest", "The manifest has no environment.", where=str(path), expected="a table such as [env.train]"
        )
    environments = {}
    for name, table in tables.items():
        where = f"env.{name}"
        if not _ENV_NAME.fullmatch(name):
            raise UsageError(
                "bad-manifest",
                f"{name!r} cannot name an environment.",
                where=str(path),
                expected="lower-case letters, digits, - and _ (the name becomes a file name, without dots: PEP 751)",
            )
        if isinstance(table, dict):
            _known_keys(table, {f.encode_name for f in msgspec.structs.fields(Environment)}, where, path)
            for key, kind in (("image", ImageTable), ("settings", Settings)):
                if isinstance(table.get(key), dict):
                    _known_keys(
                        table[key], {f.encode_name for f in msgspec.structs.fields(kind)}, f"{where}.{key}", path
                    )
            table = {k: [v] if k in ("from", "extends") and isinstance(v, str) else v for k, v in table.items()}
            if isinstance(table.get("as-of"), datetime.date):
                table = {**table, "as-of": table["as-of"].isoformat()}
        try:
            environment = msgspec.convert(table, Environment)
        except msgspec.ValidationError as error:
            what, _, at = str(error).partition(" - at ")
            key = at.strip("`").removeprefix("$") if at else ""
            raise UsageError("bad-manifest", what + ".", where=f"{path}: {where}{key}") from None
        _check_environment(name, environment, path)
        environments[name] = environment
    return Manifest(folder=path.parent, path=path, environments=environments)


def _known_keys(table: dict[str, Any], known: set[str], where: str, path: Path) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise UsageError(
                "unknown-key",
                f"The manifest has an unknown key {key!r}.",
                where=f"{path}: {where or 'top level'}",
                expected="one of: " + ", ".join(sorted(known)),
                found=key,
                hint=f"Did you mean {near[0]!r}?" if near else "",
            )


def _check_environment(name: str, environment: Environment, path: Path) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    where = f"{path}: env.{name}"
    if not re.fullmatch(r"3\.\d{1,2}", environment.python):
        raise UsageError(
            "bad-manifest",
            "python is not a feature version.",
            where=f"{where}.python",
            expected='such as "3.9"; the base fixes the patch release',
            found=environment.python,
        )
    for text in environment.requirements:
        try:
            url = Requirement(text).url
        except InvalidRequirement as error:
            raise UsageError(
                "bad-requirement",
                f"{text!r} is not a PEP 508 requirement.",
                where=where,
                found=str(error).partition("\n")[0],
            ) from None
        if url and "@" in url.partition("://")[2].partition("/")[0]:
            raise UsageError(
                "credentials-in-manifest",
                "A requirement holds a user name or password, which would reach the lock.",
                where=where,
                hint="Give credentials to uv: its keyring, netrc, or UV_INDEX_…_USERNAME and _PASSWORD.",
            )
    if not environment.requirements and not environment.from_:
        raise UsageError(
            "bad-manifest",
            f"Environment {name!r} asks for nothing.",
            where=where,
            expected="from, frameworks or dependencies",
        )
    if environment.groups and not any(Path(name).name == "pyproject.toml" for name in environment.from_):
        raise UsageError(
            "bad-manifest", "groups are those of a pyproject.toml.", where=where, expected='from = "pyproject.toml"'
        )
    environment.targets  # noqa: B018 - raises for a platform that cannot be locked
    environment.cutoff  # noqa: B018 - raises for what is no date
