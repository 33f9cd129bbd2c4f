"""An inquiry into probes that diverge: which experiment comes next, and what the answers to all of them explain."""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

from msgspec.structs import replace

from envlock.model.numerics import Answer, Experiment, Explanation, Pass
from envlock.verify.numeric_difference import DISPATCH, LIBRARY, THREADS, Difference

NOISE, UNEXPLAINED = "noise", "unexplained"
_UNCHANGED = Experiment(factor=NOISE, expected="", found="")
_VERB = re.compile(r"\[(\w+)\]")
_THERE = "where the fingerprint was made"

Trial = tuple[Experiment, frozenset[str]]
"""An experiment, and the probes to run in it."""
Inquiry = Generator[Trial, Mapping[str, Answer], tuple[Explanation, ...]]


def inquire(
    framework: str,
    which: Pass,
    differences: Sequence[Difference],
    expected: Mapping[str, Answer],
    found: Mapping[str, Answer],
) -> Inquiry:
    """Yield experiments, take the answers that their probes give, and return what explains the probes.

    Probes are first run again as they were, so that noise is taken for no factor; then with one factor at a time as
    it was where the fingerprint was made; then with all of these. What is left is the work of a factor that cannot be
    changed. A probe that crashes, hangs or is noisy in an experiment is not explained by it, nor is the factor ruled
    out.

    Args:
        framework: of the suite, for the sentences.
        differences: see `numeric_factors.differences`.
        expected: answers of the fingerprint, by probe: those that are to be explained, each with a result.
        found: answers of the same probes here.
    """
    left = set(expected)
    explained: list[Explanation] = []

    def keep(
        factor: str, one: str, other: str, probes: Collection[str], text: str, *, tested: bool = True, change: str = ""
    ) -> None:
        names = tuple(name for name in expected if name in probes)  # in the order of the suite
        if names:
            left.difference_update(names)
            sentence = _sentence(len(names), framework, text)
            explained.append(
                Explanation(
                    factor=factor,
                    expected=one,
                    found=other,
                    change=change,
                    tested=tested,
                    probes=names,
                    text=sentence,
                )
            )

    again = yield _UNCHANGED, frozenset(left)
    answered = {name for name in left if name in again and again[name].status != "hung"}  # nor is a busy machine noise
    noisy = {name for name in answered if not _same(again[name], found[name])}
    keep(NOISE, "", "", noisy, "[give] something else again when nothing is changed: it is noise, and no factor.")
    settled: list[Difference] = []
    for difference in differences:
        agreeing: set[str] = set()
        answered = set()
        for experiment in difference.experiments:
            if left - agreeing:
                answers = yield experiment, frozenset(left - agreeing)
                answered |= {name for name, answer in answers.items() if answer.status == "ok"}
                agreeing |= {name for name in left if _same(answers.get(name), expected[name])}
        # Where a probe crashed in all of them, they ruled nothing out: it is as if there were none.
        settled.append(difference if left <= answered else replace(difference, experiments=()))
        keep(difference.factor, difference.expected, difference.found, agreeing, _tested(difference))
    several = [each for each in differences if each.experiments]
    for experiment in _together(several):
        if left:
            answers = yield experiment, frozenset(left)
            agreeing = {name for name in left if _same(answers.get(name), expected[name])}
            keep(experiment.factor, experiment.expected, experiment.found, agreeing, _all_tested(several))
    named, others = _suspects(settled)
    if named:
        texts = ("; ".join(each.expected for each in named), "; ".join(each.found for each in named))
        factor = " or ".join(each.name for each in named)
        change = "; ".join(each.change for each in named) if any(each.pairs for each in named) else ""
        told = _eliminated(which, named, others, settled)
        keep(factor, *texts, left, told, tested=False, change=change)
    keep(UNEXPLAINED, "", "", left, _unexplained(which, settled), tested=False)
    return tuple(explained)


def _same(one: Answer | None, other: Answer) -> bool:
    return one is not None and (one.status, one.sha256) == (other.status, other.sha256)


