"""The sandbox of model.edges by a Docker Engine, for machines where namespaces are forbidden to ordinary users.

The root becomes an image of the Engine, and what would be mounted is copied in and out: the Engine may be another
machine, as it is on macOS and Windows.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from envlock.adapters import attached
from envlock.adapters.archives import archive, replace_by_archive, state_of
from envlock.adapters.engine import Engine, reason_of
from envlock.errors import EnvlockError, UnverifiableError, UsageError
from envlock.model.edges import Process

REPOSITORY = "envlock-root"
"""Where the Engine keeps roots; `docker rmi` takes them off again at any time."""
LABEL = "dev.envlock.sandbox"
_STACK = 8 << 20
_PRELUDE = """\
import ctypes, json, os, sys
request = json.loads(sys.argv[1])
child = os.fork()
if child:
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
os.setsid()
os.umask(0o022)
if ctypes.CDLL(None).personality(ctypes.c_ulong(0x0040000)) == -1:
    sys.exit("The address space stays randomised: personality(2) is refused.")
os.execve(request["argv"][0], request["argv"], request["environment"])
"""
# linux/personality.h: ADDR_NO_RANDOMIZE, as in `confine`. The first process of a container is deaf to signals, so that
# the command is its child. The environment is passed like this since the Engine adds variables of its own.
_STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
_CHUNK = 1 << 16


class EngineSandbox:
    """Runs commands of an unpacked root in containers without network, capabilities or a writable root.

    The command, whose first word must be a Python interpreter of the root, sees what it sees in
    `sandbox.NamespaceSandbox`: user 0 without any privilege, a fixed host name, umask and stack limit, no address space
    randomisation, and /dev, /proc and /tmp of its own. Links and devices that it leaves in a bind are not copied back.

    Args:
        engine: reaches the Engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.__enter__()
        self._images: dict[Path, str] = {}
        self._guard = threading.Lock()
        self._running: set[str] = set()
        atexit.register(self._abandon)

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Process:
        """Start `argv` inside `root`, see `model.edges.Sandbox`.

        Raises UnverifiableError (`foreign-architecture`) and UsageError (`not-in-root`, `no-folder`, `engine-failed`).
        """
        for folder in (root, *(binds or {}).values()):
            if not folder.is_dir():
                raise UsageError("no-folder", "A folder to run in is not there.", where=str(folder))
        import docker

        api = self._engine.api
        try:
            container = self._container(api, self._image(api, root), argv, environment, tuple(binds or {}))
            self._running.add(container)
            try:
                for place, folder in (binds or {}).items():
                    api.put_archive(container, place, archive(folder))
                stream = api.attach_socket(container, params=_STREAMS)
                try:
                    api.start(container)
                except BaseException:
                    attached.close(stream)
                    raise
            except BaseException:
                self._remove(container)
                raise
        except docker.errors.DockerException as error:
            raise _refusal(reason_of(error), argv[0], root) from error
        return _Contained(self, container, stream, dict(binds or {}))

    def _container(
        self, api: Any, image: str, argv: Sequence[str], environment: Mapping[str, str], places: Sequence[str]
    ) -> str:
        import docker

        request = json.dumps({"argv": list(argv), "environment": dict(environment)})
        limits = [docker.types.Ulimit(name="stack", soft=_STACK, hard=_STACK)]
        limits.append(docker.types.Ulimit(name="core", soft=0, hard=0))
        made = api.create_container(
            image,
            entrypoint=[argv[0]],
            command=["-I", "-S", "-B", "-c", _PRELUDE, request],
            user="0:0",
            hostname="envlock",
            working_dir="/",
            stdin_open=True,
            labels={LABEL: ""},
            network_disabled=True,
            use_config_proxy=False,  # the proxies of Docker's configuration, maybe with a password
            volumes=list(places),
            host_config=api.create_host_config(
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                # personality(2) is not among the calls that Docker's own filter lets through; namespaces have none.
                security_opt=["no-new-privileges", "seccomp=unconfined"],
                tmpfs={"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108 - inside
                ulimits=limits,
            ),
        )
        return str(made["Id"])

    def _image(self, api: Any, root: Path) -> str:
        """Return the name of the image of a root, importing it where the Engine has none of this state of it."""
        import docker

        with self._guard:
            if root not in self._images:
                tag = state_of(root)
                try:
                    api.inspect_image(f"{REPOSITORY}:{tag}")
                except docker.errors.ImageNotFound:
                    answer = api.import_image_from_stream(archive(root), repository=REPOSITORY, tag=tag)
                    if '"error"' in answer:
                        raise _failed(answer.strip().splitlines()[-1]) from None
                self._images[root] = f"{REPOSITORY}:{tag}"
            return self._images[root]

    def ended(self, container: str, binds: Mapping[str, Path]) -> None:
        """Copy back what a container that has ended left in its binds, and remove it."""
        try:
            for place, folder in binds.items():
                chunks, _ = self._engine.api.get_archive(container, place)
                replace_by_archive(folder, chunks)
        finally:
            self._remove(container)

    def kill(self, container: str) -> None:
        """End a container, if it runs."""
        import docker

        with contextlib.suppress(docker.errors.APIError):
            self._engine.api.kill(container)

    def wait(self, container: str, timeout: float | None) -> int:
        """Return the exit status of a container."""
        return int(self._engine.api.wait(container, timeout=timeout)["StatusCode"])

    def _remove(self, container: str) -> None:
        import docker

        self._running.discard(container)
        with contextlib.suppress(docker.errors.APIError):
            self._engine.api.remove_container(container, v=True, force=True)

    def _abandon(self) -> None:
        for container in tuple(self._running):
            self._remove(container)
        self._engine.__exit__(None, None, None)


class _Contained:
    """A command in a container, as a `model.edges.Process`."""

    def __init__(self, sandbox: EngineSandbox, container: str, stream: Any, binds: Mapping[str, Path]) -> None:
        self._sandbox = sandbox
        self._container = container
        self._binds = binds
        self._status: int | None = None
        inward, self.stdin = _pipe()
        self.stdout, out = _pipe()
        self.stderr, complaints = _pipe()
        threading.Thread(target=_send, args=(inward, attached.connection_of(stream)), daemon=True).start()
        threading.Thread(target=_receive, args=(stream, {1: out, 2: complaints}), daemon=True).start()

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status: 128 + n after signal n. What the command left in its binds is there then."""
        import requests

        if self._status is None:
            try:
                self._status = self._sandbox.wait(self._container, timeout)
            except requests.exceptions.Timeout:
                raise subprocess.TimeoutExpired(self._container[:12], timeout or 0) from None
            self._sandbox.ended(self._container, self._binds)
        return self._status

    def kill(self) -> None:
        """End it."""
        if self._status is None:
            self._sandbox.kill(self._container)


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def _send(source: IO[bytes], connection: socket.socket) -> None:
    with contextlib.suppress(OSError), source:
        while chunk := os.read(source.fileno(), _CHUNK):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)


def _receive(stream: Any, pipes: Mapping[int, IO[bytes]]) -> None:
    """Take an attached container's output apart, until it ends."""
    with contextlib.ExitStack() as stack:
        stack.callback(attached.close, stream)
        for pipe in pipes.values():
            stack.enter_context(contextlib.suppress(OSError))
            stack.enter_context(pipe)
        stack.enter_context(contextlib.suppress(OSError))
        for number, chunk in attached.output_of(attached.connection_of(stream), terminal=False):
            with contextlib.suppress(BrokenPipeError):  # nobody reads it any more
                pipes[number].write(chunk)
                pipes[number].flush()


def _refusal(why: str, program: str, root: Path) -> EnvlockError:
    if "exec format error" in why:
        return UnverifiableError(
            "foreign-architecture",
            f"{program} cannot run on the Docker Engine's machine.",
            where=str(root),
            found=why,
            hint="Use an Engine of that architecture, or register an emulator (qemu-user-static, binfmt-support).",
        )
    if "no such file or directory" in why:
        return UsageError("not-in-root", f"{program} cannot be run in its root.", where=str(root), found=why)
    return _failed(why)


def _failed(why: str) -> UsageError:
    return UsageError(
        "engine-failed",
        "The Docker Engine did not run a command of the root.",
        found=why,
        hint="See the Engine's log; is its disk full?",
    )
