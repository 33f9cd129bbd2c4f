"""Tables of known changes for tests: those of data/changes grow, and are measured again."""

from __future__ import annotations

import msgspec
import pytest

from envlock.verify import known

TABLES = [
    """
packages = ["jax", "jaxlib"]
title = "JAX"

[[change]]
in = "0.5.0"
reach = "many"
what = ["random.normal"]
text = "jax.random draws other numbers."
link = "https://example.com/jax"
""",
    """
packages = ["numpy"]
title = "NumPy"

[[change]]
from = "1.19.5"
to = "1.21.6"
reach = "few"
differ = 3
probes = 56
conditions = "CPU, one thread"
what = ["linalg.svd", "linalg.eigh", "linalg.cholesky"]
text = "linalg.svd, eigh and cholesky differ in the last bits."

[[setting]]
name = "threads"
text = "Sums of NumPy are taken in another order."
differ = 6
probes = 56
""",
    '''
packages = ["tensorflow", "tensorflow-cpu"]
title = "TensorFlow"

[[change]]
from = "2.5.0"
to = "2.6.0"
reach = "many"
differ = 3
probes = 171
conditions = "CPU, CPython 3.9, one thread"
what = ["Keras RandomFlip", "Keras RandomContrast", "linalg.eigh (1e-5)"]
text = """RandomFlip and RandomContrast draw from another random number generator (stateless since 2.6), and \\
linalg.eigh differs by 1e-5."""

[[change]]
from = "2.6.0"
to = "2.7.0"
reach = "many"
differ = 22
probes = 171
conditions = "CPU, CPython 3.9, one thread"
what = ["initialisers"]
text = "Seeded initialisers draw other numbers."

[[change]]
in = "2.9.0"
reach = "many"
what = ["oneDNN"]
text = "oneDNN is on by default on newer CPUs."
link = "https://example.com/onednn"

[[change]]
in = "2.12.0"
reach = "some"
what = ["losses"]
text = "Keras losses respect masks."
link = "https://example.com/losses"

[[change]]
in = "2.3"
reach = "few"
what = ["argmin"]
text = "argmin gives the smallest index of equal values."
link = "https://example.com/argmin"

[[setting]]
name = "threads"
text = "With another number of threads sums are taken in another order: matmul, conv3d, gradients and all training."
differ = 24
probes = 171
conditions = "TensorFlow 2.5.0, from 1 to 2 threads"

[[setting]]
name = "TF_ENABLE_ONEDNN_OPTS"
text = "oneDNN computes convolutions and gradients in another order."
link = "https://example.com/onednn"
''',
]


@pytest.fixture
def known_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing known but these tables."""
    tables = tuple(msgspec.toml.decode(text, type=known._Table) for text in TABLES)
    monkeypatch.setattr(known, "_tables", lambda: tables)
