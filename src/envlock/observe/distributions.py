"""Finds the installed distributions among the files of an environment, as importlib.metadata would."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from envlock.formats.dist_info import read_direct_url, read_identity
from envlock.formats.record import parse_record, resolve
from envlock.model.observation import Distribution, File

_EGG = re.compile(r"(?P<name>[^/-]+)(-(?P<version>[^/-]+).*)?\.(egg-info|egg-link|egg)")


def normalise(name: str) -> str:
    """Return a project name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_same_version(one: str, other: str) -> bool:
    if one == other:
        return True
    from packaging.utils import canonicalize_version

    return canonicalize_version(one.replace("_", "+")) == canonicalize_version(other.replace("_", "+"))


def metadata_folders(sites: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the metadata folders and files right below the sites, sorted."""
    found = set()
    roots = tuple(site.rstrip("/") + "/" for site in sites)
    for path in files:
        if "-info" not in path and ".egg-link" not in path:
            continue  # nearly all of them
        for root in roots:
            if path.startswith(root):
                top = path[len(root) :].split("/", 1)[0]
                if top.endswith((".dist-info", ".egg-info", ".egg-link")) and not top.startswith("~"):
                    found.add(root + top)
    return sorted(found)


def find_distributions(sites: Iterable[str], files: Mapping[str, File]) -> tuple[Distribution, ...]:
    """Return the distributions, sorted by name and folder."""
    found = (_read(folder, files) for folder in metadata_folders(sites, files))
    return tuple(sorted(found, key=lambda d: (d.name, d.folder)))


def _content(path: str, files: Mapping[str, File]) -> bytes | None:
    file = files.get(path)
    return None if file is None else file.content


def _read(folder: str, files: Mapping[str, File]) -> Distribution:
    top = posixpath.basename(folder)
    problem = ""
    if top.endswith(".dist-info"):
        project, _, stated = top.removesuffix(".dist-info").partition("-")
        metadata = _content(f"{folder}/METADATA", files)
    else:
        match = _EGG.fullmatch(top)
        project, stated = (match["name"], match["version"] or "") if match else (top, "")
        metadata = _content(f"{folder}/PKG-INFO", files) or _content(folder, files)
    name, version = read_identity(metadata or b"")
    if top.endswith(".egg-link"):
        name = ""  # it names a folder; what the project is called, its own name says
    elif not name or not version:
        problem = "its METADATA gives no Name or no Version" if metadata is not None else "it has no METADATA"
    elif top.endswith(".dist-info") and normalise(name) != normalise(project):
        problem = f"its METADATA calls itself {name}, its folder {top}"
        name = project
    elif stated and not _is_same_version(version, stated):
        # pip and importlib.metadata read METADATA, uv the folder: one of them was changed since.
        problem = f"its METADATA says version {version}, its folder {top}"
        version = stated
    direct_url = None
    raw = _content(f"{folder}/direct_url.json", files)
    if raw is not None:
        try:
            direct_url = read_direct_url(raw)
        except ValueError as error:
            problem = problem or f"its direct_url.json cannot be read: {error}"
    installer = _content(f"{folder}/INSTALLER", files) or b""
    return Distribution(
        name=normalise(name or project),
        version=version or stated,
        folder=folder,
        installer=installer[:80].decode("utf-8", "replace").strip(),
        direct_url=direct_url,
        problem=problem,
    )


def recorded_elsewhere(
    distributions: Iterable[Distribution], files: Mapping[str, File], prefix: str
) -> tuple[set[str], list[str]]:
    """Return (paths below `prefix` that RECORDs name and the walk has not met, rows that climb out of it).

    A folder of sys.path that is not below `prefix` has one of its own: in Debian's pip a row is ``../scripts/pip``.
    """
    root = prefix.rstrip("/") + "/"
    outside: set[str] = set()
    climbing: list[str] = []
    for distribution in distributions:
        raw = _content(f"{distribution.folder}/RECORD", files)
        if raw is None:
            continue
        site = posixpath.dirname(distribution.folder)
        for row in parse_record(raw).rows:
            if ".." not in row.path and not row.path.startswith("/"):
                continue
            path = resolve(site, row.path)
            if path in files:
                continue
            if path.startswith(root):
                outside.add(path)
            elif site.startswith(root) or not path.startswith(site.rpartition("/lib/")[0] + "/"):
                climbing.append(f"{posixpath.basename(distribution.folder)}/RECORD names {row.path}, outside {prefix}")
    return outside, climbing


def recorded_sizes(
    distributions: Iterable[Distribution], files: Mapping[str, File], wanted: Iterable[str]
) -> dict[str, int | None]:
    """Return the size that RECORDs give to those of the `wanted` paths that they name."""
    paths = set(wanted)
    names = {posixpath.basename(path) for path in paths}
    found = {}
    for distribution in distributions:
        raw = _content(f"{distribution.folder}/RECORD", files)
        for row in parse_record(raw).rows if raw is not None else ():
            if row.path.rpartition("/")[2] in names:
                path = resolve(posixpath.dirname(distribution.folder), row.path)
                if path in paths:
                    found[path] = row.size
    return found
