"""A lock whose artifacts contradict its hardware classes is refused, and the error names both sides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.locking.hardware import check_hardware
from envlock.model.artifact import Wheel
from envlock.model.hardware import Facts, HardwareClass, parse_hardware
from envlock.model.lock import Cuda, Lock, Package
from envlock.model.platform import Platform
from tests.unit.venvs import lock_of

CUDA_13 = Facts(
    cuda="13.0",
    gpu_targets=("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
    minimum_driver="580.65.06",
    minimum_glibc="2.28",
    sources={
        "cuda": "nvidia-cuda-runtime 13.0.96",
        "gpu-targets": "torch 2.13.0",
        "minimum-driver": "CUDA 13.0 of nvidia-cuda-runtime 13.0.96",
        "minimum-glibc": "torch 2.13.0",
    },
)
TENSORFLOW_25 = Facts(
    cuda="11.2",
    cudnn="8",
    gpu_targets=("sm_35", "sm_50", "sm_60", "sm_70", "sm_75", "compute_80"),
    minimum_driver="450.80.02",
    sources={"cuda": "tensorflow 2.5.0", "cudnn": "tensorflow 2.5.0", "gpu-targets": "tensorflow 2.5.0"},
)
ROCM = Facts(
    rocm="6.2",
    gpu_targets=("gfx90a", "gfx942"),
    sources={"rocm": "torch 2.5.0+rocm6.2", "gpu-targets": "torch 2.5.0+rocm6.2"},
)


def nvidia(**keys: Any) -> dict[str, Any]:
    return {"accelerator": {"kind": "nvidia", **{key.replace("_", "-"): value for key, value in keys.items()}}}


def lock(facts: Facts, *, cuda: Cuda | None = None, packages: tuple[str, ...] = (), **classes: dict[str, Any]) -> Lock:
    found: dict[str, HardwareClass] = {
        name: parse_hardware(name, table, "envlock.toml") for name, table in classes.items()
    }
    digest = "0" * 64
    wheel = Wheel(
        name="x-1-py3-none-any.whl", size=1, sha256=digest, contents=digest, record=digest, url="https://example.com/x"
    )
    return Lock(
        env="train",
        python="3.11",
        platforms=(Platform("linux", "amd64"),),
        packages=tuple(Package(name=name, version="1", wheels=(wheel,)) for name in packages),
        frameworks=(),
        as_of=None,
        cuda=cuda,
        hardware=found,
        facts=facts,
    )


def refused(candidate: Lock) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_hardware(candidate)
    assert caught.value.reference == "hardware-contradiction"
    return caught.value


def test_driver_below_the_minimum() -> None:
    """CUDA 13 wheels with driver >=535: both sides are named, and the way out."""
    assert str(refused(lock(CUDA_13, a100=nvidia(driver=">=535")))) == (
        "What is locked contradicts what the manifest says of hardware. [hardware-contradiction]\n"
        "  where: env.train\n"
        "  expected: hardware.a100: driver >=535\n"
        "  found: nvidia-cuda-runtime 13.0.96: CUDA 13.0 needs driver >=580.65.06\n"
        '  next: Say driver = ">=580.65.06", or lock a framework for an older CUDA.'
    )


@pytest.mark.parametrize(
    ("driver", "fine"),
    [
        (">=580", True),
        (">=580.65", True),
        (">=580.65.06", True),
        (">=580.65.05", False),
        (">=590", True),
        (">=535,<600", False),
        ("==580.65.06", True),
        ("==550.54.14", False),
        ("<600", False),
    ],
)
def test_drivers(driver: str, fine: bool) -> None:
    """A branch is compared as a branch, a whole version as a version; no lower bound admits every driver."""
    candidate = lock(CUDA_13, a100=nvidia(driver=driver))
    if fine:
        check_hardware(candidate)
    else:
        assert driver.split(",")[0] in refused(candidate).expected


def test_models_without_code() -> None:
    """CUDA 13 builds of torch have no code for Volta."""
    error = refused(lock(CUDA_13, gpus=nvidia(models=["V100", "A100", "Some new GPU", "H100"])))
    assert error.expected == "hardware.gpus: V100 (7.0)"
    assert error.found == "torch 2.13.0 carries code for sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"


def test_ptx_admits_newer_models() -> None:
    """TensorFlow 2.5 has PTX for 8.0, which newer GPUs compile."""
    check_hardware(lock(TENSORFLOW_25, cuda="base", gpus=nvidia(models=["V100", "A100", "H100", "L4"])))


def test_capabilities_without_code() -> None:
    """A constraint that admits capabilities below the framework's is one too, unless models say which are meant."""
    error = refused(lock(CUDA_13, gpus=nvidia(compute_capability=">=7.0")))
    assert "compute-capability >=7.0, which admits 7.0" in error.expected
    check_hardware(lock(CUDA_13, gpus=nvidia(compute_capability=">=7.5")))
    check_hardware(lock(CUDA_13, gpus=nvidia(compute_capability=">=7.0", models=["T4"])))


