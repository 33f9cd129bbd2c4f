"""Runs probes in throw-away containers of an image, without network: each is gone when its script has ended."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from envlock.adapters import attached
from envlock.adapters.container_host import machine_told
from envlock.adapters.containers import create, hands_gpus_on, refusal, require_gpus, waiting
from envlock.adapters.engine import Engine, reason_of
from envlock.adapters.probing import LINE, OUTPUT, TAIL, last_line
from envlock.errors import UnverifiableError
from envlock.model.container import Container, Gpus, Mount
from envlock.model.machine import Machine
from envlock.model.numerics import ProbeEnd
from envlock.model.unknown import Unknown

_PYTHONS = ("python", "python3")
"""What programs of an image are started with, by its PATH."""
_EXACTLY = """\
import json, os, sys
variables = json.loads(sys.argv[1])
variables.setdefault("HOME", os.environ.get("HOME", "/"))
os.execve(sys.executable, [sys.executable, "-s", "-B", "-"], variables)
"""
# The Engine adds variables of its own to those that it is given, and the image's.
_FOLDER = "/tmp"  # noqa: S108 - inside; the one folder of most images that anybody may write to
_STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
_SOON = 30.0
"""Seconds that a script may take that only tells what it sees."""
_ATTEMPTS = 20
_PAUSE = 0.2
"""How often, and after how many seconds each, a container is removed that cannot be yet."""
_NO_PROGRAM = ("executable file not found", "no such file or directory")
"""What Engines say of an image without the program that is to be started, in lower case."""


class ContainerProbing:
    """The edge `Probing` for an image of an Engine.

    Args:
        engine: a connected one.
        image: its ID in the Engine; a tag may move.
        variables: that programs of the image start with.
        mounts: folders of the Engine's machine that the scripts need.
        gpus: whether to hand NVIDIA's GPUs on.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        *,
        variables: Mapping[str, str],
        mounts: Sequence[Mount] = (),
        gpus: Gpus = "none",
    ) -> None:
        self._engine = engine
        self._image = image
        self._variables = variables
        self._mounts = tuple(mounts)
        self._gpus: Gpus = gpus
        self._pythons: tuple[str, ...] = _PYTHONS

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        """Run a script, see `model.edges.Probing`.

        Raises UnverifiableError (`interpreter-failed`) where the image has no Python that can be started, and
        UsageError (`engine-failed`, `no-gpus`, `no-mount-source`).
        """
        import docker

        why = ""
        for python in self._pythons:
            container = self._container(python, variables)
            try:
                end = self._run(container, script, told, patience)
            except (docker.errors.DockerException, OSError) as error:
                why = reason_of(error)
                if not any(words in why.lower() for words in _NO_PROGRAM) or "mount" in why.lower():
                    raise refusal(why, container) from error
                continue
            self._pythons = (python,)
            return end
        raise UnverifiableError(
            "interpreter-failed",
            "The image has no Python that can be started to run the probes.",
            where=self._image,
            expected=" or ".join(_PYTHONS),
            found=why,
            hint="Name an image with a Python environment.",
        )

    def machine(self) -> Machine | Unknown:
        """Return the machine as programs of the image see it here."""
        script = importlib.resources.files("envlock").joinpath("data/in_target/machine.py").read_bytes()
        lines: list[bytes] = []
        end = self.run(script, self._variables, lines.append, patience=_SOON)
        if end.status != 0 or not lines:
            return Unknown(reason="no Python in the container told what it sees")
        return machine_told(self._engine.api, lines[-1])

    def _container(self, python: str, variables: Mapping[str, str]) -> Container:
        return Container(
            image=self._image,
            interpreter=python,
            argv=(python, "-I", "-S", "-B", "-c", _EXACTLY, json.dumps(dict(variables))),
            workdir=_FOLDER,
            mounts=self._mounts,
            gpus=self._gpus,
            network="none",
        )

    def _run(self, container: Container, script: bytes, told: Callable[[bytes], None], patience: float) -> ProbeEnd:
        api = self._engine.api
        gpus = hands_gpus_on(self._engine, container)
        # Containers come and go in a thread of their own, where no Ctrl-C comes between one and its ID, or its end.
        pool = ThreadPoolExecutor(1)
        made = pool.submit(create, api, container, None, gpus)
        try:
            identity = made.result()
            if gpus:
                require_gpus(api, identity)
            stream = api.attach_socket(identity, params=_STREAMS)
            connection = attached.connection_of(stream)
            try:
                with waiting(api, identity) as ended:
                    api.start(identity)
                    threading.Thread(target=_send, args=(connection, script), daemon=True).start()
                    output = _Output(told)
                    in_time = output.take(connection, patience)
                    status = _signed(int(ended.json()["StatusCode"])) if in_time else None
                    return ProbeEnd(status=status, said=output.said)
            finally:
                attached.close(stream)
        finally:
            # It removes itself when it ends; this ends one that hangs, or that nobody waits for any more.
            gone = pool.submit(_remove, api, made)
            pool.shutdown(wait=False)
            gone.result()


class _Output:
    """What a container writes: lines of stdout as they come, and the end of stderr."""

    def __init__(self, told: Callable[[bytes], None]) -> None:
        self._told = told
        self._line = b""
        self._tail = b""

    def take(self, connection: socket.socket, patience: float) -> bool:
        """Hand each line on, to the end; False where none came for `patience` seconds."""
        heard = time.monotonic()
        amount = 0
        connection.settimeout(patience)
        try:
            for stream, chunk in attached.output_of(connection, terminal=False):
                if stream == 1:
                    amount += len(chunk)
                    heard = time.monotonic() if self._take(chunk) else heard
                else:
                    self._tail = (self._tail + chunk)[-TAIL:]
                if amount > OUTPUT:
                    return True
                # What is written elsewhere is no sign of life: a framework may complain for ever.
                connection.settimeout(max(0.01, heard + patience - time.monotonic()))
        except TimeoutError:
            return False
        if self._line:
            self._told(self._line)
        return True

    def _take(self, chunk: bytes) -> bool:
        """Hand the lines on that a chunk ends; tell whether there were any."""
        *lines, self._line = (self._line + chunk).split(b"\n")
        for line in lines:
            self._told(line[:LINE] + b"\n")
        self._line = self._line[:LINE]
        return bool(lines)

    @property
    def said(self) -> str:
        """The last line of stderr."""
        return last_line(self._tail)


def _remove(api: Any, made: Future[str]) -> None:
    """Remove a container, in whatever state it is: one that just starts cannot be ended yet, the Engine then says."""
    import docker

    if made.exception() is not None:
        return
    identity = made.result()
    for _ in range(_ATTEMPTS):
        try:
            api.remove_container(identity, v=True, force=True)
        except docker.errors.NotFound:
            return
        except (docker.errors.DockerException, OSError):
            time.sleep(_PAUSE)
        else:
            return


def _send(connection: socket.socket, script: bytes) -> None:
    with contextlib.suppress(OSError):  # it has ended
        connection.sendall(script)
        connection.shutdown(socket.SHUT_WR)


def _signed(status: int) -> int:
    """Return the status of a process, negative for a signal, of which a container's is 128 and its number."""
    return status if status <= 128 else 128 - status
