"""What is installed where probes run, as the Python there finds it: names and versions, no files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files as resources

import msgspec

from envlock.errors import UnverifiableError
from envlock.model import records
from envlock.model.edges import Probing
from envlock.model.observation import Distribution, Environment, Interpreter, Layout, Unknown
from envlock.observe.distributions import normalise

_PATIENCE = 30.0
_LONGEST = 4 << 20


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What data/in_target/installed.py prints."""

    implementation: str
    version: str
    system: str
    machine: str
    libc: str
    prefix: str
    sites: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def observe_installed(place: Probing, variables: Mapping[str, str]) -> Environment | Unknown:
    """Return the environment of a place as its own Python tells it, which is believed."""
    script = (resources("envlock") / "data/in_target/installed.py").read_bytes()
    lines: list[bytes] = []
    try:
        end = place.run(script, variables, lines.append, patience=_PATIENCE)
    except UnverifiableError as error:
        return Unknown.because(error)
    try:
        told = records.from_json(lines[-1][:_LONGEST] if lines else b"", _Told)
    except (msgspec.DecodeError, RecursionError):
        reason = f"the Python there did not tell what is installed ({end.said or 'it said nothing'})"
        return Unknown(reason=reason)
    return Environment(
        interpreter=Interpreter(
            implementation=told.implementation,
            version=told.version,
            system=told.system,
            machine=told.machine,
            libc=told.libc,
        ),
        layout=Layout(
            prefix=told.prefix,
            sites=tuple(site for site, _ in told.sites),
            scripts=f"{told.prefix}/bin",
            data=told.prefix,
        ),
        distributions=tuple(
            Distribution(name=normalise(name), version=version, folder=f"{site}/{name}.dist-info")
            for site, found in told.sites
            for name, version in found
        ),
        files={},
    )
