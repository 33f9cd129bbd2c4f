"""What a Docker Engine says of one of its images."""

from __future__ import annotations

import msgspec

from envlock.adapters.engine import Engine, reason_of
from envlock.errors import UsageError


class EngineImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of an Engine; it keeps neither index nor manifest of it."""

    platform: str
    image_id: str
    labels: dict[str, str]


def image_in_engine(name: str, url: str | None = None) -> EngineImage:
    """Ask for an image by name or ID; UsageError (`no-engine`, `no-image`, `engine-failed`)."""
    import docker

    with Engine(url) as engine:
        try:
            found = engine.api.inspect_image(name)
        except docker.errors.NotFound:
            raise UsageError(
                "no-image", "The Engine has no such image.", where=name, hint="`docker image ls` lists them."
            ) from None
        except (docker.errors.DockerException, OSError) as error:
            raise UsageError("engine-failed", "The Engine did not answer.", found=reason_of(error)) from error
    return EngineImage(
        platform=f"{found.get('Os', '')}/{found.get('Architecture', '')}",
        image_id=str(found.get("Id", "")),
        labels={str(key): str(value) for key, value in ((found.get("Config") or {}).get("Labels") or {}).items()},
    )
