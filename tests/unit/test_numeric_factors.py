"""Which factors differ from a fingerprint's, how each is put back, and what the answers to that explain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from envlock.formats.cpuinfo import cpu_of
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.numerics import Answer, Conditions, Experiment, Explanation, Pass, Suite
from envlock.model.unknown import Unknown
from envlock.verify.numeric_difference import Difference
from envlock.verify.numeric_factors import differences
from envlock.verify.numeric_inquiry import inquire

V2 = "lm cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = V2 + " abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = V3 + " avx512bw avx512cd avx512dq avx512f avx512vl"
BF16 = V4 + " avx512_bf16 avx512_vnni"


def cpu(features: str = V3, *, vendor: str = "GenuineIntel", model: str = "One", threads: int = 2) -> Cpu:
    return cpu_of("x86_64", vendor=vendor, model=model, features=features.split(), threads=threads)


def conditions(
    *,
    here: Cpu | Unknown | None = None,
    gpus: Accelerators | Unknown | None = None,
    threads: int = 0,
    libc: str = "glibc 2.36",
    **fields: Any,
) -> Conditions:
    here = here or cpu(threads=threads or 2)
    machine = Machine(system="linux", libc=libc, cpu=here, memory=1 << 34, accelerators=gpus or Accelerators())
    counted = here.usable if isinstance(here, Cpu) else 0
    known: dict[str, Any] = {"python": "3.9.18", "threads": threads or counted, "machine": machine}
    return Conditions(**(known | fields))


def suite(framework: str = "numpy", *, version: str = "1.26.4", device: Any = "cpu") -> Suite:
    return Suite(framework=framework, device=device, loaded="ok", version=version, source="0" * 64)


def found_differences(
    one: Conditions, other: Conditions, *, which: Pass = "configured", of: Suite | None = None
) -> tuple[Difference, ...]:
    of = of or suite()
    return differences(which, of, of, one, other)


def tried(difference: Difference) -> list[tuple[Mapping[str, str | None], int | None]]:
    return [(each.variables, each.threads) for each in difference.experiments]


def answer(text: str) -> Answer:
    if text in ("crashed", "noisy", "raised", "hung"):
        return Answer(status=text)  # type: ignore[arg-type]
    return Answer(status="ok", sha256=text.encode().hex().rjust(64, "0")[-64:])


def explained(
    causes: tuple[Difference, ...],
    world: Callable[[Mapping[str, str | None], int | None], Mapping[str, str]],
    expected: Mapping[str, str],
    *,
    which: Pass = "configured",
    found: Mapping[str, str] | None = None,
) -> tuple[tuple[Explanation, ...], list[Experiment]]:
    """Drive an inquiry in a world that answers from changed variables and threads."""
    made: list[Experiment] = []
    wanted = {name: answer(text) for name, text in expected.items()}
    here = {name: answer(text) for name, text in (found or world({}, None)).items()}
    inquiry = inquire("numpy", which, causes, wanted, here)
    try:
        experiment, probes = next(inquiry)
        while True:
            made.append(experiment)
            assert probes <= wanted.keys()
            said = world(experiment.variables, experiment.threads)
            experiment, probes = inquiry.send({name: answer(text) for name, text in said.items() if name in probes})
    except StopIteration as end:
        return end.value, made


def test_nothing_differs() -> None:
    """The same conditions give nothing to test, and a difference stays unexplained."""
    assert found_differences(conditions(), conditions()) == ()
    explanations, made = explained((), lambda *_: {"a": "here"}, {"a": "there"}, which="canonical")
    assert [each.factor for each in made] == ["noise"]
    assert [(each.factor, each.tested, each.probes) for each in explanations] == [("unexplained", False, ("a",))]
    assert explanations[0].text == (
        "1 probe of numpy remains unexplained: nothing differs that envlock observes. Another build of a library shows "
        "in `envlock verify --full`."
    )


def test_threads_by_a_variable() -> None:
    """A variable is put back as it was, also where that is unset; the text says what it is here."""
    one, other = conditions(variables={"OMP_NUM_THREADS": "1"}), conditions()
    (difference,) = found_differences(one, other)
    assert tried(difference) == [({"OMP_NUM_THREADS": "1"}, None)]
    explanations, made = explained(
        (difference,),
        lambda variables, _: dict.fromkeys("ab", variables.get("OMP_NUM_THREADS") or "2"),
        {"a": "1", "b": "1"},
    )
    assert len(made) == 2
    (only,) = explanations
    assert (only.factor, only.tested, only.probes) == ("threads", True, ("a", "b"))
    assert only.text == (
        "2 probes of numpy agree again with OMP_NUM_THREADS=1, as where the fingerprint was made; "
        "here: OMP_NUM_THREADS unset."
    )
    (back,) = found_differences(other, one)
    assert tried(back) == [({"OMP_NUM_THREADS": None}, None)]


def test_threads_by_cpus() -> None:
    """Affinity and fewer CPUs are put back by a number of threads; more than there are here rule nothing out."""
    one, other = conditions(threads=1), conditions()
    (difference,) = found_differences(one, other)
    assert (difference.expected, difference.found, difference.exact) == ("1 thread", "2 threads", True)
    assert tried(difference) == [({}, 1)]
    (more,) = found_differences(conditions(threads=8), other)
    assert (tried(more), more.exact) == ([({}, 8)], False)
    explanations, _ = explained((more,), lambda *_: {"a": "2"}, {"a": "8"})
    assert [(each.factor, each.tested) for each in explanations] == [("threads", False)]
    assert explanations[0].text.startswith(
        "1 probe of numpy differs in the configured pass alone because of threads: 8 threads there, 2 threads here."
    )


def test_a_quota_is_not_what_most_libraries_go_by() -> None:
    """Where a quota alone differs, both numbers are tried."""
    granted = Cpu(architecture="x86_64", features=tuple(V3.split()), threads=8, affinity=8, quota=1.0, model="One")
    free = Cpu(architecture="x86_64", features=tuple(V3.split()), threads=16, affinity=16, model="One")
    (difference,) = found_differences(conditions(here=granted), conditions(here=free))
    assert tried(difference) == [({}, 8), ({}, 1)]
    assert (difference.expected, difference.found) == ("8 threads for 1 CPU of quota", "16 threads")


def test_variables_of_the_fingerprint_go_before_its_cpus() -> None:
    """What another machine told libraries is told them here; the number of its CPUs does not undo that."""
    one, other = conditions(threads=1, variables={"OPENBLAS_NUM_THREADS": "4"}), conditions()
    (difference,) = found_differences(one, other)
    (variables, threads), (alone, none) = tried(difference)
    assert (variables["OPENBLAS_NUM_THREADS"], variables["OMP_NUM_THREADS"], threads) == ("4", None, 1)
    assert (alone, none) == ({"OPENBLAS_NUM_THREADS": "4"}, None)


def test_settings_are_tested_one_by_one() -> None:
    """Each variable that something of the suite reads is a factor of its own; those of others are not tried."""
    one = conditions(variables={"NPY_DISABLE_CPU_FEATURES": "AVX2"}, versions={"numpy": "1.26.4"})
    other = conditions(
        variables={"OPENBLAS_CORETYPE": "Prescott", "TF_ENABLE_ONEDNN_OPTS": "1", "NVIDIA_TF32_OVERRIDE": "0"},
        versions={"numpy": "1.26.4", "tensorflow": "2.5.0"},
    )
    causes = found_differences(one, other)
    assert [(each.factor, tried(each)) for each in causes] == [
        ("NPY_DISABLE_CPU_FEATURES", [({"NPY_DISABLE_CPU_FEATURES": "AVX2"}, None)]),
        ("OPENBLAS_CORETYPE", [({"OPENBLAS_CORETYPE": None}, None)]),
    ]

    def world(variables: Mapping[str, str | None], _: object) -> dict[str, str]:
        loops, core = "NPY_DISABLE_CPU_FEATURES" in variables, "OPENBLAS_CORETYPE" in variables
        return {
            "exp": "there" if loops else "here",
            "dot": "there" if core else "here",
            "both": "there" if loops and core else "here",
        }

    explanations, made = explained(causes, world, {"exp": "there", "dot": "there", "both": "there"})
    assert [each.factor for each in made][1:3] == ["NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE"]
    assert [(each.factor, each.probes, each.tested) for each in explanations] == [
        ("NPY_DISABLE_CPU_FEATURES", ("exp",), True),
        ("OPENBLAS_CORETYPE", ("dot",), True),
        ("NPY_DISABLE_CPU_FEATURES and OPENBLAS_CORETYPE", ("both",), True),
    ]
    assert explanations[1].text == (
        "1 probe of numpy agrees again with OPENBLAS_CORETYPE unset, as where the fingerprint was made; here: "
        "OPENBLAS_CORETYPE=Prescott."
    )


def test_what_was_taken_out_of_a_value_cannot_be_put_back() -> None:
    """A folder of another machine is named by elimination; an additional one here can be taken away."""
    one = conditions(variables={"LD_LIBRARY_PATH": "<elsewhere>"})
    (difference,) = found_differences(one, conditions(), which="canonical")
    assert (difference.factor, difference.experiments) == ("LD_LIBRARY_PATH", ())
    (added,) = found_differences(conditions(), one, which="canonical")
    assert tried(added) == [({"LD_LIBRARY_PATH": None}, None)]


def test_the_canonical_pass_has_no_threads_and_no_settings() -> None:
    """What that pass sets itself is no factor of it."""
    one = conditions(threads=1, variables={"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"})
    assert found_differences(one, conditions(), which="canonical") == ()


def test_dispatch_is_capped() -> None:
    """A CPU that has more is told to compute as one that has less; what agrees is explained by it."""
    one, other = conditions(), conditions(here=cpu(BF16, vendor="AuthenticAMD", model="Two"))
    (difference,) = found_differences(one, other, which="canonical")
    assert (difference.factor, difference.expected) == ("CPU dispatch", "x86-64-v3 (One)")
    (variables, _), *more = tried(difference)
    assert variables["OPENBLAS_CORETYPE"] == "Haswell"
    assert variables["NPY_DISABLE_CPU_FEATURES"] == "AVX512F AVX512CD AVX512_SKX X86_V4 AVX512_CLX"
    assert variables["GLIBC_TUNABLES"] == "glibc.cpu.hwcaps=-AVX512F,-AVX512F_Usable"
    assert [each["OPENBLAS_CORETYPE"] for each, _ in more] == ["Sandybridge", "Nehalem"]
    (torch,) = found_differences(one, other, which="canonical", of=suite("torch"))
    (caps, _), *_ = tried(torch)
    assert (caps["ATEN_CPU_CAPABILITY"], caps["ONEDNN_MAX_CPU_ISA"]) == ("avx2", "AVX2")
    (jax,) = found_differences(one, other, which="canonical", of=suite("jax"))
    assert tried(jax)[0][0]["XLA_FLAGS"] == "--xla_cpu_max_isa=AVX2"
    explanations, _ = explained(
        (difference,), lambda variables, _: {"a": "there" if variables else "here"}, {"a": "there"}, which="canonical"
    )
    assert explanations[0].text == (
        "1 probe of numpy agrees again with the kernels that x86-64-v3 (One) gets, where the fingerprint was made; "
        "this machine is x86-64-v4 (Two)."
    )


def test_a_cpu_that_has_less_cannot_be_made_to_have_more() -> None:
    """Then the CPU is named by elimination, and so is one of another architecture, or one that nobody knows."""
    one = conditions(here=cpu(V4))
    (difference,) = found_differences(one, conditions(), which="canonical")
    assert (difference.factor, difference.experiments) == ("CPU", ())
    arm = Cpu(architecture="aarch64", model="Neoverse-N1", features=("asimd",), threads=2, level="aarch64")
    (other,) = found_differences(one, conditions(here=arm), which="canonical")
    assert (other.factor, other.experiments, other.found) == ("CPU", (), "aarch64 (Neoverse-N1)")
    (unknown,) = found_differences(one, conditions(here=Unknown(reason="no /proc")), which="canonical")
    assert unknown.found == "an unknown CPU"


@pytest.mark.parametrize("which", ["canonical", "configured"])
def test_the_library_by_elimination(which: Pass) -> None:
    """On one machine another release alone can be the reason; only what the suite computes with is named."""
    versions = {"tensorflow": "2.5.0", "numpy": "1.19.5", "pandas": "1.2.0", "keras-nightly": "2.5.0"}
    newer = {"tensorflow": "2.6.0", "numpy": "1.19.5", "pandas": "1.3.0", "keras": "2.6.0"}
    causes = found_differences(
        conditions(versions=versions), conditions(versions=newer), which=which, of=suite("tensorflow")
    )
    explanations, made = explained(causes, lambda *_: {"a": "here", "b": "here"}, {"a": "x", "b": "y"}, which=which)
    assert len(made) == 1
    (only,) = explanations
    assert (only.factor, only.tested, only.probes) == ("library", False, ("a", "b"))
    assert only.expected == "tensorflow 2.5.0, no keras, keras-nightly 2.5.0"
    assert only.found == "tensorflow 2.6.0, keras 2.6.0, no keras-nightly"
    assert only.change == "tensorflow 2.5.0 → 2.6.0 (keras 2.6.0 new, keras-nightly 2.5.0 gone)"
    told = "tensorflow 2.5.0 there and 2.6.0 here, keras 2.6.0 only here, keras-nightly 2.5.0 only there."
    assert told in only.text
    assert ("So it is with one thread" in only.text) == (which == "canonical")
    assert only.text.endswith("Nothing else differs that envlock knows to change numbers.")


def test_a_library_that_is_no_distribution_by_name() -> None:
    """Where no version of a distribution differs, the framework's own word is taken."""
    one, other = suite("torch", version="2.1.0"), suite("torch", version="2.1.0+cu121")
    (difference,) = differences("canonical", one, other, conditions(), conditions())
    assert (difference.factor, difference.expected, difference.found) == ("library", "torch 2.1.0", "torch 2.1.0+cu121")
    assert difference.change == "torch 2.1.0 → 2.1.0+cu121"


