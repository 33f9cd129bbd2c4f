"""Makes small source distributions for tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def make_sdist(folder: Path, name: str = "demo", version: str = "1.0", files: dict[str, str] | None = None) -> Path:
    """Write NAME-VERSION.tar.gz of these files; without a PKG-INFO of its own it has the least one."""
    contents = {"PKG-INFO": f"Metadata-Version: 1.1\nName: {name}\nVersion: {version}\n"} | (files or {"setup.py": ""})
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in contents.items():
            info = tarfile.TarInfo(f"{name}-{version}/{inside}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def marking(place: Path) -> str:
    """Return Python code that writes to a file of this machine, if it can."""
    return f"try:\n    open({str(place)!r}, 'a').write('ran')\nexcept OSError:\n    pass\n"


def hostile_sdist(folder: Path, name: str, mark: Path, *, backend: bool) -> Path:
    """Write an sdist whose setup.py, or backend in its own tree, leaves a mark on the machine where it runs.

    Built, it requires `innocent`.
    """
    if not backend:
        code = f"from setuptools import setup\nsetup(name={name!r}, version='1.0', install_requires=['innocent'])\n"
        return make_sdist(folder, name, files={"setup.py": marking(mark) + code, "sitecustomize.py": marking(mark)})
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return make_sdist(folder, name, files={"pyproject.toml": pyproject, "backend.py": marking(mark) + _BACKEND % name})


_BACKEND = """
import base64, hashlib, zipfile

NAME = %r
REQUIRES = b"Requires-Dist: innocent\\n"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = NAME + "-1.0.dist-info/"
    files = {
        NAME + ".py": b"",
        info + "METADATA": b"Metadata-Version: 2.1\\nName: %%s\\nVersion: 1.0\\n" %% NAME.encode() + REQUIRES,
        info + "WHEEL": b"Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = ""
    for path, body in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        rows += "%%s,sha256=%%s,%%d\\n" %% (path, digest, len(body))
    files[info + "RECORD"] = (rows + info + "RECORD,,\\n").encode()
    wheel = NAME + "-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + wheel, "w") as archive:
        for path, body in files.items():
            archive.writestr(zipfile.ZipInfo(path), body)
    return wheel


"""
