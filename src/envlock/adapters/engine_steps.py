"""Executes `run` steps in a container of a Docker Engine, and reads off the Engine what they changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from envlock.adapters.attached import close
from envlock.adapters.engine import Engine, reason_of
from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.formats.beside import beside
from envlock.formats.inflate import GZIP, feed, inflater
from envlock.formats.layer_reader import read_layer
from envlock.formats.tar import END
from envlock.model.edges import Ground, Task

VARIABLE = "ENVLOCK_RUN_NETWORK"
"""Names the network of the container, such as `host` or `none`; without it the Engine's default."""
LABEL = "dev.envlock.run"
_IDLE = "read -r _"
"""What the container does between steps: waits for the end of its input, which comes when envlock ends in any way."""
_LINES = 15
"""Of a failed step's output, in the error."""
_LONGEST_LINE = 1 << 16
"""Bytes of a line that are kept, the last ones: a step may print gigabytes without ending one."""
_GZIP = b"\x1f\x8b"
_NOT_RUNNING = ("exec format error", "is not running", "No such container")
"""What Engines say of a container whose shell cannot be executed, or has ended."""
_REMOVED_S = 60
"""Longest wait for an Engine to remove a container."""


class EngineSteps:
    """Runs steps one after another in one container, which the Engine removes even if envlock is killed.

    The steps see the root user, the working folder /, the host name envlock, an environment of the ground's variables
    (and HOME and HOSTNAME, which Engines add, and the proxies that Docker's configuration has for containers, as steps
    of `docker build` do), no standard input, and the Engine's default network.

    Args:
        engine: reaches the Engine.
        said: told each line that a step prints.
        network: of the container; the variable ENVLOCK_RUN_NETWORK where None.
    """

    def __init__(self, engine: Engine, *, said: Callable[[str], None] = lambda _: None, network: str | None = None):
        self._engine = engine
        self._said = said
        self._network = network or os.environ.get(VARIABLE) or None

    def run(self, ground: Ground, steps: Sequence[str], destination: Path, progress: Task) -> None:
        """Execute steps and write their difference, see `model.edges.Steps`."""
        import docker

        with contextlib.ExitStack() as undo:
            engine = undo.enter_context(self._connected())
            try:
                undo.callback(_remove_image, engine.api, ground.name)
                try:
                    _load(engine.api, ground)
                    container = self._start(engine, ground, undo)
                except docker.errors.ImageNotFound:  # another process was done with it, and took it away
                    _load(engine.api, ground)
                    container = self._start(engine, ground, undo)
                for number, step in enumerate(steps, 1):
                    self._execute(engine.api, container, step, f"step {number} of {len(steps)}", progress)
                made = engine.api.commit(container)["Id"]
                undo.callback(_remove_image, engine.api, made)
                _save(engine.api, made, ground, destination)
            except (docker.errors.DockerException, OSError) as error:
                raise self._failed(reason_of(error)) from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Engine]:
        try:
            engine = self._engine.__enter__()
        except UsageError as error:
            raise UsageError(
                error.reference,
                "The steps of `run` are executed by a Docker Engine, and none answers.",
                where=error.where,
                found=error.found,
                hint="Start Docker, or set DOCKER_HOST; it takes one to lock the steps, none to build the image.",
            ) from error
        try:
            yield engine
        finally:
            engine.__exit__(None, None, None)

    def _start(self, engine: Engine, ground: Ground, undo: contextlib.ExitStack) -> str:
        """Start the container and return its ID; it ends when our end of its standard input is closed."""
        import docker

        api = engine.api
        made = api.create_container(
            ground.name,
            entrypoint=["/bin/sh", "-c", _IDLE],
            command=[],
            user="0:0",
            hostname="envlock",
            working_dir="/",
            stdin_open=True,
            labels={LABEL: ""},
            host_config=api.create_host_config(network_mode=self._network, auto_remove=True),
        )
        container = str(made["Id"])
        undo.callback(_remove_container, api, container)
        attached = api.attach_socket(container, params={"stdin": 1, "stream": 1})
        undo.callback(close, attached)
        try:
            api.start(container)
            # A foreign shell may start and end at once: only what it executes tells that it runs.
            asked = api.exec_create(container, ["/bin/sh", "-c", ":"], user="0:0", workdir="/")["Id"]
            api.exec_start(asked)
            if api.exec_inspect(asked)["ExitCode"] == 0:
                return container
        except docker.errors.APIError as error:
            why = reason_of(error)
            if not any(text in why for text in _NOT_RUNNING):
                raise self._failed(why) from error
        if engine.platform != ground.platform:
            raise UnverifiableError(
                "foreign-architecture",
                f"The steps of `run` cannot be executed for {ground.platform} here.",
                expected=str(ground.platform),
                found=f"a Docker Engine of {engine.platform}",
                hint="Lock with an Engine of that architecture (DOCKER_HOST), or register an emulator there "
                "(qemu-user-static, binfmt-support).",
            )
        raise self._failed("/bin/sh of the base does not run")

    def _execute(self, api: Any, container: str, step: str, where: str, progress: Task) -> None:
        began = api.exec_create(container, ["/bin/sh", "-c", step], user="0:0", workdir="/")
        last: deque[str] = deque(maxlen=_LINES)
        for line in _lines(api.exec_start(began["Id"], stream=True)):
            progress.advance(0)
            self._said(line)
            last.append(line)
        status = api.exec_inspect(began["Id"])["ExitCode"]
        if status != 0:
            raise UsageError(
                "run-failed",
                "A step of `run` failed, so nothing is locked.",
                where=f"{where}: {step}",
                expected="exit status 0",
                found="\n".join([f"exit status {status}", *(f"    {line}" for line in last)]),
                hint="Try it by hand in a container of the base. "
                f"{VARIABLE} names the network that it needs, such as host.",
            )

    def _failed(self, why: str) -> EnvlockError:
        return UsageError(
            "engine-failed",
            "The Docker Engine did not execute the steps of `run`.",
            found=why,
            hint=f"See the Engine's log; is its disk full? {VARIABLE}=host does without a network of its own.",
        )


