"""What a Docker Engine or Podman holds, as `verify` asks for it: images, containers, and the bytes of both."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from envlock.adapters.container_host import machine_in
from envlock.adapters.engine import Engine, reason_of
from envlock.errors import UsageError
from envlock.model.engine import Change, ChangeKind, EngineContainer, EngineImage
from envlock.model.machine import Machine
from envlock.model.unknown import Unknown

_CHUNK = 1 << 20
_KINDS: tuple[ChangeKind, ...] = ("changed", "added", "deleted")
"""By the number that the Engine gives (Engine API, ContainerChanges)."""
_NEARBY = 5

_Answer = TypeVar("_Answer")


class EngineTargets:
    """An Engine that is asked; implements `model.edges.ContainerEngine`. Used as a context.

    Args:
        url: of its API, where not what docker itself uses.
    """

    def __init__(self, url: str | None = None) -> None:
        self._engine = Engine(url)

    def __enter__(self) -> Self:
        """Connect; UsageError (`no-engine`)."""
        try:
            self._engine.__enter__()
        except UsageError as error:
            raise UsageError(
                error.reference,
                "No Docker Engine answers, so that its images and containers cannot be verified.",
                where=error.where,
                found=error.found,
                hint="Start Docker, or set DOCKER_HOST. An image of a registry takes no Engine: --image HOST/NAME:TAG",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, trace)

    def image(self, name: str) -> EngineImage:
        """Inspect an image; of one with project files its history too, which names their layer."""
        found = self._asked(lambda api: api.inspect_image(name), lambda: self._no_image(name))
        config = found.get("Config") or {}
        labels = {str(key): str(value) for key, value in (config.get("Labels") or {}).items()}
        layers = (found.get("RootFS") or {}).get("Layers") or ()
        history = self._asked(lambda api: api.history(found["Id"])) if labels else []
        return EngineImage(
            image_id=_named(found["Id"]),
            by_manifest=self._engine.has_containerd_store,
            system=str(found.get("Os", "")),
            architecture=str(found.get("Architecture", "")),
            diff_ids=tuple(map(str, layers)),
            variables=_variables(config.get("Env")),
            labels=labels,
            workdir=str(config.get("WorkingDir") or ""),
            comment=next((str(row.get("Comment", "")) for row in history), ""),
        )

    def save(self, image_id: str) -> Iterator[bytes]:
        """Stream `docker save`."""
        return self._streamed(lambda api: api.get_image(image_id, chunk_size=_CHUNK))

    def container(self, name: str) -> EngineContainer:
        """Inspect a container, and ask what it changed of its image."""
        found = self._asked(lambda api: api.inspect_container(name), lambda: self._no_container(name))
        changes = self._asked(lambda api: api.diff(found["Id"])) or ()
        return EngineContainer(
            container_id=str(found["Id"]),
            image_id=_named(found["Image"]),
            running=bool((found.get("State") or {}).get("Running")),
            variables=_variables((found.get("Config") or {}).get("Env")),
            changes=tuple(Change(path=str(row["Path"]), kind=_KINDS[int(row["Kind"])]) for row in changes),
            mounts=tuple(sorted({*_mounts(found)})),
        )

    def export(self, container_id: str) -> Iterator[bytes]:
        """Stream `docker export`."""
        return self._streamed(lambda api: api.export(container_id, chunk_size=_CHUNK))

    def machine(self, container_id: str) -> Machine | Unknown:
        """Run a script in the container that tells what it sees."""
        return self._asked(lambda api: machine_in(api, container_id))

    def _asked(self, ask: Callable[[Any], _Answer], missing: Callable[[], UsageError] | None = None) -> _Answer:
        import docker

        try:
            return ask(self._engine.api)
        except docker.errors.NotFound as error:
            raise (missing() if missing is not None else _failed(reason_of(error))) from None
        except (docker.errors.DockerException, OSError) as error:
            raise _failed(reason_of(error)) from error

    def _streamed(self, ask: Callable[[Any], Iterator[bytes]]) -> Iterator[bytes]:
        import docker
        import requests

        try:
            yield from ask(self._engine.api)
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise _failed(reason_of(error)) from error

    def _no_image(self, name: str) -> UsageError:
        rows = self._asked(lambda api: api.images())
        names = [str(tag) for row in rows for tag in row.get("RepoTags") or () if tag != "<none>:<none>"]
        return UsageError(
            "no-image",
            "The Engine has no such image.",
            expected=_nearby(name, names),
            found=name,
            hint="`docker image ls` lists them; of an image in a registry: --image HOST/NAME:TAG",
        )

    def _no_container(self, name: str) -> UsageError:
        rows = self._asked(lambda api: api.containers(all=True))
        names = [str(name).lstrip("/") for row in rows for name in row.get("Names") or ()]
        return UsageError(
            "no-container",
            "The Engine has no such container.",
            expected=_nearby(name, names),
            found=name,
            hint="`docker ps --all` lists them.",
        )


def _nearby(name: str, names: list[str]) -> str:
    """Return the names that are most like one, all where there are few."""
    close = difflib.get_close_matches(name, names, _NEARBY, 0.4) or sorted(names)[:_NEARBY]
    return f"one of: {', '.join(close)}" if close else ""


def _named(identity: str) -> str:
    """Return an ID with its algorithm, which Podman leaves out."""
    return identity if ":" in identity else f"sha256:{identity}"


def _variables(lines: list[str] | None) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in lines or ())


def _mounts(found: dict[str, Any]) -> Iterator[str]:
    for row in found.get("Mounts") or ():
        yield str(row.get("Destination", ""))
    yield from (found.get("HostConfig") or {}).get("Tmpfs") or {}


def _failed(why: str) -> UsageError:
    return UsageError("engine-failed", "The Docker Engine did not answer as it should.", found=why)
