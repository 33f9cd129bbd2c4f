"""How libraries are told to take the kernels that another CPU would get: the caps that their dispatchers know."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from envlock.model.machine import Cpu
from envlock.model.numerics import PROJECT

_NUMPY: tuple[tuple[str, str], ...] = (
    ("SSSE3", "ssse3"),
    ("SSE41", "sse4_1"),
    ("POPCNT", "popcnt"),
    ("SSE42", "sse4_2"),
    ("AVX", "avx"),
    ("F16C", "f16c"),
    ("XOP", "xop"),
    ("FMA4", "fma4"),
    ("FMA3", "fma"),
    ("AVX2", "avx2"),
    ("X86_V3", "avx2 fma f16c bmi1 bmi2 abm movbe"),
    ("AVX512F", "avx512f"),
    ("AVX512CD", "avx512cd"),
    ("AVX512_SKX", "avx512f avx512cd avx512vl avx512bw avx512dq"),
    ("X86_V4", "avx512f avx512cd avx512vl avx512bw avx512dq"),
    ("AVX512_CLX", "avx512f avx512vl avx512_vnni"),
    ("AVX512_CNL", "avx512f avx512vl avx512ifma avx512vbmi"),
    ("AVX512_ICL", "avx512f avx512vl avx512_vbmi2 avx512_bitalg avx512_vpopcntdq gfni vaes vpclmulqdq"),
    ("AVX512_SPR", "avx512f avx512vl avx512_fp16"),
    ("ASIMDHP", "asimdhp"),
    ("ASIMDDP", "asimddp"),
    ("ASIMDFHM", "asimdfhm"),
    ("SVE", "sve"),
)
"""NumPy's features (CPU build options; X86_V3 and X86_V4 since 2.4) by Linux's. It ignores those it does not know."""
_CORES: tuple[tuple[str, str], ...] = (
    ("SapphireRapids", "avx2 fma avx512f avx512_bf16 amx_tile"),
    ("Cooperlake", "avx2 fma avx512f avx512vl avx512_bf16"),
    ("SkylakeX", "avx2 fma avx512f avx512vl avx512bw avx512dq"),
    ("Zen", "avx2 fma"),
    ("Haswell", "avx2 fma"),
    ("Sandybridge", "avx"),
    ("Nehalem", "sse4_2"),
    ("Core2", "ssse3"),
    ("Prescott", "pni"),
)
"""OpenBLAS's cores for x86-64 (driver/others/dynamic.c), the one that takes most first."""
_ONEDNN: tuple[tuple[str, str], ...] = (
    ("AVX512_CORE_AMX", "avx512_fp16 amx_int8 amx_bf16"),
    ("AVX512_CORE_FP16", "avx512_fp16"),
    ("AVX512_CORE_BF16", "avx512f avx512_bf16"),
    ("AVX512_CORE_VNNI", "avx512f avx512_vnni"),
    ("AVX512_CORE", "avx512f avx512vl avx512bw avx512dq"),
    ("AVX2_VNNI", "avx2 avx_vnni"),
    ("AVX2", "avx2"),
    ("AVX", "avx"),
    ("SSE41", "sse4_1"),
)
"""oneDNN developer guide, CPU dispatcher control."""
_ATEN: tuple[tuple[str, str], ...] = (
    ("avx512", "avx2 fma avx512f avx512vl avx512bw avx512dq"),
    ("avx2", "avx2 fma"),
)
_MKL: tuple[tuple[str, str], ...] = (
    ("AVX512", "avx512f avx512vl avx512bw avx512dq"),
    ("AVX2", "avx2 fma"),
    ("AVX", "avx"),
    ("SSE4_2", "sse4_2"),
)
_XLA: tuple[tuple[str, str], ...] = (
    ("AMX_FP16", "amx_fp16 amx_bf16"),
    ("AMX", "amx_int8 amx_bf16"),
    ("AVX512_BF16", "avx512f avx512_bf16"),
    ("AVX512_VNNI", "avx512f avx512_vnni"),
    ("AVX512", "avx512f avx512vl avx512bw avx512dq"),
    ("AVX2", "avx2 fma"),
    ("AVX", "avx"),
    ("SSE4_2", "sse4_2"),
)
"""--xla_cpu_max_isa of xla/debug_options_flags.cc."""
_LIBM = ("avx2", "fma", "fma4", "avx512f")
"""What glibc chooses variants of exp, sin and pow by (sysdeps/x86_64/fpu/multiarch)."""
_KERNELS = re.compile(
    r"pni|ssse3|sse4_[12]|popcnt|avx\w*|f16c|fma4?|xop|amx\w*|gfni|vaes|vpclmulqdq|bmi[12]|abm|movbe"
    r"|asimd\w*|sve\w*|sme\w*|bf16|i8mm|fcma"
)
"""The features that some library has kernels for."""


