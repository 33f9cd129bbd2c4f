"""Which distributions take part in computing, and which of them each suite of probes computes with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from envlock.model.influence import influence_of

_BLAS = "mkl mkl-.* intel-openmp openblas.* scipy-openblas.* blis"
_CUDA = "nvidia-.* cuda-.* nccl.* rocm.*"
_USES: dict[str, str] = {
    # NumPy's and SciPy's wheels carry their own BLAS: it has no distribution of its own, except conda's and MKL's.
    "numpy": f"numpy {_BLAS}",
    "scikit-learn": f"scikit-learn numpy scipy scikit-learn-intelex daal4py {_BLAS}",
    "tensorflow": "tensorflow tensorflow-(cpu|gpu|intel|rocm|aarch64|macos|metal) tf-nightly.* intel-tensorflow.* "
    f"keras keras-nightly tf-keras numpy scipy ml-dtypes opt-einsum tensorrt.* {_CUDA}",
    "torch": f"torch numpy triton pytorch-triton.* intel-extension-for-.* {_BLAS} {_CUDA}",
    "jax": f"jax jaxlib jax-cuda.* jax-rocm.* ml-dtypes opt-einsum numpy scipy {_CUDA}",
}
"""By framework of a suite, patterns of normalised names. A suite that is not here, such as the project's own probes,
may compute with any."""


@cache
def _pattern(framework: str) -> re.Pattern[str] | None:
    return re.compile("|".join(_USES[framework].split())) if framework in _USES else None


def takes_part(name: str, frameworks: Iterable[str] = ()) -> bool:
    """Tell whether another version of a distribution (its normalised name) may change what is computed."""
    patterns = (_pattern(framework) for framework in _USES)
    return influence_of(name, frameworks).impact == "results" or any(p and p.fullmatch(name) for p in patterns)


def used_by(framework: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some distributions that a suite computes with, what decides most first."""
    pattern = _pattern(framework)
    used = [name for name in names if pattern is None or pattern.fullmatch(name)]
    first = (framework,) if pattern is not None else tuple(_USES)
    return tuple(sorted(used, key=lambda name: (name not in first, influence_of(name).rank, name)))
