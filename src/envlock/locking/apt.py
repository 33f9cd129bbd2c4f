"""Choosing packages out of a verified index: by apt where it is handed in, else by the built-in closure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from envlock.errors import UsageError
from envlock.locking.closure import close, named
from envlock.locking.dpkg_status import Installed
from envlock.locking.packages import Candidate, PackageIndex
from envlock.model.edges import Solver

_ANY_VERSION = "9999:0"
"""Of an excluded package that the suites do not have: new enough for every dependency on it."""


def choose(
    index: PackageIndex,
    wanted: Sequence[str],
    *,
    architecture: str,
    solver: Solver | None,
    exclude: Collection[str] = (),
    inside: Sequence[Candidate | Installed] = (),
    where: str = "",
) -> tuple[Candidate, ...]:
    """Return `wanted` and what it depends on, beyond what is `inside` already, sorted by name.

    `exclude` names packages that count as installed. A solver only says names and versions: what is returned is what
    the index, which was verified, says of them. It is offered what can come into question, not the whole index.
    Raises UsageError (`unknown-package`, `unsatisfiable-package`, `solver-failed`).
    """
    if solver is None:
        return close(index, wanted, exclude=exclude, inside=inside, where=where)
    there = {present.name for present in inside}
    names = [name for name in wanted if name not in there]
    for name in names:
        named(index, name, where)
    if not names:
        return ()
    found = solver.solve(
        names,
        offered=[index.stanza(name) for name in index.within_reach([*names, *there])],
        installed=[
            *(_status(index, present) for present in inside),
            *(_excluded(index, name) for name in exclude if name not in there),
        ],
        architecture=architecture,
    )
    return tuple(sorted((_offered(index, *pair, where) for pair in found), key=lambda candidate: candidate.name))


def _offered(index: PackageIndex, name: str, version: str, where: str) -> Candidate:
    if name in index and index.candidate(name).version == version:
        return index.candidate(name)
    raise UsageError(
        "solver-failed",
        "The solver chose a package that the suites do not offer.",
        where=where,
        expected=f"{name} {index.candidate(name).version}" if name in index else "a package of the suites",
        found=f"{name} {version}",
    )


def _status(index: PackageIndex, present: Candidate | Installed) -> bytes:
    stanza = present.stanza if isinstance(present, Installed) else index.stanza(present.name)
    lines = [line for line in stanza.strip(b"\n").split(b"\n") if not line.startswith(b"Status:")]
    return b"\n".join([*lines, b"Status: install ok installed"])


def _excluded(index: PackageIndex, name: str) -> bytes:
    """Return the stanza of a package that counts as there, without dependencies of its own."""
    fields = {"Package": name, "Version": _ANY_VERSION, "Architecture": "all", "Status": "install ok installed"}
    if name in index:
        candidate = index.candidate(name)
        fields |= {"Version": candidate.version, "Architecture": candidate.deb.architecture}
        if candidate.provides:
            fields["Provides"] = ", ".join(map(str, candidate.provides))
    return "\n".join(f"{key}: {value}" for key, value in fields.items()).encode()
