"""The wheels of a build, each opened once however many threads ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Self

from envlock.formats.wheel import WheelFile, open_wheel
from envlock.model.artifact import Wheel


class OpenWheels:
    """Opens each wheel once, and keeps it open for the whole build: its directory and RECORD are read and checked."""

    def __init__(self, paths: Callable[[Wheel], Path]) -> None:
        self._paths = paths
        self._files = ExitStack()
        self._opened: dict[str, Future[WheelFile]] = {}
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def listing(self, wheel: Wheel) -> AbstractContextManager[WheelFile]:
        """Open a wheel that stays open for its layer."""
        return nullcontext(self.get(wheel))

    def get(self, wheel: Wheel) -> WheelFile:
        """Return one wheel, opened by the first thread that asks."""
        with self._guard:
            mine = wheel.sha256 not in self._opened
            future = self._opened.setdefault(wheel.sha256, Future())
        if mine:
            try:
                opened = open_wheel(self._paths(wheel), wheel.name)
                with self._guard:
                    future.set_result(self._files.enter_context(opened))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()
