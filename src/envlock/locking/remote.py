"""A wheel on an index, read by range requests: a few hundred KiB instead of hundreds of MB."""

from __future__ import annotations

import bisect

from envlock.model.edges import Downloads

_TAIL = 1 << 16
_AHEAD = 1 << 14


class RemoteFile:
    """A `formats.wheel.RandomAccess` over HTTP ranges; what was read once is kept.

    `read_at` raises LookupError where the server does not serve ranges.
    """

    def __init__(self, downloads: Downloads, url: str, size: int) -> None:
        self._downloads = downloads
        self._url = url
        self.size = size
        self._spans: list[tuple[int, bytes]] = []

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        at = bisect.bisect_right(self._spans, offset, key=lambda span: span[0]) - 1
        if at >= 0:
            start, data = self._spans[at]
            if end <= start + len(data):
                return data[offset - start : end - start]
        start = max(0, min(offset, self.size - _TAIL)) if end > self.size - _TAIL else offset
        stop = min(self.size, max(end, start + _AHEAD))
        data = self._downloads.get_range(self._url, start, stop)
        bisect.insort(self._spans, (start, data))
        return data[offset - start : end - start]
