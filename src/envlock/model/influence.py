"""How much a package decides numerical results: the order in which differences are told."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from envlock.model.finding import Impact


class Influence(msgspec.Struct, frozen=True, kw_only=True):
    """A package's standing: a lower rank is told first."""

    rank: int
    area: str
    impact: Impact
    why: str


_FRAMEWORK = "It decides the results: kernels, random number generators and initialisers change between releases."
_LOCKED = Influence(rank=0, area="framework", impact="results", why=_FRAMEWORK)
_REST = Influence(
    rank=60,
    area="package",
    impact="compat",
    why="It does no arithmetic of its own, but code that uses it may behave differently.",
)
NUMERICS_RANK = 1
"""Numbers that differ are told right after the framework, whose release may be why."""
ACCELERATOR_RANK = 29
"""After the libraries that compute on them."""
PYTHON_RANK = 40
SETTINGS_RANK = 41
CPU_RANK = 42

_FRAMEWORKS = """
    tensorflow tensorflow-(cpu|gpu|intel|rocm|aarch64|macos) tf-nightly intel-tensorflow torch jax jaxlib keras
    keras-nightly mxnet(-.*)? paddlepaddle(-gpu)? mlx onnxruntime(-gpu)? xgboost lightgbm catboost
"""
_NUMERICS = """
    numpy scipy mkl mkl-.* intel-openmp openblas.* scipy-openblas.* blis cython-blis numexpr numba llvmlite ml-dtypes
    bottleneck pandas polars scikit-learn statsmodels
"""
_ACCELERATORS = """
    nvidia-.* cupy.* triton pytorch-triton.* jax-cuda.* jax-rocm.* tensorrt.* rocm.* intel-extension-for-.* nccl.*
    cuda-.* flash-attn xformers bitsandbytes
"""
_MODELS = """
    tensorflow-.* torch.* keras-.* transformers tokenizers accelerate lightning pytorch-lightning flax optax dm-.* chex
    diffusers timm datasets sentencepiece albumentations imgaug opencv-.* pillow pillow-simd scikit-image librosa
    soundfile h5py gym gymnasium opt-einsum
"""


def _matching(names: str) -> re.Pattern[str]:
    return re.compile("|".join(names.split()))


# First match wins. Names are normalised (PEP 503).
_KNOWN: tuple[tuple[re.Pattern[str], Influence], ...] = (
    (_matching(_FRAMEWORKS), Influence(rank=10, area="framework", impact="results", why=_FRAMEWORK)),
    (
        _matching(_NUMERICS),
        Influence(
            rank=20,
            area="numerics",
            impact="results",
            why="It does arithmetic: linear algebra, exp and sorting differ in the last bits between releases.",
        ),
    ),
    (
        _matching(_ACCELERATORS),
        Influence(
            rank=30,
            area="accelerator",
            impact="results",
            why="GPU kernels: another CUDA, cuDNN or cuBLAS chooses other algorithms and sums in another order.",
        ),
    ),
    (
        _matching(_MODELS),
        Influence(
            rank=35,
            area="model",
            impact="results",
            why="It makes the data or the model: decoding, augmentation, tokenising, defaults of layers.",
        ),
    ),
)
# Same prefix as a framework, but no part of the computation.
_NEUTRAL = re.compile(r"tensorboard.*|tensorflow-(metadata|io-gcs-filesystem)|torch-tb-profiler")


def influence_of(name: str, frameworks: Iterable[str] = ()) -> Influence:
    """Return the influence of a package; `frameworks` are the lock's own."""
    if name in frameworks:
        return _LOCKED
    if _NEUTRAL.fullmatch(name):
        return _REST
    return next((influence for pattern, influence in _KNOWN if pattern.fullmatch(name)), _REST)
