"""`envlock init`: a first manifest from what is in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from envlock.errors import UsageError
from envlock.model.manifest import parse_manifest

_BASES = {
    "3.9": "debian-bullseye-python3.9",
    "3.11": "debian-bookworm-python3.11",
    "3.13": "debian-trixie-python3.13",
}


def initial_manifest(folder: Path, *, env: str, python: str | None) -> str:
    """Return the text of a manifest that locks the folder's requirements.

    Raises UsageError (`nothing-to-lock`) where there are none.
    """
    import tomlkit

    source = next((name for name in ("requirements.txt", "pyproject.toml") if (folder / name).is_file()), None)
    if source is None:
        raise UsageError(
            "nothing-to-lock",
            "There is no requirements.txt and no pyproject.toml here.",
            where=str(folder),
            hint="Write what you need into requirements.txt, a line each, and run `envlock init` again.",
        )
    version = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    document = tomlkit.document()
    table = tomlkit.table()
    table["python"] = version
    table["from"] = source
    table["as-of"] = "none"
    table["as-of"].comment('a date, "release" (with frameworks = {...}) or "none": releases after it do not exist')
    if version in _BASES:
        image = tomlkit.table()
        image["base"] = _BASES[version]
        table["image"] = image
    environments = tomlkit.table(is_super_table=True)
    environments[env] = table
    document["env"] = environments
    parse_manifest(folder / "envlock.toml", document.unwrap())
    return tomlkit.dumps(document)
