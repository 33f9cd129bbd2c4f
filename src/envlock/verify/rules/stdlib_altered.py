"""stdlib-altered: interpreter or standard library are not what the system's package manager put there."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import PYTHON_RANK
from envlock.verify.case import Case

RULE = Rule(
    id="stdlib-altered",
    family="PY",
    needs="stdlib",
    title="Interpreter and standard library are what dpkg or conda put there, where one of them has their digests.",
    why="They run before and below every locked package, and no lock describes them.",
    impact="security",
    source="dpkg's md5sums lists; conda-meta's sha256 of every path. Its bytecode is not compared",
)
_SHOWN = 10


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each file that somebody vouches for and that is another one, or that nobody knows."""
    stdlib = case.environment.stdlib if case.environment is not None else None
    if stdlib is None:
        return
    altered = sorted(stdlib.altered.items())
    on_macos = getattr(case.interpreter, "system", "") == "darwin"  # Homebrew's Python has a sitecustomize of its own
    for at, (path, how) in enumerate(altered[:_SHOWN]):
        more = len(altered) - _SHOWN if at == _SHOWN - 1 else 0
        yield RULE.finding(
            case.shown(path),
            expected=f"what {stdlib.voucher} has on record" if stdlib.voucher else "no such file",
            found=how + (f"; and {more} more files" if more > 0 else ""),
            fix=_MENDED.get(stdlib.voucher, "Install this Python again."),
            path=case.shown(path),
            nature="unknown" if "cannot be read" in how else None,
            severity="warning" if on_macos and "every start" in how else None,
            rank=PYTHON_RANK,
        )


_MENDED = {
    "dpkg": "apt-get install --reinstall the package that `dpkg -S` names for it",
    "conda": "conda install --force-reinstall python",
}
