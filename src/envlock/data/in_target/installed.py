# ruff: noqa
# mypy: ignore-errors
# Runs in a container's own interpreter, `python -s -B -`, Python 3.6 and up, standard library only.
# Prints one line of JSON: which Python this is, and which distributions it finds in which folder of sys.path.
import json
import os
import platform
import sys

LONGEST = 1 << 16


def claim(folder):
    """Return (name, version) of a distribution's metadata, None where there is none."""
    for name in ("METADATA", "PKG-INFO", ""):
        path = os.path.join(folder, name) if name else folder
        try:
            with open(path, "rb") as file:
                head = file.read(LONGEST).decode("utf-8", "replace").split("\n\n", 1)[0]
        except OSError:
            continue
        said = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        if "Name" in said and "Version" in said:
            return [said["Name"].strip(), said["Version"].strip()]
    return None


def claims(site):
    try:
        names = sorted(os.listdir(site))
    except OSError:
        return []
    found = [claim(os.path.join(site, name)) for name in names if name.endswith((".dist-info", ".egg-info"))]
    return [each for each in found if each]


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


print(
    json.dumps(
        {
            "implementation": sys.implementation.name,
            "version": platform.python_version(),
            "system": sys.platform,
            "machine": platform.machine(),
            "libc": libc(),
            "prefix": sys.prefix,
            "sites": [[site, claims(site)] for site in sys.path if site and os.path.isdir(site)],
        }
    )
)
