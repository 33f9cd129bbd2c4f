"""Environment variables that change numbers or the code that runs: who reads each, what it does, where that is said."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

from envlock.model.factor_table import FACTORS, Factor
from envlock.model.observation import Variables
from envlock.model.redaction import redacted

MARKER = "ENVLOCK_RUN"
"""What `envlock run` sets, to `ENV@LOCK DIGEST`: the settings of that lock are set here."""
OTHER = "<another value>"
"""Stands for the value of a variable that a lock sets and that is no factor: it may be anything, a secret too."""
ELSEWHERE = "<elsewhere>"
"""Stands for a folder outside of the project: its path says whose machine it is."""
OTHER_CODE = (
    "CONDA_DEFAULT_ENV",
    "CONDA_PREFIX",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "__PYVENV_LAUNCHER__",
)
"""What makes Python, or packages that look for libraries, load code from elsewhere than the environment."""
_NAMED = {name: factor for factor in FACTORS for name in factor.names}
_LIBRARY = re.compile(r"\.(so|dylib|dll)(\.\d+)*$")


def factor_of(name: str) -> Factor | None:
    """Return what is known of a variable that changes numbers or code; None for any other one."""
    return _NAMED.get(name)


def relevant(factor: Factor, packages: Iterable[str]) -> bool:
    """Tell whether one of these packages, by normalised names, reads a variable; Python itself always does."""
    return not factor.readers or any(_pattern(factor.readers).fullmatch(name) for name in packages)


@cache
def _pattern(readers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in readers))


def marker_of(env: str, digest: str) -> str:
    """Return the value of the marker that `envlock run` sets."""
    return f"{env}@{digest}"


def variables_here(
    environ: Mapping[str, str], *, folder: str = "", locked: Mapping[str, str] | None = None, marker: str = ""
) -> Variables:
    """Return the variables of this process that change numbers or code, without what is private in them.

    Args:
        folder: of the project, absolute; paths inside it are shown, others are not.
        locked: what a lock sets; a value that is exactly this is kept as it is.
        marker: of that lock, see `marker_of`. Settings count as set by `envlock run` where it is the one found; where
            it is empty, any one will do.
    """
    mark = environ.get(MARKER, "")
    origin: Literal["run", "shell"] = "run" if mark and marker in ("", mark) else "shell"
    return variables_of(environ, origin, folder=folder, locked=locked)


def variables_of(
    environ: Mapping[str, str],
    origin: Literal["shell", "run", "image", "container", "report"],
    *,
    folder: str = "",
    locked: Mapping[str, str] | None = None,
) -> Variables:
    """Return those of some variables that change numbers or code, or that a lock sets.

    Paths of an image are nobody's secret and are kept; of this machine only those inside `folder` are.
    """
    wanted = locked or {}
    values: dict[str, str] = {}
    for name in sorted(environ):
        value, factor = environ[name], factor_of(name)
        if wanted.get(name) == value:
            values[name] = value
        elif factor is None:
            if name in wanted:
                values[name] = OTHER
        elif value or name.endswith("_VISIBLE_DEVICES"):  # all others take an empty value for none
            values[name] = value if origin in ("image", "container") else _shown(factor, name, value, folder)
    return Variables(origin=origin, values=values)


def entries(value: str) -> tuple[str, ...]:
    """Return the folders or libraries of a list of paths; an empty one is the working directory."""
    return tuple(part or "." for part in value.split(":")) if value else ()


def _shown(factor: Factor, name: str, value: str, folder: str) -> str:
    if factor.kind not in ("code", "library"):
        return redacted(value)
    if name in ("LD_PRELOAD", "LD_AUDIT"):  # names of libraries, which spaces part too
        return ":".join(_shown_path(part, folder) for part in re.split(r"[\s:]+", value) if part)
    return ":".join(_shown_path(part, folder) for part in value.split(os.path.pathsep))


def _shown_path(path: str, folder: str) -> str:
    """Return a path relative to the project's folder, or that it is elsewhere; a library keeps its own name."""
    whole = os.path.normpath(os.path.join(folder, path)) if path else folder  # noqa: PTH118
    root = folder.rstrip("/\\")
    if whole == root:
        return "."
    if root and whole.startswith(root + os.path.sep):
        return whole[len(root) + 1 :].replace(os.path.sep, "/")
    library = re.split(r"[/\\]", path)[-1]
    if not _LIBRARY.search(library):
        return ELSEWHERE
    return library if library == path else f"{ELSEWHERE}/{library}"


def dropped_by_run(name: str, packages: Iterable[str], locked: Mapping[str, str], *, threads: bool) -> bool:
    """Tell whether `envlock run` takes a variable of the caller away.

    It does where the variable changes the numbers of these packages and the lock does not set it. Threads are the
    machine's affair (a scheduler sets them) until a lock fixes their number: `threads`.
    """
    factor = factor_of(name)
    if factor is None or name in locked or factor.impact != "results" or not relevant(factor, packages):
        return False
    return not factor.ambient and (threads or factor.kind != "threads")
