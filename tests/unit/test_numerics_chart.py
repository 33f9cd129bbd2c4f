"""The chart of docs/numerics.md, drawn from the measured page."""

from __future__ import annotations

from pathlib import Path

from tools.numerics_chart import PAGE, chart, factor

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "numerics-factors.svg"


def test_picture_is_current() -> None:
    """What is committed is what the page gives: python tools/numerics_chart.py > docs/images/numerics-factors.svg."""
    assert PICTURE.read_text("utf-8") == chart(PAGE.read_text("utf-8"))


def test_factors() -> None:
    """A row is about threads, a setting or a release; only TensorFlow's releases are drawn."""
    assert factor("torch", "2.13.0", "2.13.0, 2 threads") == "threads, 1 to 2"
    assert factor("torch", "2.13.0", "2.13.0, ONEDNN_MAX_CPU_ISA=AVX2") == "ONEDNN_MAX_CPU_ISA=AVX2"
    assert factor("tensorflow", "2.8.0", "2.9.1, TF_ENABLE_ONEDNN_OPTS=0") == "tensorflow 2.8.0 → 2.9.1"
    assert factor("tensorflow", "2.5.0", "2.5.0") == ""
    assert factor("numpy", "2.0.2", "2.2.6") == ""
