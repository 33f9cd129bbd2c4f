"""Virtual environments made of files alone, whose interpreter is a fake: what verify sees, without a process."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from envlock.errors import UnverifiableError
from envlock.formats.contents import verify_wheel
from envlock.formats.pylock import write_lock
from envlock.formats.wheel import open_wheel
from envlock.model.artifact import Wheel
from envlock.model.finding import Finding, Verdict
from envlock.model.lock import Base, ImageConfig, Lock, LockFile, Package, Policy, Settings
from envlock.model.platform import Platform
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses, verify_environment
from tests.unit.wheels import make_wheel, record_line

AMD64 = Platform("linux", "amd64")
UV_LAUNCHER = """\
#!{python}
# -*- coding: utf-8 -*-
import sys
from {module} import {attr}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({attr}())
"""


def demo_wheel(folder: Path, name: str = "demo", version: str = "1.0", *, value: int = 1) -> Path:
    """Write a wheel with a package, a data file, a rewritten script, a plain script, a header and a launcher."""
    folder.mkdir(parents=True, exist_ok=True)
    data = f"{name}-{version}.data"
    return make_wheel(
        folder,
        name,
        version,
        {
            f"{name}/__init__.py": f"value = {value}\n".encode(),
            f"{name}/native.so": b"\x7fELF" + bytes(range(256)) * 4,
            f"{name}/sub/table.csv": b"1,2,3\n",
            f"{data}/scripts/{name}-script": b"#!python\nprint('hello')\n",
            f"{data}/scripts/{name}-shell": b"#!/bin/sh\necho hello\n",
            f"{data}/data/share/{name}.txt": b"shared\n",
            f"{data}/headers/{name}.h": b"int demo;\n",
            f"{name}-{version}.dist-info/entry_points.txt": f"[console_scripts]\n{name}-run = {name}:main\n".encode(),
        },
    )


def locked_package(path: Path) -> Package:
    """Return the package of a wheel at hand, with its true digests."""
    raw = path.read_bytes()
    with open_wheel(path) as wheel:
        return Package(
            name=wheel.name,
            version=wheel.version,
            wheels=(
                Wheel(
                    name=path.name,
                    size=len(raw),
                    sha256=hashlib.sha256(raw).hexdigest(),
                    contents=verify_wheel(wheel),
                    record=wheel.record_sha256,
                    path=f"wheels/{hashlib.sha256(raw).hexdigest()[:16]}/{path.name}",
                ),
            ),
        )


def lock_of(
    wheels: Iterable[Path] = (),
    *,
    env: str = "demo",
    packages: Iterable[Package] = (),
    python: str = "3.11",
    base_python: str | None = None,
    frameworks: tuple[str, ...] = (),
    policy: Policy = "numeric",
    settings: Settings | None = None,
    as_of: str | None = None,
) -> LockFile:
    """Return the lock of some wheels."""
    base = None
    if base_python is not None:
        base = Base(
            recipe="debian-test",
            distribution="debian",
            interpreter="/usr/bin/python3.11",
            python=base_python,
            glibc="2.36",
            solver="closure",
            effects=(),
            suites=(),
            packages=(),
        )
    found = [*map(locked_package, wheels), *packages]
    lock = Lock(
        env=env,
        python=python,
        platforms=(AMD64,),
        packages=tuple(sorted(found, key=lambda package: package.name)),
        frameworks=frameworks,
        as_of=as_of,
        policy=policy,
        settings=settings or Settings(),
        base=base,
        image=ImageConfig() if base else None,
    )
    return LockFile(lock=lock, raw=write_lock(lock))


class Venv:
    """A folder laid out as uv does it."""

    def __init__(self, prefix: Path, *, version: str = "3.11.9") -> None:
        self.prefix = prefix
        self.version = version
        feature = ".".join(version.split(".")[:2])
        self.site = prefix / "lib" / f"python{feature}" / "site-packages"
        self.scripts = prefix / "bin"
        self.site.mkdir(parents=True)
        self.scripts.mkdir()
        self.python = self.scripts / "python"
        self.python.write_bytes(b"\x7fELF not really\0" + version.encode() + b"\0")
        (prefix / "pyvenv.cfg").write_text(f"home = {self.scripts}\nuv = 0.13.9\nversion_info = {version}\n")
        self.answers: dict[str, object] = {}
        self.records: dict[str, bytes] = {}
        self.bytecode: dict[str, str] = {}
        """File name of a .pyc to the verdict of the fake interpreter, `same` where it is not listed."""

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Be the interpreter."""
        pairs = re.match(rb"PAIRS = (.*)\n", script)
        if pairs:
            names = re.findall(rb"\('[^']*?([^'/]+)', ", pairs[1])
            lines = [f"{at} {self.bytecode.get(name.decode(), 'same')}\n" for at, name in enumerate(names)]
            return ("ready\n" + "".join(lines)).encode()
        feature = ".".join(self.version.split(".")[:2])
        answer = {
            "implementation": "cpython",
            "version": self.version,
            "system": "linux",
            "machine": "x86_64",
            "libc": "glibc 2.36",
            "executable": str(self.python),
            "prefix": str(self.prefix),
            "venv": True,
            "sites": [str(self.site), str(self.site)],
            "scripts": str(self.scripts),
            "data": str(self.prefix),
            "headers": [str(self.prefix / "include/site" / f"python{feature}")],
        }
        return json.dumps(answer | self.answers).encode()

    def install(self, wheel: Path, *, installer: str = "uv") -> Path:
        """Install a wheel as uv does and return its .dist-info."""
        rows = []
        with open_wheel(wheel) as opened:
            info = self.site / opened.dist_info
            self.records[opened.record_sha256] = opened.record
            feature = self.site.parent.name
            roots = {
                "site": self.site,
                "scripts": self.scripts,
                "data": self.prefix,
                "headers": self.prefix / "include/site" / feature / opened.name,
            }
            for entry in opened.entries:
                if entry.sha256 is None:
                    continue
                data = opened.read(entry)
                if entry.scheme == "scripts" and data.startswith(b"#!python\n"):
                    data = f"#!{self.python}\n".encode() + data.partition(b"\n")[2]
                rows.append(self._write(roots[entry.scheme] / entry.path, data))
            for point in opened.entry_points():
                text = UV_LAUNCHER.format(python=self.python, module=point.module, attr=point.attr)
                rows.append(self._write(self.scripts / point.name, text.encode()))
        rows.append(self._write(info / "INSTALLER", installer.encode()))
        rows.append(self._write(info / "REQUESTED", b""))
        relative = os.path.relpath(info, self.site)
        (info / "RECORD").write_text("".join(sorted([*rows, f"{relative}/RECORD,,\n"])))
        return info

    def _write(self, path: Path, data: bytes) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return record_line(os.path.relpath(path, self.site), data)

    def rewrite_record(self, path: Path) -> None:
        """Make RECORD agree with a file again, whichever package lists it."""
        relative = os.path.relpath(path, self.site)
        for record in self.site.glob("*.dist-info/RECORD"):
            lines = record.read_text().splitlines(keepends=True)
            new = [record_line(relative, path.read_bytes()) if x.startswith(f"{relative},") else x for x in lines]
            record.write_text("".join(new))

    def verify(self, lock: LockFile, *, full: bool = True, strict: bool = False, records: bool = True) -> Verdict:
        """Verify this environment."""
        return verify_environment(
            lock,
            self.prefix,
            folder=self.prefix.parent,
            witnesses=Witnesses(
                records=(lambda wheel: self.records.get(wheel.record)) if records else (lambda wheel: None),
                interpreter=self,
            ),
            terms=Terms(full=full, strict=strict),
            name=".venv",
            subject=f"{lock.lock.env} --python .venv",
        )


class BrokenInterpreter:
    """A target that cannot run Python."""

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Fail as the adapter does."""
        raise UnverifiableError("interpreter-hangs", "The target's Python did not answer within 30 s.")


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(bytes(data))


def rules_of(verdict: Verdict) -> list[str]:
    """Return the rules of a verdict's findings, in order."""
    return [finding.rule for finding in verdict.findings]


def finding_of(verdict: Verdict, rule: str) -> Finding:
    """Return the one finding of a rule."""
    (found,) = [finding for finding in verdict.findings if finding.rule == rule]
    return found
