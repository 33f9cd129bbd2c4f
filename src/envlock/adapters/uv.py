"""uv, the resolver and installer: run as a child with nothing of this machine's settings but its indexes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envlock.errors import UsageError
from envlock.model.edges import Resolution

_KEPT = (
    "UV_CACHE_DIR",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)
"""Where packages come from and how they are reached; nothing that changes what is chosen."""
_SCRUBBED = re.compile(r"(UV|PIP|PYTHON|CONDA)(_.*)?|PYTHON[A-Z]+|VIRTUAL_ENV.*")
_TARGETS = (17, 28, *range(31, 41))
"""The glibc 2.x that uv has platform names for."""
_CREDENTIALS = re.compile(r"(?<=://)\S+@|(?<=\?)[^\s`')]+")
"""User names and passwords of URLs, up to the last @, and their queries."""


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would steer uv or Python, its indexes excepted."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not _SCRUBBED.fullmatch(k)}
    return kept | {"UV_NO_CONFIG": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}


class Uv:
    """Runs the uv that is installed beside envlock; implements `model.edges.Resolver`."""

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline

    def _run(self, arguments: Sequence[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        from uv import find_uv_bin

        command = [find_uv_bin(), *arguments, "--no-progress", *(["--offline"] if self._offline else [])]
        return subprocess.run(command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False)

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        """Resolve for one platform and return the pylock's packages as uv writes them.

        Raises UsageError: `unsatisfiable` with uv's own explanation and hint, or `resolver-failed`.
        """
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            folder = Path(name)
            output = folder / "pylock.toml"
            if wanted.previous is not None:
                output.write_bytes(wanted.previous)
            sources = []
            if wanted.requirements:
                (folder / "requirements.in").write_text("".join(f"{line}\n" for line in wanted.requirements), "utf-8")
                sources.append(str(folder / "requirements.in"))
            sources += [str(path) for path in wanted.files]
            arguments = ["pip", "compile", *sources, "--format", "pylock.toml", "-o", str(output)]
            arguments += ["--no-header", "--no-annotate", "--quiet", "--python-version", wanted.python]
            arguments += ["--python-platform", _target(wanted.platform.machine, wanted.glibc)]
            for group in wanted.groups:
                arguments += ["--group", f"{wanted.files[0]}:{group}"]
            if wanted.cutoff is not None:
                arguments += ["--exclude-newer", wanted.cutoff]
            if wanted.no_deps:
                arguments.append("--no-deps")
            if wanted.upgrade:
                arguments.append("--upgrade")
            for project in wanted.upgrade_packages:
                arguments += ["--upgrade-package", project]
            result = self._run(arguments, cwd=wanted.folder)
            if result.returncode != 0:
                raise _explain(result, wanted, name)
            packages: list[Mapping[str, Any]] = tomllib.loads(output.read_text("utf-8")).get("packages", [])
            return packages

    def make_venv(self, venv: Path, python: str) -> None:
        """Make a virtual environment of CPython `python` (a feature version or an interpreter's path)."""
        arguments = ["venv", "--quiet", "--allow-existing", str(venv), "--python"]
        result = self._run([*arguments, python])
        if result.returncode != 0:
            # uv gives up at the first python3.x of PATH that does not run, such as pyenv's shim of an inactive version.
            found = _interpreter(python)
            result = self._run([*arguments, str(found)]) if found else result
        if result.returncode != 0:
            raise UsageError(
                "no-interpreter",
                f"No CPython {python} was found on this machine.",
                found=_tail(result.stderr).partition("\n")[0],
                hint=f"Give its path with --python, or install it: uv python install {python}",
            )

    def install(self, venv: Path, requirements: Sequence[str], wheels: Path, *, reinstall: bool = False) -> None:
        """Make the environment hold exactly the given pins, from a folder of wheels and from nowhere else.

        Files are copied, not linked: an edit in the environment must not reach uv's cache.
        """
        with tempfile.TemporaryDirectory(prefix="envlock-") as name:
            listed = Path(name) / "requirements.txt"
            listed.write_text("".join(f"{line}\n" for line in requirements), "utf-8")
            arguments = ["pip", "sync", str(listed), "--python", str(venv), "--no-index", "--find-links", str(wheels)]
            arguments += ["--require-hashes", "--link-mode", "copy", "--allow-empty-requirements", "--quiet"]
            result = self._run([*arguments, *(["--reinstall"] if reinstall else [])])
        if result.returncode != 0:
            raise UsageError(
                "install-failed", "uv could not install the locked wheels.", where=str(venv), found=_tail(result.stderr)
            )


def _target(machine: str, glibc: str) -> str:
    """Return the newest of uv's targets that a glibc can run; `locking.select` applies the exact version."""
    minor = int(glibc.split(".")[1])
    return f"{machine}-manylinux_2_{max(known for known in _TARGETS if known <= max(minor, _TARGETS[0]))}"


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


def _tail(text: str) -> str:
    return _CREDENTIALS.sub("***@", "\n".join(text.strip().splitlines()[-12:]))


def _explain(result: subprocess.CompletedProcess[str], wanted: Resolution, folder: str) -> UsageError:
    """Tell uv's errors by its exit code: 1 is unsatisfiable, 2 usage, network or parse."""
    text = _CREDENTIALS.sub("***@", result.stderr.strip()).replace(folder + os.sep, "")
    explanation, mark, hint = text.partition("hint:")
    target = f"Python {wanted.python} on {wanted.platform.machine}, glibc {wanted.glibc}"
    if result.returncode == 1:
        return UsageError(
            "unsatisfiable",
            f"The requirements cannot be satisfied for {target}.",
            found=explanation.strip(),
            expected=f"a set of releases from before {wanted.cutoff}" if wanted.cutoff else "",
            hint=hint.strip()
            if mark
            else ("Try a later as-of, or loosen a pin." if wanted.cutoff else "Loosen a pin."),
        )
    return UsageError("resolver-failed", "uv could not resolve.", found=explanation.strip(), hint=hint.strip())
