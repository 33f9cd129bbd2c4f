"""What a change of the locks means to its reviewers: what differs, who no longer matches, what has to be agreed."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from envlock.model.change import Area, Change, Difference
from envlock.model.finding import Impact, Outcome
from envlock.model.report import Told
from envlock.model.revision import Revision

Matter = Literal["reports", "signers", "review"]
"""What a label may be asked for beside areas and impacts: kept reports that no longer match, another list of signers
whose reports count, other terms of review."""
MATTERS_OF_LOCKS: tuple[str, ...] = (*get_args(Area), *get_args(Impact))
"""What of a change of a lock, and of a lock that is taken out."""
MATTERS: tuple[str, ...] = (*MATTERS_OF_LOCKS, *get_args(Matter))
"""Everything that `[review] labels` may ask a label for."""
Turn = Literal["broken", "mended", "kept", "apart", "unknown", "gone"]
"""What becomes of a kept report: it matched the earlier lock and not the later one, the other way round, it matches
both or neither, nobody can tell, or it is kept no more."""
State = Literal["changed", "added", "removed", "unchanged"]


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A kept report, held against the lock before and after."""

    name: str
    """That it is kept under: a teammate's, or a machine's."""
    turn: Turn
    created: str = ""
    """RFC 3339, UTC."""
    before: Outcome | None = None
    """None where there was no lock, or nobody can tell."""
    after: Outcome | None = None
    findings: tuple[Told, ...] = ()
    """Why it does not match the later lock, the weightiest first: errors alone."""
    signer: str = ""
    """Who signed it, in words; empty where nobody did."""
    reason: str = ""
    """Why nobody can tell."""


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """One environment."""

    env: str
    state: State
    lock: str
    """The lock's path in the project, with forward slashes."""
    difference: Difference | None = None
    """None where one side has no lock."""
    frameworks: tuple[str, ...] = ()
    """`project version` of what is locked as a framework, where one side has no lock."""
    stale: tuple[str, ...] = ()
    """Why the later lock does not follow from its inputs."""
    effects: tuple[Effect, ...] = ()
    refused: str = ""
    """The error of reports whose signatures are refused, whole."""
    unchecked: str = ""
    """The error of reports whose signatures could not be checked."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What differs, the weightiest first."""
        return self.difference.changes if self.difference is not None else ()


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """A label that the project asks for, and what of the change asks for it."""

    label: str
    matters: tuple[str, ...]
    because: tuple[str, ...]
    given: bool


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    base: str
    """As the user named the earlier side."""
    base_revision: Revision
    head: str
    """As the user named the later side; empty for the work tree."""
    head_revision: Revision | None = None
    environments: tuple[Reviewed, ...]
    """Sorted by name; those that are as they were too."""
    demands: tuple[Demand, ...] = ()
    labels: tuple[str, ...] = ()
    """Those that were given."""
    asked_by: Literal["base", "head", "nobody"] = "nobody"
    """Which side's manifest says what labels are asked for."""
    notes: tuple[str, ...] = ()
    """What of the terms themselves changes, one sentence each."""

    @property
    def told(self) -> tuple[Reviewed, ...]:
        """The environments that there is something to say of."""
        return tuple(
            each
            for each in self.environments
            if each.state != "unchanged" or each.stale or each.refused or each.unchecked or each.effects
        )

    @property
    def missing(self) -> tuple[Demand, ...]:
        """What is asked for and not given."""
        return tuple(demand for demand in self.demands if not demand.given)

    @property
    def exit_code(self) -> int:
        """4 where reports are refused, 1 where a lock is stale or a label is missing, 3 where nobody could check."""
        if any(each.refused for each in self.environments):
            return 4
        if self.missing or any(each.stale for each in self.environments):
            return 1
        return 3 if any(each.unchecked for each in self.environments) else 0
