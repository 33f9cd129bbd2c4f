"""Which suites of probes there are for an environment: ours by its locked packages, and the project's own."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files as resources
from pathlib import Path

import msgspec

from envlock.model.factor_table import TENSORFLOW
from envlock.model.numerics import PROJECT, Device

FORMAT = 1
"""Of how data/in_target/probe.py hashes a result: raised with it, since older fingerprints then cannot be compared."""


class _Framework(msgspec.Struct, frozen=True):
    module: str
    """Whose absence means that the framework is missing."""
    packages: tuple[str, ...]
    """Normalised names, or begins of names with a *, under which it is locked."""


_FRAMEWORKS = {
    "numpy": _Framework("numpy", ("numpy",)),
    "scikit-learn": _Framework("sklearn", ("scikit-learn",)),
    "jax": _Framework("jax", ("jax",)),
    "torch": _Framework("torch", ("torch",)),
    "tensorflow": _Framework("tensorflow", TENSORFLOW),
}
"""From the quickest to the slowest to start."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A suite of probes that can be run."""

    framework: str
    device: Device = "cpu"
    text: str = ""
    """The script of a suite of ours; empty for the project's own probes."""
    sha256: str
    module: str = ""
    """Of the framework, by its import name."""
    targets: Mapping[str, str] = {}
    """``module:function`` of the project's own probes, by name."""
    folder: str = ""
    """Where their modules are, as it is called where they run."""


def sources_for(packages: Iterable[str], devices: Iterable[Device]) -> tuple[Source, ...]:
    """Return our suites for packages, by normalised names, on kinds of devices that a machine has."""
    locked, kinds = tuple(packages), tuple(devices)
    return tuple(
        source
        for framework, known in _FRAMEWORKS.items()
        if any(fnmatchcase(name, pattern) for name in locked for pattern in known.packages)
        for source in _built_in(framework)
        if source.device in kinds
    )


def every_source() -> tuple[Source, ...]:
    """Return the suite of each framework that there are probes for, those for its CPU side."""
    return tuple(next(_built_in(framework)) for framework in _FRAMEWORKS)


def _built_in(framework: str) -> Iterator[Source]:
    text = (resources("envlock") / f"data/probes/{framework.replace('-', '_')}.py").read_text("utf-8")
    module, sha256 = _FRAMEWORKS[framework].module, hashlib.sha256(f"{FORMAT}\n{text}".encode()).hexdigest()
    yield Source(framework=framework, text=text, sha256=sha256, module=module)
    if 'device="gpu"' in text:
        yield Source(framework=framework, device="gpu", text=text, sha256=sha256, module=module)


def project_source(targets: Mapping[str, str], folder: Path, *, inside: str = "") -> Source:
    """Return the project's own probes.

    Its digest is of their names and of the files of their modules, not of what these import. A module that is neither
    in the folder nor in its folder ``src`` may be an installed one.

    Args:
        targets: ``module:function`` by the probe's name.
        folder: of the project.
        inside: what the folder is called where they run, if it has another name there.
    """
    parts = [f"{FORMAT}", *(f"{name} {target}" for name, target in sorted(targets.items()))]
    modules = sorted({target.partition(":")[0] for target in targets.values()})
    parts += [f"{module} {_digest_of(module, folder)}" for module in modules]
    return Source(
        framework=PROJECT,
        sha256=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        targets=targets,
        folder=inside or str(folder.absolute()),
    )


def _digest_of(module: str, folder: Path) -> str:
    for root in (folder, folder / "src"):  # in the order in which they are imported
        path = root.joinpath(*module.split("."))
        for file in (path / "__init__.py", path.with_name(path.name + ".py")):
            with contextlib.suppress(OSError, ValueError):
                return hashlib.sha256(file.read_bytes()).hexdigest()
    return "installed"
