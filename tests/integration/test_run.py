"""`envlock run`: the command in the venv, and in a container of exactly the locked image."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from envlock.adapters.engine import Engine
from tests.integration.project import Project

pytestmark = pytest.mark.network

IMAGE = ("run", "--image", "--network", "none", "--")
SEEN = "import os, sys, json; print(json.dumps([os.getcwd(), os.getuid(), os.getpid() == 1, dict(os.environ)]))"


@pytest.fixture(scope="module")
def synced(built: Project) -> Project:
    """The small project with its venv."""
    built.ok("sync")
    return built


def started(project: Project, engine: str, *command: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"DOCKER_HOST": engine, "ENVLOCK_CACHE_DIR": str(project.cache)}
    return subprocess.Popen(
        [sys.executable, "-m", "envlock", "-q", *IMAGE, *command],
        cwd=project.folder,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_command_in_the_venv(synced: Project) -> None:
    """Its Python, its status, and nothing that brings other code in."""
    script = "import sys, os, yaml, click; print(sys.prefix, yaml.__version__, 'PYTHONPATH' in os.environ); sys.exit(5)"
    done = synced.run("run", "--", "python", "-c", script, environment={"PYTHONPATH": "/x"})
    assert (done.code, done.out) == (5, f"{synced.folder / '.venv'} 6.0.2 False\n")
    assert "PYTHONPATH is not passed on" in done.err
    done = synced.run("run", "small", "--locked", "-e", "X=1", "--", "python", "-c", "import os; os.abort()")
    assert done.code == -signal.SIGABRT


def test_what_is_installed_is_not_what_is_locked(synced: Project) -> None:
    """A warning, and with --locked an error."""
    site = next((synced.folder / ".venv/lib").glob("python*/site-packages"))
    there, hidden = site / "click-8.1.7.dist-info", site / "click-8.1.6.dist-info"
    there.rename(hidden)
    try:
        warned = synced.run("run", "--", "python", "-c", "")
        assert (warned.code, "click 8.1.6, locked 8.1.7" in warned.err) == (0, True)
        refused = synced.run("run", "--locked", "--", "python", "-c", "")
        assert (refused.code, "out-of-step" in refused.err) == (1, True)
        assert synced.run("run", "--frozen", "--", "python", "-c", "").err == ""
    finally:
        hidden.rename(there)


def test_what_is_not_understood(built: Project) -> None:
    """Said before anything starts."""
    for arguments, words in [
        (["run", "python"], "Put -- before the command"),
        (["run", "--"], "There is no command after --"),
        (["run", "--user", "1", "--", "true"], "--user is for --image"),
        (["run", "--image", "--venv", "x", "--", "true"], "exclude each other"),
        (["run", "none", "--", "true"], "unknown-env"),
    ]:
        done = built.run(*arguments)
        assert (done.code, words in done.err) == (2, True), done.err


@pytest.mark.engine
def test_a_command_in_the_image(built: Project, engine: str) -> None:
    """The locked image by its ID, made and loaded where it is not; the project mounted, its files the caller's."""
    (built.folder / "sub").mkdir(exist_ok=True)
    environment = {"DOCKER_HOST": engine}
    user = ["run", "--image", "--network", "none", "--user", "1234:1234", "--"]
    cwd, uid, first, variables = json.loads(built.ok(*user, "python", "-c", SEEN, environment=environment).out)
    assert (cwd, uid, first) == ("/app", 1234, False)
    assert {name: variables[name] for name in ("HOME", "USER", "VIRTUAL_ENV", "LANG")} == {
        "HOME": "/tmp",
        "USER": "envlock",
        "VIRTUAL_ENV": "/opt/venv",
        "LANG": "C.UTF-8",
    }
    inside = built.run("-C", "sub", *IMAGE, "sh", "-c", "pwd; touch mine", environment=environment)
    assert (inside.out, inside.err) == ("/app/sub\n", "")  # loaded once
    assert (built.folder / "sub" / "mine").stat().st_uid == os.getuid()
    built_id = json.loads(built.ok("build", "--json").out)["images"][0]["platforms"]["linux/amd64"]["image"]
    with Engine(engine) as client:
        assert client.api.inspect_image(built_id)["Config"]["Labels"]["dev.envlock.env"] == "small"
        assert client.api.containers(all=True) == []


@pytest.mark.engine
def test_streams_and_status_pass_through(built: Project, engine: str) -> None:
    """stdin to its end, binary output, both streams, 127 and 126, and no reader."""
    process = started(built, engine, "sh", "-c", "wc -c; echo complaint >&2; exit 3")
    out, err = process.communicate(bytes(3_000_000))
    assert (out, err, process.returncode) == (b"3000000\n", b"complaint\n", 3)
    assert built.run(*IMAGE, "no-such", environment={"DOCKER_HOST": engine}).code == 127
    assert built.run(*IMAGE, "/etc/passwd", environment={"DOCKER_HOST": engine}).code == 126
    process = started(built, engine, "python", "-c", "while True: print('y' * 1000)")
    assert process.stdout and process.stderr
    assert process.stdout.read(10) == b"y" * 10
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    for pipe in (process.stdin, process.stderr):
        assert pipe
        pipe.close()


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_pass_through(built: Project, engine: str, number: signal.Signals) -> None:
    """A command that handles none ends by them, though it is in a container."""
    process = started(built, engine, "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    timer = threading.Timer(60, process.kill)
    timer.start()
    process.communicate()
    timer.cancel()
    assert process.returncode == 128 + number
    with Engine(engine) as client:
        assert client.api.containers(all=True) == []


@pytest.mark.engine
def test_what_the_engine_cannot_give(built: Project, engine: str) -> None:
    """GPUs, and a folder that is not there: no container stays."""
    environment = {"DOCKER_HOST": engine}
    run = ["run", "--image", "--network", "none"]
    done = built.run(*run, "--gpus", "--", "true", environment=environment)
    assert (done.code, "no-gpus" in done.err, "--no-gpus" in done.err) == (2, True, True)
    done = built.run(*run, "-v", "nowhere:/x", "--", "true", environment=environment)
    assert (done.code, "no-mount-source" in done.err) == (2, True)
    assert not Path(built.folder, "nowhere").exists()
    with Engine(engine) as client:
        assert client.api.containers(all=True) == []


@pytest.mark.engine
def test_a_terminal_is_handed_on(built: Project, engine: str) -> None:
    """Where stdin and stdout are one: Ctrl-C is a key, and the screen is as it was afterwards."""
    import pty

    child, screen = pty.fork()
    if child == 0:
        os.chdir(built.folder)
        os.environ.update(DOCKER_HOST=engine, ENVLOCK_CACHE_DIR=str(built.cache))
        command = "import os, time; print('tty', os.isatty(0), os.isatty(1)); time.sleep(60)"
        os.execv(sys.executable, [sys.executable, "-m", "envlock", "-q", *IMAGE, "python", "-c", command])
    seen = b""
    while b"tty True True" not in seen:
        seen += os.read(screen, 1000)
    os.write(screen, b"\x03")
    try:
        while chunk := os.read(screen, 1000):
            seen += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(screen)
    assert b"KeyboardInterrupt" in seen
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
