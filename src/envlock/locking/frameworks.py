"""The projects that decide results wherever they are installed, so that a plain requirements file needs no marking."""

from __future__ import annotations

from collections.abc import Iterable

FRAMEWORKS = frozenset(
    {
        "flax",
        "jax",
        "jaxlib",
        "lightgbm",
        "mxnet",
        "onnxruntime",
        "paddlepaddle",
        "scikit-learn",
        "tensorflow",
        "tensorflow-cpu",
        "tensorflow-gpu",
        "tf-nightly",
        "torch",
        "xgboost",
    }
)
"""Normalised names (PEP 503)."""


def framework_names(named: Iterable[str], packages: Iterable[str]) -> frozenset[str]:
    """Return which packages decide results: those that the manifest names, else the known ones among `packages`."""
    from packaging.utils import canonicalize_name

    chosen = frozenset(str(canonicalize_name(name)) for name in named)
    return chosen or FRAMEWORKS.intersection(packages)