def test_several_suspects_are_all_named() -> None:
    """What cannot be told apart is said so; what seldom matters is mentioned."""
    one = conditions(here=cpu(V4), versions={"numpy": "1.19.5"}, libc="glibc 2.31")
    other = conditions(versions={"numpy": "1.26.4"}, python="3.11.7")
    causes = found_differences(one, other, which="canonical")
    explanations, _ = explained(causes, lambda *_: {"a": "here"}, {"a": "there"}, which="canonical")
    (only,) = explanations
    assert only.factor == "library or CPU"
    assert only.change == "numpy 1.19.5 → 1.26.4; x86-64-v4 (One) → x86-64-v3 (One)"
    assert only.text == (
        "1 probe of numpy differs because of the library or the CPU: numpy 1.19.5 there and 1.26.4 here; x86-64-v4 "
        "(One) there, x86-64-v3 (One) here. So it is with one thread and without any setting. Python (3.9.18 there, "
        "3.11.7 here) and libc (glibc 2.31 there, glibc 2.36 here) differ as well, which seldom changes numbers and "
        "is not ruled out."
    )


def test_what_was_capped_in_vain_is_less_suspect() -> None:
    """A library is named before a CPU whose kernels were tried without an effect."""
    one = conditions(versions={"numpy": "1.19.5"})
    other = conditions(here=cpu(V4, model="Two"), versions={"numpy": "1.26.4"})
    causes = found_differences(one, other, which="canonical")
    explanations, _ = explained(causes, lambda *_: {"a": "here"}, {"a": "there"}, which="canonical")
    assert [each.factor for each in explanations] == ["library"]
    assert "It makes no difference to put back CPU dispatch." in explanations[0].text