def _load(api: Any, ground: Ground) -> None:
    """Make the Engine hold the ground under its name, which says what is in it."""
    import docker

    try:
        held = api.inspect_image(ground.name)
    except docker.errors.ImageNotFound:
        answers = api.load_image(ground.archive())
        errors = [str(answer["error"]) for answer in answers if "error" in answer]
        if errors:
            raise OSError(errors[0]) from None
        held = api.inspect_image(ground.name)
    found = tuple(held["RootFS"].get("Layers") or ())
    if found != ground.diff_ids:
        raise IntegrityError(
            "not-the-base",
            "The Engine's image for `run` is not the base.",
            where=ground.name,
            expected=", ".join(ground.diff_ids),
            found=", ".join(found),
            hint=f"Remove it: docker image rm {ground.name}",
        )


def _save(api: Any, image: str, ground: Ground, destination: Path) -> None:
    """Write the top layer of an image, uncompressed, found by its diff ID in what `docker save` gives."""
    layers = tuple(api.inspect_image(image)["RootFS"].get("Layers") or ())
    if layers == ground.diff_ids:  # nothing changed, so the Engine made no layer
        beside(destination, lambda part: part.write_bytes(END))
        return
    if layers[:-1] != ground.diff_ids:
        raise OSError("the image of the container does not stand on its base")
    known = {diff_id.removeprefix("sha256:") for diff_id in ground.diff_ids}
    for entry, body in read_layer(api.get_image(image), where="what `docker save` gives"):
        if entry.kind != "file" or entry.path.rpartition("/")[2] in known:
            continue
        if _written(body, layers[-1], destination):
            return
    raise OSError("`docker save` gives no layer of the container")


def _written(body: Iterator[bytes], diff_id: str, destination: Path) -> bool:
    """Write a file to `destination` if it is the archive of that diff ID, whether compressed or not."""
    found = hashlib.sha256()

    def fill(part: Path) -> None:
        with part.open("wb") as file:
            for chunk in _plain(body):
                found.update(chunk)
                file.write(chunk)
        if f"sha256:{found.hexdigest()}" != diff_id:
            raise LookupError

    with contextlib.suppress(LookupError):
        beside(destination, fill)
        return True
    return False


def _plain(body: Iterator[bytes]) -> Iterator[bytes]:
    first = next(body, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from body
        return
    stream = inflater(GZIP)
    pending = first
    while pending:
        yield from feed(stream, pending)
        pending = stream.unused_data if stream.eof else next(body, b"")
        if stream.eof:
            stream, pending = inflater(GZIP), pending or next(body, b"")


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield lines of a step's output; of one that was written over (carriage returns), what stood there last."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from map(_line, whole)
        rest = rest[-_LONGEST_LINE:]
    if rest:
        yield _line(rest)


def _line(raw: bytes) -> str:
    return raw.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")


def _remove_container(api: Any, container: str) -> None:
    import docker
    import requests

    with contextlib.suppress(docker.errors.APIError):
        api.remove_container(container, v=True, force=True)
    # Where the Engine is removing it already, its image is in use until it has.
    with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
        api.wait(container, timeout=_REMOVED_S, condition="removed")


def _remove_image(api: Any, image: str) -> None:
    import docker

    with contextlib.suppress(docker.errors.APIError):
        api.remove_image(image)
