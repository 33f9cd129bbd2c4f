"""The projects that decide results wherever they are installed, so that a plain requirements file needs no marking."""

from __future__ import annotations

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