def test_noise_is_no_factor() -> None:
    """A probe that gives something else when nothing is changed is explained by nothing, whatever it gives later."""
    runs = iter(["second", "there", "there"])
    causes = found_differences(conditions(threads=1), conditions())
    explanations, made = explained(causes, lambda *_: {"a": next(runs)}, {"a": "there"}, found={"a": "first"})
    assert len(made) == 1
    assert [(each.factor, each.probes) for each in explanations] == [("noise", ("a",))]


@pytest.mark.parametrize("becomes", ["crashed", "noisy", "raised"])
def test_an_experiment_that_fails_explains_nothing(becomes: str) -> None:
    """A crash under the kernels of another CPU, or a probe that turns noisy, is no agreement and rules nothing out."""
    causes = found_differences(conditions(variables={"OPENBLAS_CORETYPE": "SkylakeX"}), conditions())
    explanations, _ = explained(
        causes, lambda variables, _: {"a": becomes if variables else "here"}, {"a": "there"}, which="configured"
    )
    assert [(each.factor, each.tested) for each in explanations] == [("OPENBLAS_CORETYPE", False)]


def test_an_experiment_in_vain_rules_its_factor_out() -> None:
    """A setting that is put back and changes nothing is not named."""
    causes = found_differences(conditions(variables={"OPENBLAS_CORETYPE": "Zen"}), conditions())
    explanations, _ = explained(causes, lambda *_: {"a": "here"}, {"a": "there"})
    assert [(each.factor, each.tested) for each in explanations] == [("unexplained", False)]
    assert explanations[0].text == (
        "1 probe of numpy remains unexplained: it makes no difference to put back OPENBLAS_CORETYPE, and nothing else "
        "differs."
    )


