"""Runs a suite of probes in its passes, where an environment is, and returns what each probe answered in each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from envlock.model.edges import Probing, Progress
from envlock.model.numerics import Answer, Pass, Probe, Status, Suite
from envlock.model.passes import PassSettings
from envlock.observe.probe_pass import PATIENCE, UNWATCHED, PassResult
from envlock.observe.probe_pass import run_pass as run_pass
from envlock.observe.probe_sources import Source as Source
from envlock.observe.probe_sources import project_source as project_source
from envlock.observe.probe_sources import sources_for as sources_for


def run_suite(
    place: Probing,
    source: Source,
    passes: Mapping[Pass, PassSettings],
    *,
    only: Collection[str] | None = None,
    progress: Progress = UNWATCHED,
    patience: float = PATIENCE,
    names: Iterable[str] = (),
) -> Suite:
    """Run a suite in each pass; a framework's absence, crashes and hangs are what is returned, not errors.

    Where the framework is loaded in one pass and not in another, all probes have that for an answer in the other.

    Args:
        only: names of the probes to ask, None for all.
        patience: how many seconds may go by without a sign of life, for each call of a probe and for the import.
        names: of this machine and its user, which no reason shall tell.

    Raises UnverifiableError (`interpreter-failed`) where no process could be started at all.
    """
    private = tuple(names)
    results: dict[Pass, PassResult] = {}
    for which, settings in passes.items():
        result = run_pass(
            place, source, which, settings, only=only, progress=progress, patience=patience, names=private
        )
        results[which] = result
        if result.loaded in ("missing", "hung"):
            break  # no setting brings a package in, and the next import would hang as long
    return _suite(source, results)


def _suite(source: Source, results: Mapping[Pass, PassResult]) -> Suite:
    ran = [result for result in results.values() if result.loaded == "ok"]
    first = (ran or list(results.values()))[0]
    probes = {name: sensitive for result in ran for name, sensitive in result.probes.items()}
    return Suite(
        framework=source.framework,
        device=source.device,
        loaded=first.loaded,
        version=first.version,
        reason=first.reason,
        source=source.sha256,
        probes=tuple(
            Probe(
                name=name,
                sensitive=sensitive,
                answers={
                    which: _answer(result, name)
                    for which, result in results.items()
                    if result.loaded != "ok" or name in result.probes  # a suite may define some for one pass only
                },
            )
            for name, sensitive in probes.items()
        ),
    )


def _answer(result: PassResult, name: str) -> Answer:
    if result.loaded == "ok":
        return result.answers.get(name) or Answer(status="raised", reason="it is not defined in this pass")
    status: Status = "crashed" if result.loaded == "crashed" else "hung" if result.loaded == "hung" else "raised"
    return Answer(status=status, reason=result.reason)
