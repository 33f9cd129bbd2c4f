"""`--explain`: diverged probes are run again with one factor changed at a time, to find the one that decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from envlock.errors import UnverifiableError
from envlock.model.edges import NoProgress, Probing, Progress, Task
from envlock.model.numbers import Row
from envlock.model.numerics import PASSES, Answer, Device, Explanation, Numerics, Pass, Suite
from envlock.model.passes import PassSettings, changed
from envlock.observe.numerics import Source, run_pass
from envlock.observe.probe_pass import PATIENCE
from envlock.verify.numeric_factors import differences
from envlock.verify.numeric_inquiry import Inquiry, inquire

_UNWATCHED = NoProgress()
_UNLIKE = ("near", "diverged", "crashed", "noisy", "raised")
"""States of rows that have a cause; it counts only where the fingerprint has a result."""


def explain(
    rows: Iterable[Row],
    expected: Numerics,
    found: Numerics,
    *,
    place: Probing,
    sources: Sequence[Source],
    passes: Callable[[Device], Mapping[Pass, PassSettings]],
    progress: Progress = _UNWATCHED,
    patience: float = PATIENCE,
) -> tuple[Explanation, ...]:
    """Return which factors explain the probes that are not as expected: one explanation per suite, pass and factor.

    Only these probes are run again, in the pass in which they differ. One that differs in both is explained by its
    canonical pass, in which fewer factors are left.

    Args:
        rows: of `verify.numbers.compare`.
        expected: of the fingerprint.
        found: of this machine.
        place: where the found ones were run.
        sources: that the found ones were run from; suites of another source cannot be compared.
        passes: the settings that they were run with, by device.
        patience: as for `run_pass`, in seconds.
    """
    told = list(rows)
    ran = {(each.framework, each.device): each for each in sources}
    before = {(each.framework, each.device): each for each in expected.suites}
    explanations: list[Explanation] = []
    with progress.task("Explaining differences") as task:
        for suite in found.suites:
            key = (suite.framework, suite.device)
            source, one = ran.get(key), before.get(key)
            if source is None or one is None or not one.source == suite.source == source.sha256:
                continue
            settings = passes(suite.device)
            seen: set[str] = set()
            for which in PASSES:
                names = {each.probe for each in told if _wanted(each, suite, which)} - seen
                wanted = _answers(one, which, names)
                wanted = {name: answer for name, answer in wanted.items() if answer.status == "ok"}
                answers = _answers(suite, which, wanted)
                wanted = {name: answer for name, answer in wanted.items() if name in answers}
                if not wanted or which not in settings:
                    continue
                seen |= wanted.keys()
                causes = differences(which, one, suite, expected.conditions, found.conditions)
                inquiry = inquire(suite.framework, which, causes, wanted, answers)
                explanations += _driven(inquiry, which, settings[which], source, place, task, patience)
    return tuple(explanations)


def _wanted(row: Row, suite: Suite, which: Pass) -> bool:
    ours = (row.framework, row.device, row.which) == (suite.framework, suite.device, which)
    return ours and row.state in _UNLIKE


def _answers(suite: Suite, which: Pass, names: Collection[str]) -> dict[str, Answer]:
    return {each.name: each.answers[which] for each in suite.probes if each.name in names and which in each.answers}


def _driven(
    inquiry: Inquiry,
    which: Pass,
    settings: PassSettings,
    source: Source,
    place: Probing,
    task: Task,
    patience: float,
) -> tuple[Explanation, ...]:
    """Make the experiments that an inquiry asks for, one process each, and return what it concludes."""
    answers: Mapping[str, Answer] | None = None
    while True:
        try:
            experiment, probes = next(inquiry) if answers is None else inquiry.send(answers)
        except StopIteration as end:
            explanations: tuple[Explanation, ...] = end.value
            return explanations
        there = changed(settings, experiment.variables, experiment.threads)
        try:
            answers = run_pass(place, source, which, there, only=probes, patience=patience).answers
        except UnverifiableError:  # the verdict stands, it is only not explained
            return ()
        task.advance()
