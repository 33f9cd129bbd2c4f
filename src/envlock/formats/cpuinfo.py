"""What Linux (/proc/cpuinfo) and macOS (sysctl) say of a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envlock.model.cpu_level import level_of
from envlock.model.machine import Cpu

_ARM_PARTS: dict[str, tuple[str, dict[str, str]]] = {
    "0x41": (
        "ARM",
        {
            "0xd03": "Cortex-A53",
            "0xd07": "Cortex-A57",
            "0xd08": "Cortex-A72",
            "0xd0b": "Cortex-A76",
            "0xd0c": "Neoverse-N1",
            "0xd40": "Neoverse-V1",
            "0xd49": "Neoverse-N2",
            "0xd4f": "Neoverse-V2",
            "0xd83": "Neoverse-V3AE",
            "0xd84": "Neoverse-V3",
            "0xd8e": "Neoverse-N3",
        },
    ),
    "0x42": ("Broadcom", {}),
    "0x43": ("Cavium", {"0x0af": "ThunderX2"}),
    "0x46": ("Fujitsu", {"0x001": "A64FX"}),
    "0x48": ("HiSilicon", {"0xd01": "TaiShan-v110"}),
    "0x4e": ("Nvidia", {"0x004": "Carmel", "0x010": "Olympus"}),
    "0x50": ("APM", {}),
    "0x51": ("Qualcomm", {"0x001": "Oryon"}),
    "0x53": ("Samsung", {}),
    "0x56": ("Marvell", {}),
    "0x61": ("Apple", {"0x022": "M1", "0x023": "M1", "0x032": "M2", "0x033": "M2"}),
    "0x69": ("Intel", {}),
    "0xc0": ("Ampere", {"0xac3": "Ampere-1", "0xac4": "Ampere-1a"}),
}
"""Implementer (MIDR_EL1) to its name and its parts, as util-linux has them (sys-utils/lscpu-arm.c)."""

_DARWIN_X86 = {
    "sse3": "pni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "avx1.0": "avx",
    "lahf": "lahf_lm",
    "lzcnt": "abm",
    "em64t": "lm",
    "sha": "sha_ni",
    "clfsopt": "clflushopt",
    "clfsh": "clflush",
    "rdwrfsgs": "fsgsbase",
}
_DARWIN_ARM = {
    "AdvSIMD": "asimd",
    "FEAT_AES": "aes",
    "FEAT_PMULL": "pmull",
    "FEAT_SHA1": "sha1",
    "FEAT_SHA256": "sha2",
    "FEAT_SHA512": "sha512",
    "FEAT_SHA3": "sha3",
    "FEAT_CRC32": "crc32",
    "armv8_crc32": "crc32",
    "FEAT_LSE": "atomics",
    "armv8_1_atomics": "atomics",
    "FEAT_LSE2": "uscat",
    "FEAT_RDM": "asimdrdm",
    "FEAT_FP16": "asimdhp fphp",
    "neon_fp16": "asimdhp fphp",
    "FEAT_FHM": "asimdfhm",
    "FEAT_DotProd": "asimddp",
    "FEAT_DPB": "dcpop",
    "FEAT_DPB2": "dcpodp",
    "FEAT_FCMA": "fcma",
    "FEAT_JSCVT": "jscvt",
    "FEAT_LRCPC": "lrcpc",
    "FEAT_LRCPC2": "ilrcpc",
    "FEAT_FlagM": "flagm",
    "FEAT_FlagM2": "flagm2",
    "FEAT_FRINTTS": "frint",
    "FEAT_SB": "sb",
    "FEAT_SSBS": "ssbs",
    "FEAT_DIT": "dit",
    "FEAT_BTI": "bti",
    "FEAT_BF16": "bf16",
    "FEAT_I8MM": "i8mm",
    "FEAT_PAuth": "paca",
    "FEAT_SME": "sme",
    "FEAT_SME2": "sme2",
    "FEAT_WFxT": "wfxt",
}
"""Apple's names of features to those of Linux (arch/arm64/include/uapi/asm/hwcap.h)."""


def parse_cpuinfo(text: str, architecture: str) -> Cpu:
    """Return the CPU of a /proc/cpuinfo: what its first processor is called, the features that all processors have."""
    first: dict[str, str] = {}
    features: set[str] | None = None
    threads = 0
    seen: set[str] = set()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        key, value = key.strip(), value.strip()
        first.setdefault(key, value)
        threads += key == "processor"
        if key in ("flags", "Features") and value not in seen:
            seen.add(value)
            features = set(value.split()) if features is None else features & set(value.split())
    vendor, model = first.get("vendor_id", ""), first.get("model name", "")
    implementer = first.get("CPU implementer", "").lower()
    if implementer:
        part = first.get("CPU part", "").lower()
        vendor, parts = _ARM_PARTS.get(implementer, (implementer, {}))
        model = model or parts.get(part, f"part {part}" if part else "")
    return cpu_of(architecture, vendor=vendor, model=model, features=features or (), threads=threads)


def parse_sysctl(text: str, architecture: str) -> Cpu:
    """Return the CPU of what `sysctl machdep.cpu hw` prints, its features by their Linux names.

    An Apple CPU is told as what it is also where an x86 interpreter asks, which Rosetta translates.
    """
    said = _sysctl(text)
    brand = said.get("machdep.cpu.brand_string", "")
    if brand.startswith("Apple"):
        prefix = "hw.optional."
        flags = [key.removeprefix(prefix).removeprefix("arm.") for key, value in said.items() if value == "1"]
        features = {name for flag in flags for name in _DARWIN_ARM.get(flag, "").split()}
        architecture, vendor = "arm64", "Apple"
    else:
        keys = ("features", "leaf7_features", "extfeatures")
        flags = " ".join(said.get(f"machdep.cpu.{key}", "") for key in keys).lower().split()
        features = {_DARWIN_X86.get(flag, flag.replace(".", "_")) for flag in flags}
        vendor = said.get("machdep.cpu.vendor", "")
    threads = said.get("hw.activecpu") or said.get("hw.ncpu") or said.get("machdep.cpu.thread_count") or "0"
    return cpu_of(
        architecture,
        vendor=vendor,
        model=brand,
        features=features,
        threads=int(threads) if threads.isdigit() else 0,
    )


def sysctl_memory(text: str) -> int:
    """Return the bytes of memory that `sysctl hw` prints, 0 where it does not."""
    size = _sysctl(text).get("hw.memsize", "")
    return int(size) if size.isdigit() else 0


def cpu_of(architecture: str, *, vendor: str, model: str, features: Iterable[str], threads: int) -> Cpu:
    """Return a CPU with its level; `features` are Linux's names, of which SSE3 has two."""
    named = set(features)
    if "pni" in named or "ssse3" in named:
        named.add("sse3")
    return Cpu(
        architecture=architecture,
        vendor=vendor,
        model=" ".join(model.split()),
        level=level_of(architecture, named),
        features=tuple(sorted(named)),
        threads=threads,
    )


def _sysctl(text: str) -> Mapping[str, str]:
    rows = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}
