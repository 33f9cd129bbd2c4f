"""What an installed distribution says is its own, and where files of a wheel are installed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

import msgspec

from envlock.formats.dist_info import NOTES, SIGNATURES, EntryPointScript, read_entry_points
from envlock.formats.record import Record, RecordRow, parse_record, resolve
from envlock.model.observation import Distribution, Environment, Layout

_WINDOWS = (".exe", "-script.py", "-script.pyw", ".exe.manifest")
"""What installers make of one entry point on Windows: a program, and before 2013 a script beside it."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What an installed distribution says is its own, by its RECORD and entry points."""

    record: Record | None
    rows: Mapping[str, RecordRow]
    """By absolute path."""
    launchers: Mapping[str, EntryPointScript]
    """By absolute path, whether they are there or not."""
    notes: frozenset[str]
    """Absolute paths of what the installer writes into .dist-info, RECORD among them."""

    def payload(self, *, bytecode: bool = False) -> Iterator[str]:
        """Yield what came out of the wheel; hashed .pyc files only if asked, most were compiled here."""
        for path, row in self.rows.items():
            if path in self.notes or path in self.launchers:
                continue
            if path.endswith(".pyc") and not (bytecode and row.hash):
                continue
            yield path

    def owns(self) -> Iterator[str]:
        """Yield every path that belongs to the distribution."""
        yield from self.rows
        yield from self.notes
        yield from self.launchers


def claim_of(distribution: Distribution, environment: Environment) -> Claim:
    """Read what a distribution claims."""
    folder, files = distribution.folder, environment.files
    site = posixpath.dirname(folder)
    notes = frozenset(f"{folder}/{name}" for name in (*NOTES, *SIGNATURES))
    own = files.get(f"{folder}/RECORD")
    record = parse_record(own.content) if own is not None and own.content is not None else None
    points = files.get(f"{folder}/entry_points.txt")
    scripts = read_entry_points(points.content) if points is not None and points.content is not None else ()
    named = {script.name: script for script in scripts}
    if distribution.name == "pip" and "pip" in named:  # pip adds pip3.9 for itself
        named |= {f"pip{v}": named["pip"] for v in ("3", _feature(environment))}
    return Claim(
        record=record,
        rows={resolve(site, row.path): row for row in record.rows} if record else {},
        launchers={
            f"{environment.layout.scripts}/{name}{suffix}": script
            for name, script in named.items()
            for suffix in (_WINDOWS if environment.layout.is_windows else ("",))
        },
        notes=notes,
    )


def _feature(environment: Environment) -> str:
    interpreter = environment.interpreter
    return getattr(interpreter, "feature", "3")


def placed(path: str, site: str, layout: Layout, *, as_data: bool = False) -> tuple[str, str] | None:
    """Return (scheme, path in it) of an installed file as `contents` counts it; None for one outside the environment.

    Installers merge ``.data/data/bin`` into the scripts folder: `as_data` takes what is there as data.
    """
    if path.startswith(f"{site}/"):
        return "site", path[len(site) + 1 :]
    if not as_data:
        if path.startswith(f"{layout.scripts}/"):
            return "scripts", path[len(layout.scripts) + 1 :]
        for headers in layout.headers:
            if path.startswith(f"{headers}/"):
                return "headers", path[len(headers) + 1 :].partition("/")[2]
    if path.startswith(f"{layout.data.rstrip('/')}/"):
        return "data", path[len(layout.data.rstrip("/")) + 1 :]
    return None


def installed_path(name: str, info: str, site: str, layout: Layout, project: str) -> str:
    """Return where an entry of a wheel is installed (binary distribution format, .data folder)."""
    top, _, rest = name.partition("/")
    if top != info.removesuffix(".dist-info") + ".data":
        return f"{site}/{name}"
    scheme, _, inside = rest.partition("/")
    roots = {
        "purelib": site,
        "platlib": site,
        "scripts": layout.scripts,
        "data": layout.data.rstrip("/"),
        "headers": f"{layout.headers[0] if layout.headers else layout.data}/{project}",
    }
    return f"{roots.get(scheme, site)}/{inside}"
