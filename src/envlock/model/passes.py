"""The environment variables that each of the two passes of probes runs with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from envlock.model.factors import OTHER_CODE, factor_of
from envlock.model.lock import THREAD_VARIABLES
from envlock.model.numerics import Device

ALL_THREAD_VARIABLES = (
    *THREAD_VARIABLES,
    "BLIS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What tells libraries, before they are loaded, how many threads to take: those that a lock's `threads` sets, and those
of libraries that a project's own probes may use."""
_HIDDEN = {
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
    "ROCR_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "JAX_PLATFORM_NAME": "cpu",  # what JAX read before JAX_PLATFORMS
}
"""What keeps probes of the CPU on it, on machines that have more."""
_REPEATABLE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""What cuBLAS needs from its start on to give the same twice (cuBLAS, results reproducibility)."""
_CHOOSING = ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS")
"""Settings that choose the library that a program was written for: without them it may not run at all."""
_NOTHING: Mapping[str, str] = MappingProxyType({})


class PassSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the processes of a pass are started."""

    variables: Mapping[str, str]
    """All environment variables that they get."""
    threads: int | None
    """How many threads frameworks are told to take once they are loaded, and CPUs they may run on; None lets them
    choose."""


def canonical(environ: Mapping[str, str], device: Device, settings: Mapping[str, str] = _NOTHING) -> PassSettings:
    """Return the settings under which only libraries and hardware decide: one thread, and nothing that changes results.

    Args:
        environ: of this process, or of the image whose environment is probed.
        settings: of the lock. Those that change no results are kept, they may say where a program's files are.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON") and name not in OTHER_CODE}
    variables = {name: value for name, value in {**kept, **settings}.items() if not _decides(name)}
    variables |= {name: settings[name] for name in _CHOOSING if name in settings}
    variables |= {"PYTHONHASHSEED": "0"} | dict.fromkeys(ALL_THREAD_VARIABLES, "1")
    variables |= _HIDDEN if device == "cpu" else _REPEATABLE
    return PassSettings(variables=variables, threads=1)


def configured(environ: Mapping[str, str], settings: Mapping[str, str], device: Device) -> PassSettings:
    """Return what programs really get: these variables, the lock's settings before them.

    Unlike with `envlock run`, a variable that changes numbers and that the lock does not set stays: it shall be seen.
    What would bring other code in does not.
    """
    kept = {name: value for name, value in environ.items() if name not in OTHER_CODE}
    return PassSettings(variables={**kept, **settings, **(_HIDDEN if device == "cpu" else {})}, threads=None)


def changed(settings: PassSettings, variables: Mapping[str, str | None], threads: int | None) -> PassSettings:
    """Return settings with some variables changed, None unsets one, and with a number of threads where it is given."""
    found: dict[str, str | None] = {**settings.variables}
    if threads is not None:
        found |= dict.fromkeys(ALL_THREAD_VARIABLES, str(threads))
    found |= variables
    return PassSettings(
        variables={name: value for name, value in found.items() if value is not None},
        threads=settings.threads if threads is None else threads,
    )


def _decides(name: str) -> bool:
    """Tell whether a variable changes results, apart from choosing the devices that probes are meant for."""
    factor = factor_of(name)
    return factor is not None and factor.impact == "results" and factor.kind != "devices"