def _together(several: Sequence[Difference]) -> Iterator[Experiment]:
    """Yield all factors put back at once, where there are several: each in the first, then in the last way."""
    seen = []
    for at in (0, -1) if len(several) > 1 else ():
        variables: dict[str, str | None] = {}
        threads = None
        for difference in several:
            experiment = difference.experiments[at]
            variables |= experiment.variables
            threads = threads if experiment.threads is None else experiment.threads
        if (variables, threads) in seen:
            continue
        seen.append((variables, threads))
        yield Experiment(
            factor=_listed([each.factor for each in several]),
            expected="; ".join(each.there for each in several),
            found="; ".join(each.here for each in several),
            variables=variables,
            threads=threads,
        )


def _suspects(differences: Sequence[Difference]) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Return the factors that are left when experiments changed nothing: those to name, and those to mention.

    Named are the ones that often change numbers and could not be put back, else those that were put back in part,
    else what seldom changes numbers.
    """
    left = [each for each in differences if not (each.experiments and each.exact)]
    left.sort(key=lambda each: each.factor != LIBRARY)
    for tier in (
        [each for each in left if each.likely and not each.experiments],
        [each for each in left if each.likely],
        left,
    ):
        if tier:
            return tuple(tier), tuple(each for each in left if each not in tier)
    return (), ()


def _sentence(count: int, framework: str, text: str) -> str:
    """Return a sentence about some probes of a suite; verbs of the text are in brackets."""
    whose = "of the project" if framework == "project" else f"of {framework}"
    told = _VERB.sub(r"\1s" if count == 1 else r"\1", text)
    return f"{count} probe{'s' * (count != 1)} {whose} {told}"


def _listed(texts: Sequence[str], last: str = " and ") -> str:
    return ", ".join(texts[:-1]) + last + texts[-1] if len(texts) > 1 else "".join(texts)


def _tested(difference: Difference) -> str:
    one, other = difference.there, difference.here
    if difference.factor == DISPATCH:
        return f"[agree] again with the kernels that {one} gets, {_THERE}; this machine is {other}."
    return f"[agree] again with {one}, as {_THERE}; here: {other}."


def _all_tested(several: Sequence[Difference]) -> str:
    texts = [f"{each.there}, here {each.here}" for each in several]
    factors = _listed([each.factor for each in several])
    return f"[agree] again when {factors} are all as {_THERE}, and with none of them alone: {'; '.join(texts)}."


def _eliminated(
    which: Pass, named: Sequence[Difference], others: Sequence[Difference], differences: Sequence[Difference]
) -> str:
    texts = [each.both for each in named]
    whose = _listed([f"the {each.name}" if each.name != THREADS else "threads" for each in named], " or ")
    where = "" if which == "canonical" else "in the configured pass alone "
    sentences = [f"[differ] {where}because of {whose}: {'; '.join(texts)}."]
    if which == "canonical":
        sentences.append("So it is with one thread and without any setting.")
    tried = [each.factor for each in differences if each.experiments and each not in named]
    if tried:
        sentences.append(f"It makes no difference to put back {_listed(tried)}.")
    untried = [each for each in others if not each.experiments]
    if untried:
        also = [f"{each.name} ({each.changes or f'{each.expected} there, {each.found} here'})" for each in untried]
        verb = "differs" if len(also) == 1 else "differ"
        sentences.append(f"{_listed(also)} {verb} as well, which seldom changes numbers and is not ruled out.")
    if not others and len(named) == 1:
        sentences.append("Nothing else differs that envlock knows to change numbers.")
    return " ".join(sentences)


def _unexplained(which: Pass, differences: Sequence[Difference]) -> str:
    tried = [each.factor for each in differences if each.experiments]
    sentence = "[remain] unexplained: nothing differs that envlock observes"
    if tried:
        sentence = (
            f"[remain] unexplained: it makes no difference to put back {_listed(tried)}, and nothing else differs"
        )
    if which == "canonical":
        return f"{sentence}. Another build of a library shows in `envlock verify --full`."
    return f"{sentence}."
