"""Small noisy pictures of ten kinds, made by integer arithmetic alone: the same on every machine."""

import numpy as np

SIDE = 16


def pictures(count, first=0):
    """Return (pictures, kinds): float32 of [count, SIDE, SIDE, 1] from 0 to 1, int32 of [count] from 0 to 9."""
    number = np.arange(first, first + count, dtype=np.int64).reshape(-1, 1, 1)
    row, column = np.mgrid[0:SIDE, 0:SIDE].astype(np.int64)
    kind = number * 7919 % 10
    bars = (row * (kind % 4 + 1) + column * (kind // 3) + _scattered(number)) % SIDE
    noise = _scattered(number * SIDE * SIDE + row * SIDE + column) % 256
    grey = (bars * 16 + noise) / np.float32(496)
    return grey[..., None].astype(np.float32), kind.reshape(-1).astype(np.int32)


def _scattered(number):
    """Return integers from 0 to 65535 that look random, of any integers."""
    mixed = (number ^ (number >> 7)) * 2654435761 % 2**32
    return (mixed ^ (mixed >> 15)) * 2246822519 % 2**32 >> 16
