"""Verification of conda's environments, laid out by hand as conda, mamba and micromamba leave them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from envlock.observe.stdlib import look_at_stdlib
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import record_line

ORIGIN = b'{"dir_info": {}, "url": "file:///home/conda/feedstock_root/build_artifacts/demo_1700000000000/work"}'
LAUNCHER = """\
#!{python}
# -*- coding: utf-8 -*-
import re
import sys

from demo import main

if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""
SITE = "lib/python3.11/site-packages"


class Conda(Venv):
    """A prefix with conda-meta in the place of pyvenv.cfg."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(prefix)
        (prefix / "pyvenv.cfg").unlink()
        (prefix / "conda-meta").mkdir()
        self.answers = {"venv": False, "headers": [str(prefix / "include/python3.11")]}
        self.put("python", "3.11.9", ["bin/python3.11"])
        self.put("openssl", "3.3.1", ["lib/libssl.so.3"])

    def put(self, name: str, version: str, files: list[str], **more: object) -> None:
        """Say that conda installed a package."""
        record = {"name": name, "version": version, "build": "h1_0", "files": files} | more
        (self.prefix / f"conda-meta/{name}-{version}-h1_0.json").write_text(json.dumps(record))

    def adopt(self, info: Path, name: str) -> None:
        """Leave a wheel's files as conda's package of them does: its own launcher, its builder's origin."""
        (info / "direct_url.json").write_bytes(ORIGIN)
        launcher = self.scripts / f"{name}-run"
        launcher.write_text(LAUNCHER.format(python=self.python))
        record = info / "RECORD"
        rows = [row for row in record.read_text().splitlines(keepends=True) if f"/bin/{name}-run," not in row]
        rows.append(record_line(f"{info.name}/direct_url.json", ORIGIN))
        record.write_text("".join(rows))
        self.put(name, "1.0", [f"{SITE}/{info.name}/METADATA"])


@pytest.fixture
def conda(tmp_path: Path) -> Conda:
    return Conda(tmp_path / "conda")


def test_the_locked_content_is_no_alarm(tmp_path: Path, conda: Conda) -> None:
    """conda's notes and launchers are conda's, and bytes that are the locked wheel's prove the package."""
    wheel = demo_wheel(tmp_path)
    info = conda.install(wheel, installer="conda\n")
    headers = conda.prefix / "include/site"
    headers.rename(conda.prefix / "include/moved")
    (conda.prefix / "include/python3.11").mkdir(parents=True)
    (conda.prefix / "include/moved/python3.11/demo").rename(conda.prefix / "include/python3.11/demo")
    record = info / "RECORD"
    record.write_text(record.read_text().replace("include/site/python3.11/", "include/python3.11/"))
    conda.adopt(info, "demo")
    assert conda.verify(lock_of([wheel])).findings == ()


def test_its_own_build_is_drift(tmp_path: Path, conda: Conda) -> None:
    """Another build of the locked version is drift: which of its bytes are right, no lock says."""
    locked, built = demo_wheel(tmp_path / "locked"), demo_wheel(tmp_path / "built", value=2)
    info = conda.install(built, installer="conda\n")
    conda.adopt(info, "demo")
    verdict = conda.verify(lock_of([locked]))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["package-rebuilt"])
    verdict = conda.verify(lock_of([locked]), full=False)
    assert (verdict.exit_code, finding_of(verdict, "package-source").found) == (1, "conda's package of this version")


def test_what_conda_did_not_write_is_tampering(tmp_path: Path, conda: Conda) -> None:
    """The word conda in INSTALLER acquits nothing, and conda-meta has the digest of each file."""
    locked, built = demo_wheel(tmp_path / "locked"), demo_wheel(tmp_path / "built", value=2)
    info = conda.install(built, installer="conda\n")
    conda.adopt(info, "demo")
    module = conda.site / "demo/__init__.py"

    def put(digest: str, **more: str) -> int:
        row = {"_path": f"{SITE}/demo/__init__.py", "path_type": "hardlink", "sha256": digest} | more
        listed = [f"{SITE}/{info.name}/METADATA"]
        conda.put("demo", "1.0", listed, paths_data={"paths": [row], "paths_version": 1})
        return conda.verify(lock_of([locked])).exit_code

    assert put(hashlib.sha256(module.read_bytes()).hexdigest()) == 1
    assert put("0" * 64, sha256_in_prefix=hashlib.sha256(module.read_bytes()).hexdigest()) == 1
    assert put("0" * 64) == 4
    assert put("0" * 64, path_type="softlink") == 1
    (conda.prefix / "conda-meta/demo-1.0-h1_0.json").write_text("[")
    assert conda.verify(lock_of([locked])).exit_code == 4
    (conda.prefix / "conda-meta/demo-1.0-h1_0.json").unlink()
    assert conda.verify(lock_of([locked])).exit_code == 4