def kernel_features(cpu: Cpu) -> frozenset[str]:
    """Return the features of a CPU that kernels are chosen by, as Linux calls them."""
    return frozenset(name for name in cpu.features if _KERNELS.fullmatch(name))


def caps(framework: str, expected: Cpu, found: Cpu, variables: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """Return settings under which a framework computes on one CPU as it would on another, the most likely first.

    Args:
        framework: of the suite of probes; the project's own may compute with any.
        expected: the CPU whose kernels are wanted.
        found: the CPU that has to run them: what it lacks is never asked for.
        variables: that are set already, for those that hold several settings.

    None where nothing is known to help: other architectures, or a CPU that says nothing of its features.
    """
    wanted, here = kernel_features(expected), kernel_features(found)
    if expected.architecture != found.architecture or not wanted or not here:
        return ()
    if wanted >= here and expected.vendor == found.vendor:
        return ()
    usable = wanted & here
    everything = framework == PROJECT
    shared = _libm(wanted, here)
    if everything or framework in ("numpy", "scikit-learn"):
        shared |= _loops(wanted, here)
    if everything or framework in ("tensorflow", "torch"):
        isa = _first(_ONEDNN, usable)
        shared |= {"ONEDNN_MAX_CPU_ISA": isa, "DNNL_MAX_CPU_ISA": isa} if isa else {}
    if everything or framework == "torch":
        shared |= {"ATEN_CPU_CAPABILITY": _first(_ATEN, usable) or "default"}
    if everything or framework in ("numpy", "scikit-learn", "torch"):
        isa = _first(_MKL, usable)
        shared |= {"MKL_ENABLE_INSTRUCTIONS": isa} if isa else {}
    alternatives = [shared]
    if everything or framework in ("numpy", "scikit-learn", "jax"):
        cores = tuple(_cores(expected, usable))[:3]
        alternatives = [shared | {"OPENBLAS_CORETYPE": core} for core in cores] or alternatives
    xla = _first(_XLA, usable)
    if xla and framework in ("tensorflow", "jax"):
        # Releases that don't know the flag end at once, so it is tried beside the settings alone.
        flags = f"{variables.get('XLA_FLAGS', '')} --xla_cpu_max_isa={xla}".strip()
        alternatives = [each | extra for extra in ({"XLA_FLAGS": flags}, {}) for each in alternatives[:1]]
    return tuple(each for each in alternatives if each)


def _first(table: tuple[tuple[str, str], ...], features: Collection[str]) -> str:
    return next((name for name, needs in table if set(needs.split()) <= set(features)), "")


def _loops(wanted: Collection[str], here: Collection[str]) -> dict[str, str]:
    """Return what switches those of NumPy's loops off that the wanted CPU has not."""
    off = [name for name, needs in _NUMPY if set(needs.split()) <= set(here) and not set(needs.split()) <= set(wanted)]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(off)} if off else {}


def _libm(wanted: Collection[str], here: Collection[str]) -> dict[str, str]:
    off = [name.upper() for name in _LIBM if name in here and name not in wanted]
    # glibc before 2.33 calls them AVX2_Usable; each ignores the names of the other.
    names = [f"-{name}{usable}" for name in off for usable in ("", "_Usable")]
    return {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(names)} if names else {}


def _cores(expected: Cpu, features: Collection[str]) -> Iterator[str]:
    """Yield what OpenBLAS may take the expected CPU for, which depends on how new it is."""
    if "asimd" in features:
        name = expected.model.replace("-", "").upper()
        yield from ((name,) if re.fullmatch(r"NEOVERSE[NV]\d|CORTEXA\d\d", name) else ())
        yield "ARMV8SVE" if "sve" in features else "ARMV8"
        return
    fitting = [name for name, needs in _CORES if set(needs.split()) <= set(features)]
    for name in fitting:
        if name != "Zen" or expected.vendor == "AuthenticAMD":
            yield name
