"""Runs a command in a container of an Engine as if it ran here: its streams, its terminal, its signals, its status."""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from envlock.adapters import attached
from envlock.adapters.engine import Engine, reason_of
from envlock.adapters.terminal import Terminal
from envlock.errors import EnvlockError, UsageError
from envlock.model.container import Container

LABEL = "dev.envlock.run"
"""Of every container that `envlock run --image` starts."""
_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_CHUNK = 1 << 16
_UNREAD = 128 + 13
"""The status of what SIGPIPE ended, for a command whose output nobody reads any more."""
_NO_SUCH_GPUS = ("could not select device driver", "nvidia", "cdi device")
"""What Engines say who cannot hand GPUs on, in lower case."""


def run_container(engine: Engine, container: Container) -> int:
    """Run a command to its end and return its exit status; nothing of the container stays.

    128 + n is that of a command which signal n ended, 127 is no such command, 126 one that cannot be executed.
    It gets the terminal where stdin and stdout are one, else stdin as a stream; output comes out unbuffered. SIGHUP,
    SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are passed on. Raises UsageError (`engine-failed`, `no-gpus`,
    `no-mount-source`).
    """
    import docker

    terminal = Terminal.here()
    try:
        return _run(engine.api, container, terminal, hands_gpus_on(engine, container))
    except (docker.errors.DockerException, OSError) as error:
        raise refusal(reason_of(error), container) from error


