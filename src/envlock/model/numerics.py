"""Numbers as evidence: what probes answered in an environment, and the fingerprint that a project keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from envlock.model.machine import Machine

SCHEMA = 1

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
Device = Literal["cpu", "gpu"]
Pass = Literal["canonical", "configured"]
"""`canonical` is one thread, deterministic algorithms and no setting; `configured` is what programs really get."""
Status = Literal["ok", "noisy", "raised", "unhashable", "crashed", "hung"]
Loaded = Literal["ok", "missing", "import-failed", "crashed", "hung"]
PASSES: tuple[Pass, ...] = ("canonical", "configured")
PROJECT = "project"
"""The framework that the project's own probes count as."""


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some elements of an array of a result, to tell how far two results are apart."""

    dtype: str
    """As NumPy's ``dtype.str``, little-endian: <f4, <f8, <i8; `bfloat16` by that name."""
    shape: tuple[int, ...]
    step: int
    """Every how many elements, in C order from the first."""
    bits: Hex
    """Their bytes, one after the other."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a probe gave in one pass."""

    status: Status
    sha256: Sha256 | None = None
    """Of the whole result; None unless it is `ok`."""
    samples: tuple[Sample, ...] = ()
    reason: str = ""
    """Why there is no result; it names no path, user or host."""


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One probe and its answers."""

    name: str
    """`framework.area.op`; of the project's own, as the manifest names it."""
    sensitive: str = ""
    """To what its result is sensitive, one line."""
    answers: Mapping[Pass, Answer]


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The probes of one framework on one kind of device, as one process a pass ran them."""

    framework: str
    """numpy, tensorflow, torch, jax, scikit-learn, or `PROJECT`."""
    device: Device = "cpu"
    loaded: Loaded
    version: str = ""
    """As the framework itself says it."""
    reason: str = ""
    """Why it was not loaded."""
    source: Sha256
    """Of what was run: our probes' source text, or the files that the project's probes are in. Answers of different
    sources cannot be compared."""
    probes: tuple[Probe, ...] = ()
    """In the order in which they ran."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may decide numbers beside the locked files, as it was when the probes ran."""

    python: str = ""
    """Full version."""
    threads: int
    """How many a library takes where nobody tells it: affinity and quota counted in; 0 where nobody knows."""
    variables: Mapping[str, str] = {}
    """Those of `model.factors` in the configured pass."""
    versions: Mapping[str, str] = {}
    """Of the distributions that take part in computing, by normalised name, as they are installed."""
    machine: Machine
    in_image: bool = False


class Numerics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the probes of an environment answered, and under which conditions."""

    conditions: Conditions
    suites: tuple[Suite, ...]


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers that a lock gives on one class of hardware: ``lockfiles/fingerprints/<env>/<hardware>.json``."""

    envlock: str
    """Version of envlock that made it."""
    env: str
    lock: Sha256
    """Digest of the lock file."""
    hardware: str
    """The class of the machine: one that the lock names, else the level of its CPU and what accelerates it."""
    numerics: Numerics


class ProbeEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a process of probes ended."""

    status: int | None
    """Its exit status, negative for a signal; None where it was ended because it said nothing for too long."""
    said: str = ""
    """The last line that it wrote to stderr."""


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One factor changed, to see which probes it explains."""

    factor: str
    """`threads`, the name of a variable, `CPU dispatch`, `library`, `CPU`, `GPU`, ...."""
    expected: str
    """As it was where the fingerprint was made."""
    found: str
    """As it is here."""
    variables: Mapping[str, str | None] = {}
    """What is changed of the variables; None unsets one. Empty for what cannot be changed here."""
    threads: int | None = None
    """How many threads frameworks are told to take."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A factor, and the diverged probes that it explains."""

    factor: str
    expected: str
    found: str
    change: str = ""
    """From the one to the other in one phrase, where it has parts: package by package. Empty for expected → found."""
    tested: bool
    """Whether the probes agreed again when the factor was as expected; else everything else was ruled out."""
    probes: tuple[str, ...]
    text: str
    """One sentence for people."""
