"""The sandbox: what a command sees of the machine, and what is said where it cannot be started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from envlock.adapters import sandbox
from envlock.adapters.sandbox import NamespaceSandbox
from envlock.errors import UnverifiableError, UsageError

PATH = {"PATH": "/bin"}


@pytest.fixture(scope="session")
def shell_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that holds a shell and a few tools, with the libraries they need, and nothing else."""
    root = tmp_path_factory.mktemp("root")
    for name in ("sh", "cat", "id", "hostname", "ls", "sleep", "env"):
        program = shutil.which(name, path="/bin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.skip(f"this machine has no {name}")
        (root / "bin").mkdir(exist_ok=True)
        shutil.copy(program, root / "bin" / name)
        needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", needed):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
    (root / "etc").mkdir()
    (root / "etc" / "name").write_text("the root\n")
    (root / "link").symlink_to("etc")
    try:
        run(root, ":")
    except UnverifiableError as error:
        pytest.skip(str(error))
    return root


def run(root: Path, script: str, *, binds: dict[str, Path] | None = None) -> tuple[str, int]:
    """Run a shell script inside and return all it said, with its status."""
    process = NamespaceSandbox().start(root, ["/bin/sh", "-c", f"exec 2>&1; {script}"], environment=PATH, binds=binds)
    assert isinstance(process, subprocess.Popen)
    out, err = process.communicate()
    assert err == b""
    return out.decode(), process.returncode


def test_command_sees_its_root_and_nothing_of_the_host(shell_root: Path) -> None:
    """The top holds the root's folders and links and the private ones; the host's files are gone."""
    out, status = run(shell_root, "ls /; cat /link/name; ls /tmp /sys")
    top = {path.name for path in shell_root.iterdir()} | {"dev", "proc", "sys", "tmp"}
    assert (out, status) == ("\n".join(sorted(top)) + "\nthe root\n/sys:\n\n/tmp:\n", 0)


def test_what_results_might_depend_on_is_fixed(shell_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, user, host name, umask and stack limit are the same whoever asks."""
    monkeypatch.setenv("SECRET", "of the host")
    before = os.umask(0o077)
    try:
        out, _ = run(shell_root, "env; id -u; id -g; hostname; umask; ulimit -s; ulimit -c; cat /proc/self/personality")
    finally:
        os.umask(before)
    lines = [line for line in out.splitlines() if not line.startswith(("PWD=", "OLDPWD=", "SHLVL=", "_="))]
    assert lines == ["PATH=/bin", "0", "0", "envlock", "0022", "8192", "0", "00040000"]


def test_only_binds_and_tmp_can_be_written(shell_root: Path, tmp_path: Path) -> None:
    """The shared root stays as it is; what is written to a bind is there afterwards."""
    out, _ = run(
        shell_root,
        "for f in /f /etc/f /bin/f /build/f /build/shop/f /tmp/f; do (echo x > $f) 2>/dev/null && echo $f; done",
        binds={"/build/shop": tmp_path},
    )
    assert out.splitlines() == ["/build/shop/f", "/tmp/f"]
    assert (tmp_path / "f").read_text() == "x\n"
    assert not (shell_root / "build").exists()


def test_no_privilege_and_no_descriptor_is_left(shell_root: Path, tmp_path: Path) -> None:
    """Every set of capabilities is empty, new ones cannot be had, and nothing of the parent's is open."""
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        out, _ = run(shell_root, "cat /proc/self/status; ls /proc/self/fd")
    status = dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    reserved = 1 << 31 | 1 << 32  # signals 32 and 33 are glibc's own: nobody can set them through it
    assert int(status["SigIgn"], 16) & ~reserved == int(status["SigBlk"], 16) == 0
    assert [line for line in out.splitlines() if line.isdigit()] == ["0", "1", "2", "3"]  # 3 is ls's own


def test_the_kernel_s_settings_cannot_be_written(shell_root: Path) -> None:
    """Not by the host's root either, who owns them whatever its capabilities: what runs here may be anybody's base."""
    out, _ = run(
        shell_root,
        "for f in sys/kernel/core_pattern sys/vm/drop_caches sysrq-trigger self/oom_score_adj;"
        " do (: >> /proc/$f) 2>/dev/null && echo $f; done; echo end > /dev/stdout",
    )
    assert out == "end\n"


def test_no_network_is_there(shell_root: Path) -> None:
    """Only a loopback interface, and that is down."""
    out, _ = run(shell_root, "cat /proc/net/dev; cat /proc/net/route")
    assert [line.split(":")[0].strip() for line in out.splitlines() if ":" in line] == ["lo"]


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -SEGV $$", 139), ("sleep 60 & exit 0", 0)])
def test_exit_status_is_the_commands(shell_root: Path, script: str, status: int) -> None:
    """Its code, or 128 + signal; what it leaves running ends with it."""
    assert run(shell_root, script)[1] == status


def _running(marker: str) -> bool:
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and marker in (folder / "cmdline").read_text().split("\0"):
                return True
        except OSError:
            continue
    return False


def _gone(marker: str) -> bool:
    for _ in range(100):
        if not _running(marker):
            return True
        time.sleep(0.05)
    return False


def test_killing_ends_all_that_was_started(shell_root: Path) -> None:
    """No process of the namespaces outlives `kill`."""
    process = NamespaceSandbox().start(shell_root, ["sh", "-c", "sleep 7001 & sleep 7001"], environment=PATH)
    assert isinstance(process, subprocess.Popen)
    process.kill()
    process.communicate()
    assert _gone("7001")


def test_ends_with_the_process_that_asked_but_not_with_its_thread(shell_root: Path) -> None:
    """A worker thread may end while its command runs on; the end of the whole process is the end of the command."""
    code = (
        "import sys, threading, time; from pathlib import Path\n"
        "from envlock.adapters.sandbox import NamespaceSandbox\n"
        "def work(): kept.append(NamespaceSandbox().start(Path(sys.argv[1]), ['/bin/sleep', '7002'], environment={}))\n"
        "kept = []; thread = threading.Thread(target=work); thread.start(); thread.join(); time.sleep(0.2)\n"
        "print(kept[0].poll(), flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(shell_root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"None\n"
        assert _running("7002")
        parent.kill()
    assert _gone("7002")


def test_several_threads_may_start_commands(shell_root: Path) -> None:
    """One root serves concurrent commands."""
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(run(shell_root, "cat /etc/name")[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["the root\n"] * 8


def test_missing_command(shell_root: Path) -> None:
    """The command and the root are named."""
    with pytest.raises(UsageError) as caught:
        NamespaceSandbox().start(shell_root, ["/usr/bin/python9"], environment={})
    assert str(caught.value) == (
        f"/usr/bin/python9 cannot be run in its root. [not-in-root]\n"
        f"  where: {shell_root}\n  found: No such file or directory"
    )


def test_foreign_program(shell_root: Path, tmp_path: Path) -> None:
    """A program of another architecture could not be verified here."""
    root = tmp_path / "root"
    root.mkdir()
    program = root / "program"
    (root / "bin").mkdir()
    program = root / "bin" / "program"
    program.write_bytes(
        b"\x7fELF\2\1\1" + bytes(9) + (2).to_bytes(2, "little") + (243).to_bytes(2, "little") + bytes(64)
    )
    program.chmod(0o755)
    with pytest.raises(UnverifiableError) as caught:
        NamespaceSandbox().start(root, ["/bin/program"], environment={})
    assert caught.value.reference == "foreign-architecture"


def test_place_that_cannot_be_made(shell_root: Path, tmp_path: Path) -> None:
    """A bind below a folder of the root needs its place there."""
    with pytest.raises(UsageError) as caught:
        NamespaceSandbox().start(shell_root, ["/bin/sh"], environment={}, binds={"/etc/new": tmp_path})
    assert caught.value.reference == "not-in-root"
    assert caught.value.what == "Nothing can be mounted at /etc/new."


def test_missing_root(tmp_path: Path) -> None:
    """A root that is not there is no matter of namespaces."""
    with pytest.raises(UsageError) as caught:
        NamespaceSandbox().start(tmp_path / "none", ["/bin/sh"], environment={})
    assert caught.value.reference == "no-folder"


def test_forbidden_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, the step that was refused, and what to do."""
    script = tmp_path / "refused.py"
    script.write_text("""import os, sys; os.write(int(sys.argv[2]), b'{"step":"unshare","errno":1,"path":""}')""")
    monkeypatch.setattr(sandbox, "_SCRIPT", script)
    monkeypatch.setattr(sandbox, "_SWITCHES", {})
    with pytest.raises(UnverifiableError) as caught:
        NamespaceSandbox().start(tmp_path, ["/bin/sh"], environment={})
    assert str(caught.value) == (
        "This machine does not let an isolated root be entered. [no-namespaces]\n"
        "  expected: user, mount, PID, network, IPC and UTS namespaces\n"
        "  found: unshare: Operation not permitted\n"
        "  next: In a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, "
        "or --privileged; else use another machine."
    )
    assert caught.value.exit_code == 3


def test_switched_off_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch that forbids them is named."""
    limit = Path("/proc/sys/kernel/pid_max").read_text().strip()
    monkeypatch.setattr(sandbox, "_SWITCHES", {"kernel/none": "1", "kernel/pid_max": limit})
    assert sandbox._next_step() == f"Ask the administrator to change kernel.pid_max, which is {limit}."


def test_other_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows have none of it, and say so."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnverifiableError) as caught:
        NamespaceSandbox().start(tmp_path, ["/bin/sh"], environment={})
    assert (caught.value.found, caught.value.exit_code) == ("darwin has none", 3)
