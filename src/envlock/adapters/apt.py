"""apt as a solver: asked in a throwaway root, over package entries that were verified elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from envlock.errors import UsageError

_OLDEST = (2, 0)
_TIMEOUT_S = 300
_VERSION = re.compile(r"apt (\d+)\.(\d+)")
_INST = re.compile(r"Inst (\S+) (?:\[[^\]]*\] )?\((\S+) ")
_WHY = re.compile(r"^ \S+ : .*|^E: .*", re.MULTILINE)
_CONFIGURATION = """\
Dir "{root}";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc "{root}/etc";
Dir::Log "{root}/log";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
"""
_FOLDERS = (
    "etc/apt.conf.d",
    "etc/preferences.d",
    "etc/sources.list.d",
    "etc/trusted.gpg.d",
    "state/lists/partial",
    "cache/archives/partial",
    "log",
    "index",
)


class Apt:
    """apt-get of this machine; implements `model.edges.Solver`.

    It sees no setting, source, key or package of the machine (apt.conf(5): APT_CONFIG is read first, and moves the
    places of all the others), and fetches nothing: its one source is a local folder.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    def solve(
        self, wanted: Sequence[str], *, offered: Iterable[bytes], installed: Iterable[bytes], architecture: str
    ) -> list[tuple[str, str]]:
        """Ask apt what it would install, without what is only recommended, removing nothing."""
        with tempfile.TemporaryDirectory(prefix="envlock-apt-", ignore_cleanup_errors=True) as folder:
            root = Path(folder)
            for name in _FOLDERS:
                (root / name).mkdir(parents=True)
            (root / "apt.conf").write_text(_CONFIGURATION.format(root=root, architecture=architecture), "utf-8")
            (root / "etc/sources.list").write_text(f"deb [trusted=yes] file:{quote(folder)}/index ./\n", "utf-8")
            _write(root / "index/Packages", offered)
            _write(root / "status", installed)
            self._run(root, "update")
            out = self._run(root, "install", "--simulate", "--no-remove", "--", *wanted)
        return [(match[1].partition(":")[0], match[2]) for line in out.splitlines() if (match := _INST.match(line))]

    def _run(self, root: Path, *arguments: str) -> str:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "APT_CONFIG": str(root / "apt.conf"),
        }
        try:
            done = subprocess.run(
                [self._program, "-q", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(
                "solver-failed", "apt could not be asked for packages.", found=type(error).__name__, where="apt-get"
            ) from None
        out = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            said = (out + done.stderr.decode("utf-8", "replace")).replace(str(root), "")
            why = [line.strip() for line in _WHY.findall(said)]
            solving = arguments[0] == "install"
            raise UsageError(
                "unsatisfiable-package" if solving else "solver-failed",
                "apt finds no way to install the packages together."
                if solving
                else "apt could not read the package indexes.",
                found="; ".join(dict.fromkeys(why)) or f"exit status {done.returncode}",
                hint="the suites may be incomplete, or the mirror in the middle of an update" if solving else "",
            )
        return out


def _write(path: Path, stanzas: Iterable[bytes]) -> None:
    path.write_bytes(b"".join(stanza.strip(b"\n") + b"\n\n" for stanza in stanzas))


def apt_here() -> Apt | None:
    """Return the apt of this machine, or None where there is none that is new enough (2.0, Debian 11)."""
    program = shutil.which("apt-get")
    if program is None:
        return None
    try:
        said = subprocess.run(
            [program, "--version"], env={"LC_ALL": "C"}, capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.match(said)
    return Apt(program) if match and (int(match[1]), int(match[2])) >= _OLDEST else None
