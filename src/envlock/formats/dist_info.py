"""Reads the small files of a .dist-info folder: identity, tags, entry points and what installers leave there."""

from __future__ import annotations

import configparser
import re
from typing import Any

import msgspec

from envlock.model import records
from envlock.model.observation import DirectUrl

NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""Files that an installer adds to what the wheel brings."""
SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")
READ = frozenset((*NOTES, *SIGNATURES, "METADATA", "PKG-INFO", "WHEEL", "entry_points.txt"))
"""Files whose content rules look at."""

_INSTALLER = re.compile(
    r"(uv|uv-pixi|pip|envlock|conda|installer|pdm|hatch|rye|distlib|micropip|[Pp]oetry( [0-9][0-9a-z.]*)?)\n?"
)


class EntryPointScript(msgspec.Struct, frozen=True):
    """A script of [console_scripts] or [gui_scripts]: ``name = module:attr``."""

    name: str
    module: str
    attr: str


def read_identity(metadata: bytes) -> tuple[str, str]:
    """Return Name and Version of core metadata as written; empty where they are missing."""
    name = version = ""
    for line in metadata.split(b"\n"):
        key, colon, value = line.rstrip(b"\r").partition(b":")
        if not colon and not line.strip():
            break  # the description follows
        if key.lower() == b"name" and not name:
            name = value.strip().decode("utf-8", "replace")
        elif key.lower() == b"version" and not version:
            version = value.strip().decode("utf-8", "replace")
    return name, version


def read_requirements(metadata: bytes) -> tuple[str, ...]:
    """Return each Requires-Dist of core metadata as written, PEP 508 or what passed for it."""
    found = []
    for line in metadata.split(b"\n"):
        key, colon, value = line.rstrip(b"\r").partition(b":")
        if not colon and not line.strip():
            break  # the description follows
        if key.lower() == b"requires-dist":
            found.append(value.strip().decode("utf-8", "replace"))
    return tuple(found)


def read_direct_url(raw: bytes) -> DirectUrl:
    """Parse direct_url.json; ValueError where it is not PEP 610."""
    document = _object(raw)
    url = document.get("url")
    if not isinstance(url, str) or not url:
        raise ValueError("it has no url")
    folder, vcs, archive = (document.get(key) for key in ("dir_info", "vcs_info", "archive_info"))
    if sum(isinstance(part, dict) for part in (folder, vcs, archive)) != 1:
        raise ValueError("it needs exactly one of dir_info, vcs_info, archive_info")
    sha256 = ""
    if isinstance(archive, dict):
        hashes = archive.get("hashes")
        single = archive.get("hash")
        if isinstance(hashes, dict) and isinstance(hashes.get("sha256"), str):
            sha256 = hashes["sha256"]
        elif isinstance(single, str) and single.startswith("sha256="):
            sha256 = single[7:]
    return DirectUrl(
        url=url,
        editable=isinstance(folder, dict) and folder.get("editable") is True,
        vcs=str(vcs.get("vcs", "vcs")) if isinstance(vcs, dict) else "",
        sha256=sha256,
    )


def read_cache_stamp(raw: bytes) -> int | None:
    """Return the time in uv_cache.json, in ns; None where it holds none. ValueError where it is not uv's."""
    document = _object(raw)
    unknown = document.keys() - {"timestamp", "commit", "tags", "env", "directories"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)!r}")
    stamp = document.get("timestamp")
    if stamp is None:
        return None
    if isinstance(stamp, dict) and stamp.keys() == {"secs_since_epoch", "nanos_since_epoch"}:
        seconds, fraction = stamp["secs_since_epoch"], stamp["nanos_since_epoch"]
        if isinstance(seconds, int) and isinstance(fraction, int) and 0 <= fraction < 10**9:
            return seconds * 10**9 + fraction
    raise ValueError("its timestamp is not one")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        document = records.from_json(raw, object)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def is_known_installer(raw: bytes) -> bool:
    """Tell whether INSTALLER holds the name of an installer, as it writes it."""
    return _INSTALLER.fullmatch(raw.decode("utf-8", "replace")) is not None


def read_entry_points(raw: bytes) -> tuple[EntryPointScript, ...]:
    """Return the scripts that an installer generates; unreadable entries are left out."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names are case-sensitive
    try:
        parser.read_string(raw.decode("utf-8", "replace"))
    except configparser.Error:
        return ()
    scripts = []
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            module, _, attr = value.split("[", 1)[0].strip().partition(":")
            scripts.append(EntryPointScript(name, module.strip(), attr.strip()))
    return tuple(scripts)


def read_tags(raw: bytes) -> frozenset[str]:
    """Return the tags that WHEEL gives, such as cp39-cp39-manylinux2010_x86_64."""
    return frozenset(
        line.partition(b":")[2].strip().decode("ascii", "replace")
        for line in raw.splitlines()
        if line.lower().startswith(b"tag:")
    )


def read_generator(raw: bytes) -> str:
    """Return the Generator of WHEEL."""
    for line in raw.splitlines():
        if line.lower().startswith(b"generator:"):
            return line.partition(b":")[2].strip().decode("utf-8", "replace")
    return ""
