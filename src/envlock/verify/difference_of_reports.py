"""Compares two sides of which one at least is no lock: thing by thing, as reports say it.

What one side says and the other does not is never taken for the same: it is told as not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from envlock.model.change import Area, Change, Difference, Unsaid, change_of
from envlock.model.lock import THREAD_VARIABLES
from envlock.model.side import Side
from envlock.model.unknown import Unknown
from envlock.verify.case import UNLOCKED_TOOLS
from envlock.verify.difference import order
from envlock.verify.difference_of_numbers import number_changes, untold_numbers
from envlock.verify.known import facts_of
from envlock.verify.package_changes import package_change
from envlock.verify.reported import CPUS, FEATURES, Key
from envlock.verify.standing import standing_of
from envlock.verify.unsaid import edits, not_hashed, paths_left_out, silence, system_packages, together, unknown
from envlock.verify.voice import THREADS_KEY, Voice

_AREAS: Mapping[str, Area] = {
    "code": "code",
    "data": "data",
    "python": "python",
    "settings": "settings",
    "cpu": "hardware",
    "accelerator": "accelerator",
    "system": "os",
    "startup": "startup",
    "source": "package",
}
_EXCEPTIONS: Mapping[Key, Area] = {
    ("accelerator", "GPU"): "hardware",
    ("system", "memory"): "hardware",
    ("system", "installer"): "package",
    ("system", "platform"): "python",
}
_LENGTHS = {"code": 8, "data": 12, "startup": 12}
_DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_OTHER_FILES = "The same version with other files: another build, or edited."
_FEW = 3


def compare_sides(before: Side, after: Side) -> Difference:
    """Return what changes from one side to the other, the most consequential first, and what nobody can tell."""
    one, other = Voice(before, beside=after), Voice(after, beside=before)
    packages = list(_packages(one, other))
    unsaid = [*_unlisted(one, other), *_untold_files(one, other), *edits((v.side, v.report) for v in (one, other))]
    unsaid += untold_numbers(one, other)
    changes = [*packages, *number_changes(one, other)]
    for key in dict.fromkeys((*one.said, *other.said)):
        if key[0] == "package":
            continue
        unsaid += _untold(key, one, other)
        changes += _thing(key, one, other)
    common = one.packages.keys() & other.packages.keys()
    return Difference(
        before=before.name,
        after=after.name,
        before_digest=before.digest,
        after_digest=after.digest,
        before_kind=before.kind,
        after_kind=after.kind,
        changes=tuple(sorted(_told_once(changes), key=order)),
        unchanged_packages=len(common - {change.subject for change in packages}),
        unsaid=tuple(together(unsaid)),
    )


def _packages(one: Voice, other: Voice) -> Iterator[Change]:
    """Yield packages that came, went, changed their version, or have other files."""
    if not one.lists_packages or not other.lists_packages:
        return
    steps = {name: one.step(other, name) for name in sorted({*one.packages, *other.packages})}
    frameworks = (*one.frameworks, *other.frameworks)
    facts = facts_of({name: (was, now) for name, (was, now) in steps.items() if was and now and was != now})

    def locked(name: str) -> bool:
        return any(voice.side.lock is not None and name in voice.packages for voice in (one, other))

    for name, (was, now) in steps.items():
        if was is None or now is None:
            continue
        if was != now:
            teller = other if now else one
            chain = teller.chain_to(name)
            found = package_change(
                name,
                was,
                now,
                frameworks,
                facts=facts.get(name, ()),
                brought=teller.brought(name, chain) if now else "",
                chain=chain,
            )
            yield _of_a_tool(found) if name in UNLOCKED_TOOLS and not locked(name) else found
        elif (here := one.contents.get(name)) and (there := other.contents.get(name)) and not {*here} & {*there}:
            yield package_change(name, was, now, frameworks, why=_OTHER_FILES, kind="rebuilt")


def _of_a_tool(change: Change) -> Change:
    standing = standing_of("package", change.subject, (change.before, change.after), ())
    return replace(change, impact=standing.impact, rank=standing.rank, why=standing.why)


def _unlisted(one: Voice, other: Voice) -> Iterator[Unsaid]:
    """Yield what of the packages is not known: all of them, a version, and those of the operating system."""
    for voice, beside in ((one, other), (other, one)):
        for key, said in voice.said.items():
            if key[0] == "package" and isinstance(said, Unknown):
                yield unknown(key, voice.side, said)
        yield from system_packages(voice.side, beside.side)


def _untold_files(one: Voice, other: Voice) -> Iterator[Unsaid]:
    """Yield packages of one version whose files one side does not know."""
    for voice, beside in ((one, other), (other, one)):
        yield from not_hashed(voice.side, voice.report)
        for name, digests in voice.contents.items() if voice.report.full else ():
            if not digests and voice.packages.get(name) == beside.packages.get(name):
                reason = "they are not there as its RECORD lists them"
                yield Unsaid(subject=f"files of {name}", side=voice.side.name, reason=reason, failed=True)


def _untold(key: Key, one: Voice, other: Voice) -> Iterator[Unsaid]:
    """Yield what of a thing cannot be compared."""
    texts = one.text(key), other.text(key)
    for voice, beside, text in ((one, other, texts[0]), (other, one, texts[1])):
        said = voice.said.get(key)
        if isinstance(said, Unknown):
            yield unknown(key, voice.side, said)
        elif text is None and not _same_by_its_nature(key, one, other):
            yield from silence(key, voice.side)
        elif said is not None and said.hidden and texts[0] == texts[1]:
            yield paths_left_out(key[1], voice.side)
        elif key == ("python", "python") and voice.is_vague(beside):
            subject = f"patch release of Python {beside.feature}"
            locked = voice.side.lock is not None
            reason = "a lock without an image fixes none" if locked else "the feature version alone was seen"
            yield Unsaid(subject=subject, side=voice.side.name, reason=reason)


def _same_by_its_nature(key: Key, one: Voice, other: Voice) -> bool:
    """Tell whether both start as many threads as there are CPUs, however many that will be."""
    return key == THREADS_KEY and all(voice.by_cpus for voice in (one, other))


def _thing(key: Key, one: Voice, other: Voice) -> Iterator[Change]:
    """Yield the change of a thing that is no package, where both sides know it."""
    area, subject = key
    before, after = one.text(key), other.text(key)
    if before is None or after is None or before == after or _needless(key, one, other):
        return
    packages = frozenset({*one.packages, *other.packages})
    standing = standing_of(area, subject, tuple(text for text in (before, after) if text), packages)
    shown = _apart(before, after) if subject == FEATURES else (_short(area, before), _short(area, after))
    if shown[0] == shown[1]:
        shown = before, after
    found = change_of(
        _EXCEPTIONS.get(key) or _AREAS.get(area, "lock"),
        f"source of {subject}" if area == "source" else f"data {subject}" if area == "data" else subject,
        *shown,
        standing.why,
        standing.impact,
        standing.rank,
        "changed" if area != "settings" and area != "startup" else None,
    )
    yield replace(found, brought_by=", ".join(filter(None, (one.cause(key), other.cause(key)))))


def _needless(key: Key, one: Voice, other: Voice) -> bool:
    """Tell whether a difference is no more than two ways to say one thing."""
    area, subject = key
    for voice, beside in ((one, other), (other, one)):
        text = beside.text(key)
        if area == "source" and voice.side.lock is not None and text == "a file":
            return True  # a wheel of the lock's own folder
    if subject in THREAD_VARIABLES:
        return _told_by_threads(subject, one, other)
    if key == ("python", "python"):
        return one.is_vague(other) or other.is_vague(one)
    return _same_by_its_nature(key, one, other) and None in (one.number_of_cpus, other.number_of_cpus)


def _told_by_threads(variable: str, one: Voice, other: Voice) -> bool:
    """Tell whether a variable of one library says no more than the number of threads does, which is told by itself."""
    threads = one.text(THREADS_KEY), other.text(THREADS_KEY)
    values = one.text(("settings", variable)), other.text(("settings", variable))
    if None not in threads and threads[0] != threads[1]:
        return all(value in ("", number) for value, number in zip(values, threads, strict=True))
    return one.threads_by(variable) == other.threads_by(variable)


def _told_once(changes: list[Change]) -> Iterator[Change]:
    """Leave out the CPUs that programs get where the number of threads says the same."""
    threads = [(each.before, each.after) for each in changes if each.subject == THREADS_KEY[1]]
    for change in changes:
        if change.subject != CPUS or (change.before, change.after) not in threads:
            yield change


def _short(area: str, text: str) -> str:
    """Return digests and commits in the length that people tell them apart by."""
    return text[: _LENGTHS.get(area, len(text))] if _DIGEST.fullmatch(text) else text


def _apart(before: str, after: str) -> tuple[str, str]:
    """Return lists of words as what of them the other one has not."""
    one, other = set(before.split()), set(after.split())
    return _some(sorted(one - other)), _some(sorted(other - one))


def _some(words: list[str]) -> str:
    more = f" +{len(words) - _FEW}" if len(words) > _FEW else ""
    return " ".join(words[:_FEW]) + more or "without"
