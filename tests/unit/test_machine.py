"""What `envlock init` suggests for the machine it runs on."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pynvml
import pytest

from envlock.adapters.machine import product_model, suggest_hardware
from envlock.model.hardware import parse_hardware


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "RTX 3080"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200 NVL", "H200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
    ],
)
def test_product_model(product: str, model: str) -> None:
    """The model without maker, form and memory."""
    assert product_model(product) == model


def fake(monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[..., Any]) -> None:
    monkeypatch.setattr(pynvml, name, value)


def test_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs of other memory: the smaller one counts, and the driver's branch."""
    fake(monkeypatch, "nvmlInit", lambda: None)
    fake(monkeypatch, "nvmlShutdown", lambda: None)
    fake(monkeypatch, "nvmlDeviceGetCount", lambda: 2)
    fake(monkeypatch, "nvmlDeviceGetHandleByIndex", lambda index: index)
    fake(monkeypatch, "nvmlDeviceGetName", lambda _: b"NVIDIA A100-SXM4-40GB")
    fake(monkeypatch, "nvmlDeviceGetMemoryInfo", lambda index: SimpleNamespace(total=(81559 - 40000 * index) << 20))
    fake(monkeypatch, "nvmlSystemGetDriverVersion", lambda: "535.104.05")
    name, found = suggest_hardware()
    assert name == "a100"
    assert msgspec.to_builtins(found.accelerator) == {
        "kind": "nvidia",
        "models": ("A100",),
        "count": ">=1",
        "memory-gib": ">=40",
        "driver": ">=535",
        "compute-capability": None,
    }


def test_suggestion_is_a_normalised_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is, its class is one that a manifest may hold."""

    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    fake(monkeypatch, "nvmlInit", absent)
    name, found = suggest_hardware()
    table = {k: v for k, v in msgspec.to_builtins(found).items() if v}
    table["accelerator"] = {k: v for k, v in table["accelerator"].items() if v}
    assert parse_hardware(name, table, "envlock.toml") == found
    assert found.accelerator is not None
    assert found.accelerator.kind != "nvidia"
