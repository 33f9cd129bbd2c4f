"""A wheel on an index, read by range requests: a few hundred KiB instead of hundreds of MB."""

from __future__ import annotations

import bisect
import threading

from envlock.model.edges import Downloads

_TAIL = 1 << 16
_AHEAD = 1 << 14
_FURTHEST = 1 << 21


class RemoteFile:
    """A `formats.wheel.RandomAccess` over HTTP ranges; what was read once is kept.

    `tail` is how many bytes of the end the first request for the end takes. Reading on from what was read takes twice
    as much each time. `read_at` raises LookupError where the server does not serve ranges. Safe to use from several
    threads.
    """

    def __init__(self, downloads: Downloads, url: str, size: int, *, tail: int | None = None) -> None:
        self._downloads = downloads
        self._url = url
        self._tail = tail or _TAIL
        self.size = size
        self._spans: list[tuple[int, bytes]] = []
        self._guard = threading.Lock()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        with self._guard:
            return self._read_at(offset, size)

    def _read_at(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        at = bisect.bisect_right(self._spans, offset, key=lambda span: span[0]) - 1
        ahead = _AHEAD
        if at >= 0:
            start, data = self._spans[at]
            if end <= start + len(data):
                return data[offset - start : end - start]
            if offset <= start + len(data):
                ahead = min(2 * len(data), _FURTHEST)
        start = max(0, min(offset, self.size - self._tail)) if end > self.size - self._tail else offset
        stop = min(self.size, max(end, start + ahead))
        data = self._downloads.get_range(self._url, start, stop)
        bisect.insort(self._spans, (start, data))
        return data[offset - start : end - start]
