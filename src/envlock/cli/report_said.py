"""What `envlock report` says of a report that went to a file or a registry."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from envlock.cli.wiring import relative
from envlock.errors import one_line
from envlock.formats.sshsig import key_fingerprint
from envlock.model.finding import Outcome
from envlock.model.report import Judged, Report
from envlock.model.unknown import Unknown
from envlock.report.style import Meaning, Style, count

if TYPE_CHECKING:
    from envlock.model.manifest import Manifest

_OUTCOMES: Mapping[Outcome, tuple[str, Meaning]] = {
    "match": ("matches the lock", "good"),
    "drift": ("differs from the lock", "bad"),
    "unverified": ("could not all be held against the lock", "warn"),
    "integrity": ("contradicts the lock", "bad"),
}
_SHOWN = 3


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A report in a registry."""

    image: str
    """The index that it stands beside, by its digest."""
    digest: str
    """Of its own manifest."""
    new: bool


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and where it went."""

    report: Report
    path: Path | None
    armored: bytes | None
    """An SSH signature."""
    pushed: Pushed | None
    attributes: Path | None = None
    """The new .gitattributes beside kept reports, which has git keep their bytes as they are."""
    python: Path | None = None
    """The interpreter or venv that was asked for by --python."""

    @property
    def wrote(self) -> tuple[str, ...]:
        """The files of the work tree that are new or others now, as the user would name them."""
        from envlock.operations.report_keeping import signature_path

        if self.path is None:
            return ()
        files = (self.attributes, self.path, signature_path(self.path) if self.key else None)
        return tuple(relative(each) for each in files if each is not None)

    @property
    def key(self) -> str:
        """`SHA256:…` of the key that signed it; empty where none did."""
        return (key_fingerprint(self.armored) or "") if self.armored is not None else ""


def say(ctx: click.Context, made: Made, manifest: Manifest | None, *, as_json: bool) -> None:
    """Tell where the report went and what it holds: as JSON on stdout, or to people on stderr."""
    if as_json:
        import json

        click.echo(json.dumps(_document(made), indent=2))
    elif not ctx.obj["quiet"]:
        from envlock.cli.console import style_of

        for line in _lines(made, manifest, style_of(ctx)):
            click.echo(line, err=True)


def _lines(made: Made, manifest: Manifest | None, style: Style) -> list[str]:
    name = relative(made.path) if made.path is not None else "report"
    lines = [f"{style(name, 'strong')}: {_told(made.report, style)}"]
    if made.key:
        lines.append(f"  signed    {made.key}")
    if made.pushed is not None:
        lines.append(f"  {'attached' if made.pushed.new else 'there already'}  {made.pushed.digest}")
        lines.append(f"  to        {made.pushed.image}")
    if isinstance(made.report.judged, Judged):
        lines += _differences(made, made.report.judged, style)
    if isinstance(made.report.numerics, Unknown):
        lines.append(f"  no numbers: {one_line(made.report.numerics.reason)}")
    if made.path is not None and manifest is not None and made.path.is_relative_to(manifest.reports_path("")):
        lines += _next(made, manifest)
    return lines


def _told(report: Report, style: Style) -> str:
    """Return in one line what a report holds."""
    for unknown in (report.interpreter, report.distributions):
        if isinstance(unknown, Unknown):
            return f"{style('the environment could not be seen', 'warn')}: {one_line(unknown.reason)}"
    parts = []
    if not isinstance(report.interpreter, Unknown) and not isinstance(report.distributions, Unknown):
        parts = [f"Python {report.interpreter.version}", count(len(report.distributions), "package")]
    if report.full:
        parts.append("every file hashed")
    if report.inputs:
        parts.append(count(len(report.inputs), "data file"))
    if report.numerics is not None and not isinstance(report.numerics, Unknown):
        parts.append(count(sum(len(suite.probes) for suite in report.numerics.suites), "probe"))
    if isinstance(report.judged, Judged):
        parts.append(style(*_OUTCOMES[report.judged.outcome]))
    elif report.judged is not None:
        parts.append(f"{style('not held against the lock', 'warn')}: {one_line(report.judged.reason)}")
    return ", ".join(parts)


def _differences(made: Made, judged: Judged, style: Style) -> list[str]:
    """Return the weightiest errors, a line each; `envlock verify` says the rest."""
    report = made.report
    errors = [each for each in judged.findings if each.severity == "error"]
    lines = [
        f"  {style(f'{each.impact.upper():<9}', 'bad')} " + one_line(f"{each.subject}  {each.expected} → {each.found}")
        for each in errors[:_SHOWN]
    ]
    more = len(errors[_SHOWN:]) + judged.untold
    if more:
        env = f" {report.lock.env}" if report.lock is not None else ""
        python = f" --python {shlex.quote(relative(made.python.absolute()))}" if made.python is not None else ""
        lines.append(f"  and {more} more: envlock verify{env}{python}{' --full' if report.full else ''}")
    return lines


def _next(made: Made, manifest: Manifest) -> list[str]:
    """Return what to do with a report that the project keeps."""
    from envlock.adapters.git_signing import signs_with_ssh

    lines = []
    if not made.key and manifest.signers_path.is_file():
        key = '"$(git config user.signingkey)"' if signs_with_ssh(manifest.folder) else "~/.ssh/id_ed25519"
        lines.append(
            f"  note: it is not signed, and {relative(manifest.signers_path)} says whose reports count: --sign {key}"
        )
    return [*lines, f"  next: git add {' '.join(map(shlex.quote, made.wrote))}"]


def _document(made: Made) -> dict[str, Any]:
    report, pushed = made.report, made.pushed
    judged = report.judged
    return {
        "schema": 1,
        "wrote": list(made.wrote),
        "env": report.lock.env if report.lock is not None else None,
        "lock": report.lock.digest if report.lock is not None else None,
        "full": report.full,
        "outcome": judged.outcome if isinstance(judged, Judged) else None,
        "errors": sum(each.severity == "error" for each in judged.findings) if isinstance(judged, Judged) else None,
        "key": made.key or None,
        "pushed": {"image": pushed.image, "digest": pushed.digest, "new": pushed.new} if pushed is not None else None,
    }
