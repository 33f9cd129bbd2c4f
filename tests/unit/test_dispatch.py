"""How a CPU is told to compute as another one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envlock.formats.cpuinfo import cpu_of
from envlock.model.machine import Cpu
from envlock.verify.dispatch import caps

V2 = "lm cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = V2 + " abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = V3 + " avx512bw avx512cd avx512dq avx512f avx512vl avx512_vnni avx512_bf16"
WITHOUT_AVX2 = ("avx512f", "avx512vl", "avx512_bf16", "avx512bw", "avx512dq", "fma")
"""As a hypervisor may tell it."""


def x86(features: str, vendor: str = "GenuineIntel") -> Cpu:
    return cpu_of("x86_64", vendor=vendor, model="", features=features.split(), threads=2)


def arm(features: str, model: str = "") -> Cpu:
    return cpu_of("aarch64", vendor="ARM", model=model, features=features.split(), threads=2)


@pytest.mark.parametrize("framework", ["numpy", "tensorflow", "torch", "jax", "scikit-learn", "project"])
def test_the_same_kernels_need_no_cap(framework: str) -> None:
    """Neither does a CPU that has less than the other one, whose kernels it cannot run."""
    assert caps(framework, x86(V3), x86(V3), {}) == ()
    assert caps(framework, x86(V4), x86(V3), {}) == ()
    assert caps(framework, x86(V3), arm("asimd"), {}) == ()
    assert caps(framework, x86(V3), x86(""), {}) == ()


def test_the_core_of_another_maker() -> None:
    """OpenBLAS blocks for Zen in another way than for Haswell, with the same instructions."""
    cores = [each["OPENBLAS_CORETYPE"] for each in caps("numpy", x86(V3, "AuthenticAMD"), x86(V3), {})]
    assert cores == ["Zen", "Haswell", "Sandybridge"]


def test_each_framework_gets_what_it_reads() -> None:
    """All dispatchers of a framework are capped at once; the project's own probes may use any."""
    one, other = x86(V2), x86(V4)
    (numpy, *_) = caps("numpy", one, other, {})
    assert numpy["NPY_DISABLE_CPU_FEATURES"].startswith("AVX F16C FMA3 AVX2 X86_V3 AVX512F")
    assert (numpy["OPENBLAS_CORETYPE"], numpy["MKL_ENABLE_INSTRUCTIONS"]) == ("Nehalem", "SSE4_2")
    (torch,) = caps("torch", one, other, {})
    assert (torch["ATEN_CPU_CAPABILITY"], torch["DNNL_MAX_CPU_ISA"]) == ("default", "SSE41")
    with_flag, without = caps("tensorflow", one, other, {"XLA_FLAGS": "--xla_cpu_enable_fast_math=false"})
    assert with_flag["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false --xla_cpu_max_isa=SSE4_2"
    assert with_flag == without | {"XLA_FLAGS": with_flag["XLA_FLAGS"]}
    (project, *_) = caps("project", one, other, {})
    assert project.items() >= (torch | numpy).items()


def test_arm() -> None:
    """Cores go by their names there."""
    one = arm("asimd asimddp asimdhp atomics crc32", "Neoverse-N1")
    (first, second) = caps("numpy", one, arm("asimd asimddp asimdhp asimdfhm atomics crc32 sve", "Neoverse-V1"), {})
    assert first == {"OPENBLAS_CORETYPE": "NEOVERSEN1", "NPY_DISABLE_CPU_FEATURES": "ASIMDFHM SVE"}
    assert second["OPENBLAS_CORETYPE"] == "ARMV8"


@given(st.sets(st.sampled_from(V4.split())), st.sets(st.sampled_from(V4.split())))
@example(set(WITHOUT_AVX2), {*WITHOUT_AVX2, "sse4_1"})
def test_nothing_is_asked_for_that_is_not_there(expected: set[str], found: set[str]) -> None:
    """Kernels of another CPU are taken only where this one has their instructions too."""
    for each in caps("project", x86(" ".join(expected)), x86(" ".join(found)), {}):
        if "avx2" not in found:
            assert each.get("ATEN_CPU_CAPABILITY", "default") == "default"
            assert each.get("OPENBLAS_CORETYPE") not in ("Haswell", "Zen", "SkylakeX", "Cooperlake")
        assert "" not in each.values()