def _run(api: Any, container: Container, terminal: Terminal | None, gpus: bool) -> int:
    identity = create(api, container, terminal, gpus)
    try:
        if gpus:
            require_gpus(api, identity)
        stream = api.attach_socket(identity, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        connection = attached.connection_of(stream)
        try:
            # Answered at once with headers, so that the wait is known to be under way, and later with the status.
            with waiting(api, identity) as ended, _signals() as signals:
                api.start(identity)
                threading.Thread(target=_pass_on, args=(api, identity, signals), daemon=True).start()
                with _raw(terminal, api, identity):
                    _copy_in(connection)
                    read = _copy_out(connection, signals, terminal=terminal is not None)
                    status = int(ended.json()["StatusCode"])
                    return status if read else _UNREAD
        finally:
            attached.close(stream)
    finally:
        # It removes itself when it ends; this is for one that never started, or that we could not wait for.
        with contextlib.suppress(Exception):
            api.remove_container(identity, v=True, force=True)


def create_options(container: Container, *, terminal: bool, gpus: bool, labelled: bool = False) -> dict[str, Any]:
    """Return what docker's `create_container` is asked for, its host configuration under `host_config`.

    `labelled` is an Engine with SELinux, which would keep the container from folders of its owner.
    """
    import docker

    host: dict[str, Any] = {
        "auto_remove": True,
        "network_mode": container.network,
        # Bind mounts of this kind fail where the source is not there; the older kind makes an empty folder.
        "mounts": [
            docker.types.Mount(target=mount.target, source=mount.source, type="bind", read_only=mount.read_only)
            for mount in container.mounts
        ],
        "log_config": docker.types.LogConfig(type="none"),
        # The project is mounted writable: a setuid program of the image must not leave files of root in it.
        "security_opt": ["no-new-privileges", *(["label=disable"] if labelled else [])],
    }
    if gpus:
        capabilities = [["gpu", "compute", "utility"]]
        host["device_requests"] = [docker.types.DeviceRequest(count=-1, capabilities=capabilities)]
    return {
        "image": container.image,
        "entrypoint": [container.interpreter],
        "command": ["-I", "-S", "-B", "-c", first_process(), *container.argv],
        "user": container.user,
        "working_dir": container.workdir,
        "environment": dict(container.variables),
        "stdin_open": True,
        "tty": terminal,
        "labels": {LABEL: ""},
        "host_config": {name: value for name, value in host.items() if value not in (None, [])},
    }


def first_process() -> str:
    """Return the script that starts the command inside, see `data/in_container/first_process.py`."""
    return importlib.resources.files("envlock").joinpath("data/in_container/first_process.py").read_text("utf-8")


def create(api: Any, container: Container, terminal: Terminal | None, gpus: bool) -> str:
    """Return the ID of a new container, which removes itself when it has ended; `api` is docker's client."""
    labelled = any("selinux" in option for option in api.info().get("SecurityOptions") or ())
    options = create_options(container, terminal=terminal is not None, gpus=gpus, labelled=labelled)
    host = api.create_host_config(**options.pop("host_config"))
    if terminal is not None:
        options["environment"].setdefault("TERM", os.environ.get("TERM", "xterm"))
    return str(api.create_container(**options, host_config=host)["Id"])


def hands_gpus_on(engine: Engine, container: Container) -> bool:
    """Tell whether to ask for GPUs; ones that are only wanted are asked for where the Engine says that it has them."""
    if container.gpus != "wanted":
        return container.gpus == "required"
    return "nvidia" in (engine.facts.get("Runtimes") or {})


def require_gpus(api: Any, identity: str) -> None:
    """Raise UsageError (`no-gpus`) for an Engine that left the request out without a word, as Podman 4 does."""
    host = api.inspect_container(identity).get("HostConfig") or {}
    if not host.get("DeviceRequests") and not host.get("Devices"):
        raise _no_gpus("The Engine left the request for GPUs out.")


@contextlib.contextmanager
def waiting(api: Any, identity: str) -> Iterator[Any]:
    """Yield an answer that comes when a container ends which is not started yet: its JSON says with which status."""
    url = f"{api.base_url}/v{api.api_version}/containers/{identity}/wait"
    with api.post(url, params={"condition": "next-exit"}, stream=True, timeout=None) as answer:
        answer.raise_for_status()
        yield answer


@contextlib.contextmanager
def _signals() -> Iterator[queue.SimpleQueue[str | None]]:
    """Catch the signals that are passed on, and yield the queue of their names, which ends with None."""
    caught: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # whose put may be called in a signal handler
    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if before[number] is not signal.SIG_IGN:  # nohup
                signal.signal(number, lambda number, _: caught.put(signal.Signals(number).name))
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        caught.put(None)


def _pass_on(api: Any, identity: str, signals: queue.SimpleQueue[str | None]) -> None:
    import docker

    while (name := signals.get()) is not None:
        with contextlib.suppress(docker.errors.APIError):  # it has ended
            api.kill(identity, name)


def _copy_in(connection: Any) -> None:
    """Send stdin to the container from a thread of its own, which nobody waits for: it may never end."""

    def send() -> None:
        import socket

        with contextlib.suppress(OSError):
            while chunk := os.read(0, _CHUNK):
                connection.sendall(chunk)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()


def _copy_out(connection: Any, signals: queue.SimpleQueue[str | None], *, terminal: bool) -> bool:
    """Write what the container writes, as it comes, to its end.

    Where nobody reads that any more, the command is ended, and False returned.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read = True
    for stream, chunk in attached.output_of(connection, terminal=terminal):
        left = memoryview(chunk)
        while left and read:
            try:
                left = left[os.write(2 if stream == 2 else 1, left) :]
            except BrokenPipeError:
                read = False
                signals.put("SIGTERM")
    return read


def _resize(api: Any, identity: str, height: int, width: int) -> None:
    with contextlib.suppress(Exception):  # a terminal of another size is no reason to fail
        api.resize(identity, height=height, width=width)


def _raw(terminal: Terminal | None, api: Any, identity: str) -> AbstractContextManager[None]:
    if terminal is None:
        return contextlib.nullcontext()
    return terminal.raw(lambda height, width: _resize(api, identity, height, width))


def refusal(why: str, container: Container) -> EnvlockError:
    """Return the error for what an Engine said: `no-gpus`, `no-mount-source` or `engine-failed`."""
    said = why.lower()
    if container.gpus != "none" and any(words in said for words in _NO_SUCH_GPUS):
        return _no_gpus(why)
    if "bind source path does not exist" in said or "statfs" in said:
        return UsageError(
            "no-mount-source",
            "A folder to mount is not there, on the Engine's machine.",
            found=why,
            hint="The Engine must be of this machine, or see its files.",
        )
    hint = "Check --user, --network and --volume, then the Engine's log."
    return UsageError("engine-failed", "The Engine did not run the command.", found=why, hint=hint)


def _no_gpus(why: str) -> UsageError:
    return UsageError(
        "no-gpus",
        "NVIDIA GPUs are asked for, by the lock or --gpus, and the Engine cannot hand them on.",
        found=why,
        hint="Install NVIDIA's Container Toolkit where the Engine runs, or go without: --no-gpus.",
    )
