"""uv, the resolver and installer: run as a child with nothing of this machine's settings."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from envlock.adapters.credentials import Credentials
from envlock.adapters.pinned import PinnedFile, PinnedPages
from envlock.adapters.refusing_python import refusing_python
from envlock.adapters.uv_errors import explain, failure, without_credentials
from envlock.adapters.uv_settings import settings_for
from envlock.errors import UsageError
from envlock.model.edges import Metadata, Resolution
from envlock.model.index import Indexes
from envlock.model.platform import MACOS

_KEPT = (
    "UV_CACHE_DIR",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_HTTP_RETRIES",
    "UV_HTTP_TIMEOUT",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)
"""How packages are reached; nothing that changes what is chosen, and no index: those are handed over."""
_FEATURE = re.compile(r"3\.\d+")
_SCRUBBED = re.compile(r"(UV|PIP|PYTHON|CONDA)(_.*)?|PYTHON[A-Z]+|VIRTUAL_ENV.*")


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would steer uv or Python."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not _SCRUBBED.fullmatch(k)}
    return kept | {
        "MACOSX_DEPLOYMENT_TARGET": MACOS,
        "NO_COLOR": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


class Uv:
    """Runs the uv that is installed beside envlock; implements `model.edges.Resolver` and `model.edges.Installer`.

    Args:
        offline: use nothing but uv's cache.
        indexes: every index that may be asked; PyPI where there is none.
        credentials: of those indexes; uv gets them by its environment.
        pinned: the pages of projects that come from one index alone.
    """

    def __init__(
        self,
        *,
        offline: bool = False,
        indexes: Indexes | None = None,
        credentials: Credentials | None = None,
        pinned: PinnedPages | None = None,
    ) -> None:
        self._offline = offline
        self._indexes = indexes or Indexes()
        self._credentials = credentials or Credentials(self._indexes)
        self._pinned = pinned

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        """Resolve for one platform and return the pylock's packages as uv writes them, see `model.edges.Resolver`.

        No code of a source distribution runs: one that does not say what it requires is MetadataUnknownError. Other
        errors are those of `uv_errors.explain`.
        """
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            folder = Path(name)
            settings = settings_for(
                self._indexes,
                self._credentials,
                self._pinned,
                folder,
                cutoff=wanted.cutoff,
                package_cutoffs=wanted.package_cutoffs,
            )
            configuration = folder / "uv.toml"
            configuration.write_text(settings.text + "".join(map(_metadata_table, wanted.metadata)), "utf-8")
            output = folder / "pylock.toml"
            if wanted.previous is not None:
                output.write_bytes(wanted.previous)
            arguments = ["pip", "compile", *_asked(wanted, folder), "--format", "pylock.toml", "-o", str(output)]
            arguments += ["--no-header", "--no-annotate", "--quiet", "--config-file", str(configuration)]
            arguments += ["--python", str(refusing_python()), "--no-build-isolation"]
            result = self._run(arguments, cwd=wanted.folder, environment=settings.environment)
            if result.returncode != 0:
                raise explain(failure(result.returncode, result.stderr, name), wanted)
            packages: list[dict[str, Any]] = tomllib.loads(output.read_text("utf-8")).get("packages", [])
        return [_completed(package, settings.files) for package in packages]

    def make_venv(self, venv: Path, python: str) -> None:
        """Make a virtual environment of CPython `python` (a feature version or an interpreter's path)."""
        named = _FEATURE.fullmatch(python)
        arguments = ["venv", "--quiet", "--allow-existing", str(venv), "--python"]
        result = self._run([*arguments, python])
        if result.returncode != 0:
            # uv gives up at the first python3.x of PATH that does not run, such as pyenv's shim of an inactive version.
            found = _interpreter(python) if named else None
            result = self._run([*arguments, str(found)]) if found else result
        if result.returncode != 0:
            raise UsageError(
                "no-interpreter",
                f"No CPython {python} was found on this machine.",
                found=failure(result.returncode, result.stderr).explanation.partition("\n")[0],
                hint=f"Give its path with --python, or install it: uv python install {python}"
                if named
                else "Leave --python out: one is found by its version.",
            )

    def install(self, venv: Path, requirements: Sequence[str], wheels: Path, *, reinstall: bool = False) -> None:
        """Make the environment hold exactly the given pins, from a folder of wheels and from nowhere else.

        Files are copied, not linked: an edit in the environment must not reach uv's cache.
        """
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            listed = _listed(Path(name) / "requirements.txt", requirements)
            arguments = ["pip", "sync", listed, "--python", str(venv), "--no-index", "--find-links", str(wheels)]
            arguments += ["--require-hashes", "--link-mode", "copy", "--allow-empty-requirements", "--quiet"]
            result = self._run([*arguments, *(["--reinstall"] if reinstall else [])])
        if result.returncode != 0:
            raise UsageError(
                "install-failed",
                "uv could not install the locked wheels.",
                where=str(venv),
                found=failure(result.returncode, result.stderr).explanation,
            )

    def _run(
        self, arguments: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        from uv import find_uv_bin

        command = [find_uv_bin(), *arguments, "--no-progress", *(["--offline"] if self._offline else [])]
        env = clean_environment() | dict(environment or {})
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", errors="replace", check=False
        )


def _asked(wanted: Resolution, folder: Path) -> list[str]:
    """Return the arguments that say what is wanted, lists written below `folder`."""
    arguments = [_requirements(folder / "requirements.in", wanted.requirements)] if wanted.requirements else []
    arguments += [str(path) for path in wanted.files]
    arguments += ["--python-version", wanted.python]
    arguments += ["--python-platform", wanted.platform.uv_target(wanted.glibc)]
    if wanted.constraints:
        arguments += ["--constraints", _requirements(folder / "constraints.txt", wanted.constraints)]
    if wanted.overrides:
        arguments += ["--overrides", _requirements(folder / "overrides.txt", wanted.overrides)]
    for extra in wanted.extras:
        arguments += ["--extra", extra]
    for group in wanted.groups:
        arguments += ["--group", f"{_pyproject(wanted.files)}:{group}"]
    if wanted.no_deps:
        arguments.append("--no-deps")
    if not wanted.sdists:
        arguments.append("--no-build")
    if wanted.upgrade:
        arguments.append("--upgrade")
    for project in wanted.upgrade_packages:
        arguments += ["--upgrade-package", project]
    return arguments


def _requirements(path: Path, rows: Sequence[str]) -> str:
    """Write requirements that came from anywhere, and return the file's path; UsageError (`bad-requirement`).

    In such a file a line may also be an option of uv's, go on in the next line, and name variables in its URL.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for row in rows:
        try:
            url = Requirement(row).url or ""
        except InvalidRequirement:
            url = "$"
        if "$" in url or len(row.splitlines()) != 1 or row.endswith("\\"):
            raise UsageError(
                "bad-requirement",
                "A requirement is not one of PEP 508.",
                found=without_credentials(repr(row)),
                hint="It may stand in the manifest, in a file of `from`, or in the metadata of what is installed.",
            )
    return _listed(path, rows)


def _listed(path: Path, lines: Iterable[str]) -> str:
    """Write a requirements file, one line each, and return its path."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)


def _metadata_table(metadata: Metadata) -> str:
    """Return uv's setting that stands in for the metadata of one release."""
    rows: list[tuple[str, Any]] = [
        ("name", metadata.name),
        ("version", metadata.version),
        ("requires-dist", list(metadata.requires_dist)),
        ("requires-python", metadata.requires_python),
        ("provides-extra", list(metadata.provides_extra)),
    ]
    # JSON's strings and lists of strings are TOML's, but for the DEL character, which no metadata has.
    lines = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in rows if value is not None)
    return f"\n[[dependency-metadata]]\n{lines}"


def _pyproject(files: Sequence[Path]) -> Path:
    """Return the file that groups are those of."""
    return next((path for path in files if path.name == "pyproject.toml"), files[0])


def _completed(package: dict[str, Any], files: Mapping[str, PinnedFile]) -> dict[str, Any]:
    """Return a package of uv's pylock with the sizes and upload times that uv was not told."""
    rows = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    for row in rows:
        known = files.get(row.get("hashes", {}).get("sha256", ""))
        if known is not None and known.size is not None:
            row.setdefault("size", known.size)
        if known is not None and known.upload_time is not None:
            row.setdefault("upload-time", datetime.datetime.fromisoformat(known.upload_time))
    return package


def _interpreter(version: str) -> Path | None:
    """Return the first interpreter of a feature version that runs: on PATH, then among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)
    for path in candidates:
        if os.access(path, os.X_OK):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                command = [str(path), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
                answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
                if answer.stdout.strip() == version:
                    return path
    return None
