"""Drift made for real: each kind is caught by its rule, with its exit code, through the real command."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.integration.bench import Bench
from tests.integration.clean import ENVIRONMENTS
from tests.integration.drift import Drift, Kind, drift
from tests.integration.drift_matrix import DRIFTS, PAGE, page
from tests.integration.drifts_images import image_project
from tests.integration.drifts_settings import MANIFEST as NUMBERS
from tests.integration.drifts_settings import PACKAGES as NAMED
from tests.integration.project import Project
from tests.unit.machines import replay
from tests.unit.wheels import make_wheel

pytestmark = pytest.mark.network

MANIFEST = """\
[env.small]
python = "3.11"
frameworks = { markupsafe = "==2.1.5" }
dependencies = ["jmespath==0.10.0", "tqdm==4.64.0"]
as-of = "2025-01-01"
"""


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Drift], Bench]:
    """Each project, locked and synced when it is first wanted, and as new whenever it is."""

    @functools.cache
    def ready(manifest: str) -> Bench:
        folder = tmp_path_factory.mktemp("drift")
        if not manifest:
            return Bench(image_project(folder), folder / "spare")
        project = Project(folder / "project", manifest, cache=folder / "cache")
        if manifest == NUMBERS:
            (project.folder / "index").mkdir()
            for name, version in NAMED:
                make_wheel(project.folder / "index", name, version)
        project.ok("lock")
        project.ok("sync")
        return Bench(project, folder / "spare")

    def bench(drift: Drift) -> Bench:
        found = ready({"Settings": NUMBERS, "Hardware": NUMBERS, "Images": ""}.get(drift.kind, MANIFEST))
        found.restore()
        return found

    return bench


@pytest.mark.parametrize("kind", ["Files", "Settings", "Images"])
def test_nothing_done(benches: Callable[[Drift], Bench], kind: Kind) -> None:
    """The environments that all drifts start from match, to the byte."""
    bench = benches(drift(kind, "nothing", lambda bench: bench, "", 0))
    if kind == "Settings":
        bench.machine = replay("a100")
        bench.as_run()
    if kind == "Images":
        bench.options = ["--frozen", "--image", "oci:out"]
    for mode in ("--quick", "--full"):
        seen = bench.verify(mode, "--strict")
        assert (seen.code, seen.rules) == (0, ()), seen


@pytest.mark.parametrize("one", DRIFTS, ids=lambda one: one.name)
def test_drift(benches: Callable[[Drift], Bench], one: Drift) -> None:
    """It is caught, by the rule that it is documented under; --quick sees all but bytes."""
    bench = benches(one)
    one.make(bench)
    for mode in ("--quick", "--full"):
        seen = bench.verify(mode, *one.options)
        rule, code = one.expected(mode)
        assert seen.code == code, f"{mode}: {seen}"
        assert rule in (*seen.rules, seen.error, ""), f"{mode}: {seen}"
        assert set(seen.rules) <= {rule, *one.beside}, f"{mode}: {seen}"


def test_the_page_is_the_table() -> None:
    """docs/drift-matrix.md says what these tests show; there are enough of them, and no two of one name."""
    assert PAGE.read_text("utf-8") == page(), "write it again: python -m tests.integration.drift_matrix"
    assert len({one.name for one in DRIFTS}) == len(DRIFTS) >= 60
    assert len({each.name for each in ENVIRONMENTS}) == len(ENVIRONMENTS) >= 50
