"""`--explain` on probes whose answers follow from threads and variables, run for real in this interpreter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from envlock.adapters.probing import PythonProbing
from envlock.errors import UnverifiableError
from envlock.formats.cpuinfo import cpu_of
from envlock.model.machine import Accelerators, Machine
from envlock.model.numerics import Conditions, Device, Explanation, Numerics, Pass, ProbeEnd
from envlock.model.passes import PassSettings, canonical, configured
from envlock.observe.numerics import Source, run_suite
from envlock.operations.explain import explain
from envlock.verify.numbers import compare

SUITE = """
import os

SEEN = {}

def load(threads, canonical, device):
    SEEN["threads"] = threads or int(os.environ.get("OMP_NUM_THREADS") or 2)
    return RELEASE

def define():
    @probe("numpy.fake.threads", "threads")
    def threads():
        return SEEN["threads"]

    @probe("numpy.fake.core", "the core of the BLAS")
    def core():
        if os.environ.get("OPENBLAS_CORETYPE") == "Illegal":
            os.kill(os.getpid(), 9)
        return os.environ.get("OPENBLAS_CORETYPE", "")

    @probe("numpy.fake.both", "both of them")
    def both():
        return [threads(), core()]

    @probe("numpy.fake.release", "the release")
    def release():
        return RELEASE
"""
MACHINE = Machine(
    system="linux",
    cpu=cpu_of("x86_64", vendor="GenuineIntel", model="One", features=("lm",), threads=2),
    memory=1 << 34,
    accelerators=Accelerators(),
)


def source(*, release: str = "1.0", suite: str = SUITE) -> Source:
    """Return the suite of a release, of one digest whatever the release is: probes don't know it beforehand."""
    return Source(framework="numpy", text=f"RELEASE = {release!r}\n{suite}", sha256="0" * 64)


def settings(variables: Mapping[str, str]) -> Callable[[Device], dict[Pass, PassSettings]]:
    environ = {**{name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}, **variables}

    def of(device: Device) -> dict[Pass, PassSettings]:
        return {"canonical": canonical(environ, device), "configured": configured(environ, {}, device)}

    return of


class Counted:
    """The edge `Probing`, which counts processes."""

    def __init__(self) -> None:
        self.runs = 0
        self._place = PythonProbing(Path(sys.executable))

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        self.runs += 1
        return self._place.run(script, variables, told, patience=patience)


def numerics(
    place: Counted, variables: Mapping[str, str], *, of: Source | None = None, version: str = "1.0"
) -> Numerics:
    conditions = Conditions(
        python="3.11.7", threads=2, variables=variables, versions={"numpy": version}, machine=MACHINE
    )
    return Numerics(conditions=conditions, suites=(run_suite(place, of or source(), settings(variables)("cpu")),))


def explained(
    there: Mapping[str, str], here: Mapping[str, str], *, releases: tuple[str, str] = ("1.0", "1.0")
) -> tuple[tuple[Explanation, ...], int]:
    """Return the explanations of one difference, and how many processes they took."""
    place = Counted()
    expected = numerics(place, there, of=source(release=releases[0]), version=releases[0])
    ours = source(release=releases[1])
    found = numerics(place, here, of=ours, version=releases[1])
    place.runs = 0
    rows = compare(expected, found, 4)
    explanations = explain(rows, expected, found, place=place, sources=(ours,), passes=settings(here))
    return explanations, place.runs


def test_nothing_is_run_where_nothing_differs() -> None:
    """A match costs no process."""
    assert explained({}, {}) == ((), 0)


def test_each_factor_gets_its_probes() -> None:
    """Threads, a setting, both together and the library are told apart, in the pass that shows each."""
    explanations, runs = explained({"OMP_NUM_THREADS": "1"}, {"OPENBLAS_CORETYPE": "Prescott"}, releases=("1.0", "1.1"))
    assert [(each.factor, each.tested, each.probes) for each in explanations] == [
        ("library", False, ("numpy.fake.release",)),
        ("threads", True, ("numpy.fake.threads",)),
        ("OPENBLAS_CORETYPE", True, ("numpy.fake.core",)),
        ("threads and OPENBLAS_CORETYPE", True, ("numpy.fake.both",)),
    ]
    assert runs == 5  # in each pass once as it was, then threads, the variable, both


def test_a_setting_that_kills_a_probe() -> None:
    """A crash is explained by what it goes away with."""
    explanations, _ = explained({}, {"OPENBLAS_CORETYPE": "Illegal"})
    assert [(each.factor, each.tested) for each in explanations] == [("OPENBLAS_CORETYPE", True)]
    assert explanations[0].probes == ("numpy.fake.core", "numpy.fake.both")


def test_a_setting_that_would_kill_a_probe_here() -> None:
    """Where the fingerprint's setting crashes this machine, it is named because nothing else is left, not as tested."""
    place = Counted()
    found = numerics(place, {})
    expected = numerics(place, {"OPENBLAS_CORETYPE": "Zen"})
    conditions = Conditions(
        python="3.11.7",
        threads=2,
        variables={"OPENBLAS_CORETYPE": "Illegal"},
        versions={"numpy": "1.0"},
        machine=MACHINE,
    )
    expected = Numerics(conditions=conditions, suites=expected.suites)
    rows = compare(expected, found, 4)
    explanations = explain(rows, expected, found, place=place, sources=(source(),), passes=settings({}))
    assert [(each.factor, each.tested) for each in explanations] == [("OPENBLAS_CORETYPE", False)]


@pytest.mark.parametrize("what", ["source", "digest", "framework"])
def test_what_cannot_be_compared_is_not_run(what: str) -> None:
    """Other probes than the fingerprint's, or none to run, explain nothing."""
    place = Counted()
    expected, found = numerics(place, {"OMP_NUM_THREADS": "1"}), numerics(place, {})
    rows = compare(expected, found, 4)
    other = Source(framework="numpy", text=SUITE, sha256="1" * 64)
    torch = Source(framework="torch", text=SUITE, sha256="0" * 64)
    sources = {"source": (), "digest": (other,), "framework": (torch,)}[what]
    place.runs = 0
    assert explain(rows, expected, found, place=place, sources=sources, passes=settings({})) == ()
    assert place.runs == 0


def test_a_place_that_is_gone_explains_less() -> None:
    """Where no process starts any more, the verdict stands, and nothing is said to have been tried."""

    class Gone:
        def run(self, *_: object, **__: object) -> ProbeEnd:
            raise UnverifiableError("interpreter-failed", "The container has ended.")

    place = Counted()
    expected, found = numerics(place, {"OMP_NUM_THREADS": "1"}), numerics(place, {})
    rows = compare(expected, found, 4)
    assert explain(rows, expected, found, place=Gone(), sources=(source(),), passes=settings({})) == ()
