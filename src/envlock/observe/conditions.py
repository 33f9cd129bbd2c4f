"""What may decide numbers beside the locked files, as it is where probes run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from envlock.model.computing import takes_part
from envlock.model.factors import factor_of, variables_of
from envlock.model.machine import Cpu, Machine
from envlock.model.numerics import Conditions
from envlock.model.observation import Environment, Interpreter
from envlock.model.passes import PassSettings

_NOT_TOLD = ("devices", "code")
"""Kinds of variables that are left out: which GPUs a job was given is its machine's affair (the machine is told as
programs see it), and folders of code are not passed on to probes."""
_BY_DEVICE = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
"""What each suite's kind of device decides, see `model.passes`."""


def conditions_of(
    environment: Environment,
    machine: Machine,
    configured: PassSettings,
    *,
    frameworks: Iterable[str] = (),
    settings: Mapping[str, str] | None = None,
    folder: str = "",
    in_image: bool = False,
) -> Conditions:
    """Return the conditions of an environment's probes.

    Args:
        environment: what is installed, and its interpreter.
        machine: as programs of the target see it: inside, for an image.
        configured: of the configured pass, on whichever kind of device.
        frameworks: the lock's own.
        settings: what the lock sets, kept as it is; of all else what is private is taken out.
        folder: of the project, absolute.
    """
    interpreter = environment.interpreter if isinstance(environment.interpreter, Interpreter) else None
    names = tuple(frameworks)
    versions = {
        name: found[0].version for name, found in sorted(environment.imported().items()) if takes_part(name, names)
    }
    libc = interpreter.libc if interpreter else ""
    return Conditions(
        python=interpreter.version if interpreter else "",
        threads=machine.cpu.usable if isinstance(machine.cpu, Cpu) else 0,
        variables=_deciding(configured.variables, settings or {}, folder, in_image=in_image),
        versions=versions,
        machine=replace(machine, libc=libc or machine.libc),
        in_image=in_image,
    )


def _deciding(
    variables: Mapping[str, str], settings: Mapping[str, str], folder: str, *, in_image: bool
) -> dict[str, str]:
    """Return the variables that may change numbers: those of the model's factors, other settings left out."""
    told = variables_of(variables, "image" if in_image else "shell", folder=folder, locked=settings).values
    return {
        name: value
        for name, value in told.items()
        if (factor := factor_of(name)) is not None and name not in _BY_DEVICE and factor.kind not in _NOT_TOLD
    }
