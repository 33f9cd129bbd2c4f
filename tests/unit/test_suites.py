"""The built-in suites of probes are scripts for old Pythons that take nothing from chance, and the page lists them."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.probes_page import page, suites

from envlock.observe.probe_list import listed_probes, probes_in
from envlock.observe.probe_sources import sources_for

ROOT = Path(__file__).parents[2]
SUITES = suites()
LEAST = {"numpy": 50, "tensorflow": 100, "torch": 100, "jax": 50, "scikit-learn": 30}
NAME = re.compile(r"[a-z][a-z-]*(\.gpu)?(\.[a-z][a-z0-9_]*){2}|[a-z][a-z-]*\.gpu\.[a-z][a-z0-9_]*")
CHANCE = {"datetime", "multiprocessing", "secrets", "socket", "subprocess", "tempfile", "threading", "time", "uuid"}
"""Modules whose results are of a moment, of a machine or of chance."""
SEEDED = {"RandomState", "Generator", "SeedSequence", "seed"}
"""What may be asked of the modules random and numpy.random: all else draws from a stream that others share."""


@pytest.fixture(params=sorted(SUITES), scope="module")
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tree(framework: str) -> ast.Module:
    return ast.parse(SUITES[framework].read_text("utf-8"), feature_version=(3, 6))


def dotted(node: ast.expr) -> str:
    """Return a chain of attributes as it is written; empty if it is none."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_every_framework_has_its_suite() -> None:
    """What can be asked for and what there is are the same."""
    assert {source.framework for source in sources_for(SUITES, ["cpu", "gpu"])} == set(SUITES) == set(LEAST)


def test_suite_is_a_script_for_old_pythons(tree: ast.Module) -> None:
    """It parses as Python 3.6 does, and has what the runner calls."""
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    assert [each.arg for each in functions["load"].args.args] == ["threads", "canonical", "device"]
    assert functions["define"].args.args == []


def test_suite_imports_its_framework_only_in_a_function(tree: ast.Module) -> None:
    """What is missing is then said by `load`, whose failure is a result."""
    outside = [each for each in tree.body if isinstance(each, (ast.Import, ast.ImportFrom))]
    assert {name.partition(".")[0] for each in outside for name in imported(each)} <= sys.stdlib_module_names


def test_probes_are_named_once_and_enough(framework: str) -> None:
    """Names are framework.area.operation, each once; there are as many as were promised; a line says what for."""
    found = probes_in(framework, SUITES[framework].read_text("utf-8"))
    counted = Counter(each.name for each in found)
    assert [name for name, count in counted.items() if count > 1 or not NAME.fullmatch(name)] == []
    assert sum(each.device == "cpu" for each in found) >= LEAST[framework]
    assert [each.sensitive for each in found if not re.fullmatch(r"\S.{1,118}[^\s.]", each.sensitive)] == []


def test_probes_of_a_gpu_say_so(framework: str, tree: ast.Module) -> None:
    """The device is in the name and in the call alike, and whatever defines probes is told literals."""
    for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call) and dotted(each.func) == "probe"):
        name = call.args[0]
        if isinstance(name, ast.Constant):
            devices = [ast.literal_eval(each.value) for each in call.keywords if each.arg == "device"]
            assert devices == (["gpu"] if str(name.value).startswith(f"{framework}.gpu.") else []), name.value
        else:
            assert isinstance(name, ast.Name), f"line {call.lineno}"  # of a function that gets literals


def test_suite_takes_nothing_from_chance(tree: ast.Module) -> None:
    """No clock, no entropy, no stream that others share, nothing that differs from process to process."""
    names = set(imported(tree))
    assert CHANCE & {name.partition(".")[0] for name in names} == set()
    used = {dotted(each) for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    shared = r"(np\.random|numpy\.random|random)\.(\w+)" if "random" in names else r"(np\.random|numpy\.random)\.(\w+)"
    assert {found[2] for found in (re.fullmatch(shared, name) for name in used) if found} <= SEEDED
    assert "os.urandom" not in used
    called = {dotted(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    assert called & {"id", "hash", "input", "open", "set", "globals"} == set()


def test_page_is_current() -> None:
    """docs/probes.md lists every probe: `python tools/probes_page.py > docs/probes.md` when this fails."""
    text = (ROOT / "docs" / "probes.md").read_text("utf-8")
    assert text == page()
    assert text.count("\n| `") == len(listed_probes())


def test_a_definition_is_read_without_being_run(tmp_path: Path) -> None:
    """Wrappers count, other calls do not; what is in a cell stays in it."""
    suite = 'raise SystemExit\nprobe("x.a.b", "s|t")(1)\nstep("x.gpu.b", "u", {})\nprobe(name, line)\nf("y.a.b", "v")\n'
    (tmp_path / "x.py").write_text(suite)
    assert [(each.name, each.sensitive, each.device) for each in probes_in("x", suite)] == [
        ("x.a.b", "s|t", "cpu"),
        ("x.gpu.b", "u", "gpu"),
    ]
    assert page(tmp_path).endswith(
        "## x\n\n2 probes, 1 of them of a GPU.\n\n| probe | sensitive to | device |\n| --- | --- | --- |\n"
        "| `x.a.b` | s\\|t | cpu |\n| `x.gpu.b` | u | gpu |\n"
    )
