# ruff: noqa
# mypy: ignore-errors
# Runs in the target's interpreter, `python -I -S -`, Python 3.6 and up, standard library only.
# Prints one line of JSON: what the interpreter is and where it keeps installed files.
import json
import os
import platform
import site
import sys
import sysconfig

LEVELS = {"alpha": "a%d", "beta": "b%d", "candidate": "rc%d", "final": "%.0s"}
executable = sys.executable or ""
prefix = sys.prefix
venv = None
# Without site.py, Python before 3.14 does not notice that it is a venv's: look for pyvenv.cfg as site.py does.
for folder in (os.path.dirname(executable), os.path.dirname(os.path.dirname(executable))):
    config = os.path.join(folder, "pyvenv.cfg")
    if executable and os.path.isfile(config):
        venv = {}
        with open(config, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, equals, value = line.partition("=")
                if equals:
                    venv[key.strip().lower()] = value.strip()
        prefix = folder
        break

names = sysconfig.get_scheme_names()
scheme = None
if venv is not None:
    scheme = "venv" if "venv" in names else ("nt" if os.name == "nt" else "posix_prefix")
found = {"base": prefix, "platbase": prefix, "installed_base": prefix, "installed_platbase": prefix}
paths = sysconfig.get_paths(scheme, vars=found) if scheme else sysconfig.get_paths()
sites = [paths["purelib"], paths["platlib"]]
if venv is None:
    sites = site.getsitepackages() + sites
    user = site.getusersitepackages()
    if os.path.isdir(user):
        sites.insert(0, user)
elif venv.get("include-system-site-packages", "").lower() == "true":
    # site.main() adds the user's folder before the system's, and only where the environment sees the system's.
    user = site.getusersitepackages()
    if os.path.isdir(user):
        sites.append(user)
    sites += site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])

json.dump(
    {
        "implementation": sys.implementation.name,
        "version": "%d.%d.%d" % sys.version_info[:3] + (LEVELS[sys.version_info[3]] % sys.version_info[4:]),
        "system": sys.platform,
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "executable": executable,
        "prefix": prefix,
        "venv": venv is not None,
        "sites": sites,
        "scripts": paths["scripts"],
        "data": paths["data"],
        "stdlib": os.path.dirname(os.__file__),
        "headers": [os.path.join(prefix, "include", "site", "python%d.%d" % sys.version_info[:2]), paths["include"]],
    },
    sys.stdout,
)
