"""What is said of reports themselves, counted: how they were judged where they were made, and who signed them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envlock.model.comparison import Column

_NAMED = 3


def about_reports(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of both; the text is empty where no report was judged, or none is signed."""
    outcomes: dict[str, list[str]] = {}
    for each in columns:
        word = each.outcome or ("not judged" if each.reason else "no lock")
        outcomes.setdefault(word, []).append(each.report)
    yield "Verified there", _counted(outcomes) if any(each.outcome for each in columns) else ""
    signers: dict[str, list[str]] = {}
    for each in columns:
        known = "by an allowed signer" if each.trusted else "by a key that nobody here vouches for"
        signers.setdefault(known if each.signed else "unsigned", []).append(each.report)
    yield "Signed", _counted(signers) if any(each.signed for each in columns) else ""


def _counted(groups: Mapping[str, Sequence[str]]) -> str:
    """Return groups with their sizes, and the members of those that are not the largest."""
    largest = max(map(len, groups.values()))
    told = []
    for word, names in sorted(groups.items(), key=lambda group: -len(group[1])):
        more = len(names) - _NAMED
        whose = f" ({', '.join(names[:_NAMED])}{f' and {more} more' if more > 0 else ''})"
        told.append(f"{len(names):,} {word}" + ("" if len(names) == largest else whose))
    return ", ".join(told)