def test_a_crash_is_explained_like_any_other_difference() -> None:
    """A setting under which a probe crashes is found by taking it away."""
    causes = found_differences(conditions(), conditions(variables={"OPENBLAS_CORETYPE": "SkylakeX"}))
    explanations, _ = explained(causes, lambda variables, _: {"a": "there" if variables else "crashed"}, {"a": "there"})
    assert [(each.factor, each.tested) for each in explanations] == [("OPENBLAS_CORETYPE", True)]


def test_gpus() -> None:
    """Another GPU, or another part of it, is named; the driver only where nothing else differs."""
    whole = Accelerator(kind="nvidia", name="NVIDIA A100", model="A100", multiprocessors=108)
    part = Accelerator(kind="nvidia", name="NVIDIA A100", model="A100", multiprocessors=98, mig=True, mig_profile="7g")
    one, other = Accelerators(devices=(whole,), driver="535.1"), Accelerators(devices=(part,), driver="550.2")
    of = suite("torch", device="gpu")
    causes = found_differences(conditions(gpus=one), conditions(gpus=other, threads=1), of=of)
    assert [(each.factor, each.expected, each.found) for each in causes] == [
        ("GPU", "NVIDIA A100, 108 multiprocessors", "NVIDIA A100, 98 multiprocessors, MIG 7g"),
        ("GPU driver", "535.1", "550.2"),
    ]
    explanations, _ = explained(causes, lambda *_: {"a": "here"}, {"a": "there"})
    assert [each.factor for each in explanations] == ["GPU"]
    tf32 = conditions(gpus=one, variables={"NVIDIA_TF32_OVERRIDE": "0"})
    (setting,) = found_differences(conditions(gpus=one), tf32, of=of)
    assert tried(setting) == [({"NVIDIA_TF32_OVERRIDE": None}, None)]
    (lost,) = found_differences(conditions(gpus=one), conditions(gpus=Unknown(reason="NVML")), of=of)
    assert (lost.factor, lost.found) == ("GPU", "an unknown GPU")
