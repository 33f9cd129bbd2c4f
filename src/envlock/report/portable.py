"""A verdict as it may leave this machine: folders of whoever made it tell who they are, and its readers nothing."""

from __future__ import annotations

import re

from msgspec.structs import replace

from envlock.model.finding import Finding, Verdict
from envlock.model.numbers import Compared

_SYSTEM = r"(?!(?:usr|opt|lib\w*|s?bin|etc|dev|proc|sys)/)"
"""Folders that every machine has."""
_FOLDERS = re.compile(
    rf"""(?<=')/{_SYSTEM}[^'/]+/(?:[^'/]+/)*        # a path in quotes may hold blanks
    | (?:(?<![\w./])|(?<=file://))/{_SYSTEM}(?:[^\s/'"]+/)+
    | (?<!\w)[A-Za-z]:\\(?:[^\s\\'"]+\\)*
    """,
    re.VERBOSE,
)


def portable(verdict: Verdict) -> Verdict:
    """Return the verdict without folders of this machine: `…/name` stands for an absolute path.

    Paths of an image are of no machine, and stay.
    """
    target = without_folders(verdict.summary.target)
    findings = verdict.findings if verdict.summary.image else tuple(_portable(each) for each in verdict.findings)
    unjudged = verdict.unjudged
    if not verdict.summary.image:
        unjudged = {rule: without_folders(reason) for rule, reason in unjudged.items()}
    numerics = verdict.summary.numerics and _compared(verdict.summary.numerics)
    summary = replace(verdict.summary, target=target, numerics=numerics)
    return replace(verdict, summary=summary, findings=findings, unjudged=unjudged)


def without_folders(text: str) -> str:
    """Return text in which each absolute path, folders of the operating system apart, is cut to its last part."""
    return _FOLDERS.sub("…/", text)


def _portable(finding: Finding) -> Finding:
    told = ("subject", "expected", "found", "why", "fix", "path")
    return replace(finding, **{name: without_folders(getattr(finding, name)) for name in told})


def _compared(compared: Compared) -> Compared:
    """Return a comparison of numbers without folders: settings name some, and frameworks that fail."""
    told = ("expected", "found", "change", "text")
    return replace(
        compared,
        tallies=tuple(replace(each, reason=without_folders(each.reason)) for each in compared.tallies),
        rows=tuple(replace(row, reason=without_folders(row.reason)) if row.reason else row for row in compared.rows),
        explanations=tuple(
            replace(each, **{name: without_folders(getattr(each, name)) for name in told})
            for each in compared.explanations
        ),
    )