def test_model_against_its_own_class() -> None:
    """A class that asks for more than its models have is refused."""
    error = refused(lock(CUDA_13, gpus=nvidia(compute_capability=">=8.0", models=["T4", "A100"])))
    assert (error.expected, "T4" in error.found) == ("hardware.gpus: compute-capability >=8.0", True)


def test_no_cuda_locked() -> None:
    """An accelerator asked for with no CUDA runtime locked: the framework's own build is no runtime."""
    error = refused(lock(TENSORFLOW_25, a100=nvidia()))
    assert error.found == "tensorflow 2.5.0 was built for CUDA 11.2, and no locked package brings its libraries"
    assert "nvidia-cudnn-cu11" in error.hint
    assert 'cuda = "base"' in error.hint
    assert refused(lock(Facts(), a100=nvidia())).found == "no locked package was built for CUDA"
    check_hardware(lock(TENSORFLOW_25, cuda="base", a100=nvidia(driver=">=450.80.02")))
    check_hardware(lock(CUDA_13, a100=nvidia()))
    check_hardware(lock(Facts(), packages=("xgboost",), a100=nvidia()))


def test_cuda_wheels_missing() -> None:
    """cuda = "wheels" is said once, also where a class needs them."""
    error = refused(lock(TENSORFLOW_25, cuda="wheels", a100=nvidia(), laptop={"accelerator": {"kind": "none"}}))
    assert error.expected == 'cuda = "wheels"'
    assert "nvidia-cuda-runtime-cu11" in error.hint
    newer = msgspec.structs.replace(TENSORFLOW_25, cuda="13.0")
    assert "nvidia-cuda-runtime, " in refused(lock(newer, cuda="wheels")).hint


def test_cuda_none() -> None:
    """cuda = "none" and CUDA wheels, or a class with an NVIDIA GPU, exclude each other."""
    assert refused(lock(CUDA_13, cuda="none")).found == "nvidia-cuda-runtime 13.0.96 brings CUDA 13.0"
    assert refused(lock(Facts(), cuda="none", a100=nvidia())).expected == 'hardware.a100: kind = "nvidia"'
    check_hardware(lock(TENSORFLOW_25, cuda="none"))
    check_hardware(lock(Facts(), cuda="none", laptop={"accelerator": {"kind": "none"}}))


def test_three_variants() -> None:
    """NVIDIA, AMD and CPU-only environments of one manifest each pass, and none passes for another."""
    mi300 = {"accelerator": {"kind": "amd", "models": ["MI300X"]}}
    cpu = {"accelerator": {"kind": "none"}}
    check_hardware(lock(CUDA_13, cuda="wheels", h100=nvidia(models=["H100"]), cpu=cpu))
    check_hardware(lock(ROCM, mi300=mi300, cpu=cpu))
    check_hardware(lock(ROCM, cuda="none", mi300=mi300))
    check_hardware(lock(Facts(), cuda="none", cpu=cpu))
    assert "ROCm" in refused(lock(CUDA_13, mi300=mi300)).found
    assert "torch 2.5.0+rocm6.2 is for ROCm" in refused(lock(ROCM, h100=nvidia(models=["H100"]))).found
    assert "MI100 (gfx908)" in refused(lock(ROCM, mi100={"accelerator": {"kind": "amd", "models": ["MI100"]}})).expected


def test_glibc_above_the_base() -> None:
    """A wheel that needs a newer glibc than the base has is named."""
    based = lock_of(base_python="3.11.2").lock
    facts = Facts(minimum_glibc="2.39", sources={"minimum-glibc": "torch 2.13.0"})
    error = refused(msgspec.structs.replace(based, facts=facts))
    assert (error.expected, error.found) == ("the base has glibc 2.36", "torch 2.13.0 needs glibc 2.39")
    check_hardware(msgspec.structs.replace(based, facts=msgspec.structs.replace(facts, minimum_glibc="2.36")))


def test_every_contradiction_at_once() -> None:
    """Several are told together, each with both sides."""
    error = refused(lock(CUDA_13, b=nvidia(driver=">=535"), a=nvidia(models=["V100"])))
    assert error.found == (
        "\n    hardware.a: V100 (7.0): but torch 2.13.0 carries code for sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
        "\n    hardware.b: driver >=535: but nvidia-cuda-runtime 13.0.96: CUDA 13.0 needs driver >=580.65.06"
    )
