"""`envlock verify --fix`: which findings `sync` mends, and which it leaves to the user."""

from __future__ import annotations

import msgspec

from envlock.model.finding import Finding, Verdict


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """What `sync` can do about a verdict."""

    reinstall: bool
    """Whether files have to be put back that installers believe to be in place."""
    mends: tuple[Finding, ...]
    stays: tuple[Finding, ...]
    """Errors that another command or the user has to mend."""


def remedy_of(verdict: Verdict) -> Remedy:
    """Sort the errors of a verdict by the command that each of them names as its fix."""
    errors = [finding for finding in verdict.findings if finding.severity == "error"]
    mends = [finding for finding in errors if finding.fix.startswith("envlock sync")]
    return Remedy(
        reinstall=any("--reinstall" in finding.fix.split() for finding in mends),
        mends=tuple(mends),
        stays=tuple(finding for finding in errors if finding not in mends),
    )