def test_standard_library_is_held_against_conda(tmp_path: Path) -> None:
    """conda-meta has the sha256 of every file of Python, after it replaced its prefix in them."""
    prefix = tmp_path / "conda"
    library = prefix / "lib/python3.11"
    (library / "json").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (prefix / "bin").mkdir()
    rows = []
    for name in ("bin/python3.11", "lib/python3.11/os.py", "lib/python3.11/json/__init__.py"):
        (prefix / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        rows.append({"_path": name, "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": digest})
    (prefix / "conda-meta/python-3.11.9-h1.json").write_text(
        json.dumps({"name": "python", "version": "3.11.9", "paths_data": {"paths": rows, "paths_version": 1}})
    )

    def look() -> dict[str, str]:
        found = look_at_stdlib(str(library), prefix / "bin/python3.11", full=True)
        assert found is not None
        assert (found.voucher, found.files) == ("conda", 3)
        return {str(Path(path).relative_to(prefix)): how for path, how in found.altered.items()}

    assert look() == {}
    (library / "os.py").write_bytes(b"x")
    (library / "evil.py").write_bytes(b"x")
    (library / "json/__init__.py").unlink()
    assert look() == {
        "lib/python3.11/evil.py": "a module that conda has not on record",
        "lib/python3.11/json/__init__.py": "missing",
        "lib/python3.11/os.py": "other bytes than conda has on record",
    }


def test_standard_library_is_held_against_dpkg(tmp_path: Path) -> None:
    """Debian's lists name the md5 of regular files; links and configuration files are only listed."""
    info = tmp_path / "info"
    info.mkdir()
    found = look_at_stdlib("/usr/lib/python0.0", Path("/usr/bin/python0.0"), full=True, dpkg=info)
    assert found is not None
    assert (found.voucher, found.altered) == ("", {})
    (info / "libpython0.0-stdlib:amd64.md5sums").write_text("")
    (info / "libpython3.0-stdlib:amd64.md5sums").write_text(f"{'0' * 32}  usr/lib/python0.0/os.py\n")
    found = look_at_stdlib("/usr/lib/python0.0", Path("/usr/bin/python0.0"), full=True, dpkg=info)
    assert found is not None
    assert (found.voucher, found.altered) == ("dpkg", {"/usr/lib/python0.0/os.py": "missing"})


def test_conda_without_an_interpreter_is_still_judged(tmp_path: Path, conda: Conda) -> None:
    """Its folders are known by their names, its version by conda-meta: what is installed is told, and exit 3."""
    wheel = demo_wheel(tmp_path)
    conda.install(wheel, installer="conda\n")
    conda.python.unlink()
    verdict = conda.verify(lock_of([wheel]), full=False)
    assert verdict.exit_code == 3
    assert finding_of(verdict, "target-unknown").subject == "python"


@pytest.mark.parametrize("full", [False, True])
def test_a_sitecustomize_beside_the_standard_library(tmp_path: Path, *, full: bool) -> None:
    """Where nobody vouches for a standard library, what runs at every start of it is told all the same."""
    library = tmp_path / "lib/python3.11"
    library.mkdir(parents=True)
    (library / "os.py").write_text("")
    found = look_at_stdlib(str(library), tmp_path / "bin/python3.11", full=full)
    assert found is not None and found.altered == {}
    (library / "sitecustomize").mkdir()
    found = look_at_stdlib(str(library), tmp_path / "bin/python3.11", full=full)
    assert found is not None
    assert found.altered == {f"{library}/sitecustomize": "runs at every start, and nobody vouches for it"}
