"""Suites of probes: what is hashed, what becomes of probes that misbehave, and what processes are started with."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from envlock.adapters.probing import PythonProbing
from envlock.errors import UnverifiableError
from envlock.model.edges import Unit
from envlock.model.numerics import Answer, Pass, ProbeEnd
from envlock.model.passes import ALL_THREAD_VARIABLES, PassSettings, canonical, changed, configured
from envlock.observe.numerics import Source, project_source, run_pass, run_suite, sources_for

HERE = PythonProbing(Path(sys.executable))
SETTINGS = canonical(os.environ, "cpu")
BOTH: dict[Pass, PassSettings] = {"canonical": SETTINGS, "configured": configured(os.environ, {}, "cpu")}


def suite_of(functions: str, load: str = "return '1.0'") -> Source:
    """Return a suite whose probes are these functions, named after them."""
    names = [line[4:].partition("(")[0] for line in functions.splitlines() if line.startswith("def ")]
    text = (
        f"import array, os, signal, sys, time\n"
        f"def load(threads, canonical, device):\n{textwrap.indent(textwrap.dedent(load), '    ')}\n"
        f"{functions}\n"
        f"def define():\n"
        + "".join(f"    probe('toy.unit.{name}', 'nothing')({name})\n" for name in names)
        + "    return None\n"
    )
    return Source(framework="numpy", text=text, sha256="0" * 64, module="envlock_toy")


def answers_of(functions: str, *, patience: float = 20.0, names: tuple[str, ...] = ()) -> dict[str, Answer]:
    """Return what the probes of a suite answer in the canonical pass, by the names of their functions."""
    result = run_pass(HERE, suite_of(functions), "canonical", SETTINGS, patience=patience, names=names)
    assert (result.loaded, result.version) == ("ok", "1.0")
    return {name.rpartition(".")[2]: answer for name, answer in result.answers.items()}


VALUES = """\
def nothing(): pass
def none(): return [None]
def tuples(): return (1, [2.5, True], {"b": b"x", "a": "y"})
def lists(): return [1, (2.5, True), {"a": "y", "b": bytearray(b"x")}]
def integer(): return 7
def real(): return 7.0
def zero(): return 0.0
def negative_zero(): return -0.0
def nan(): return [float("nan"), complex(float("nan"), 1)]
def other_nan():
    import struct
    other = struct.unpack("<d", bytes.fromhex("230100000000f8ff"))[0]
    return [other, complex(other, 1)]
def huge(): return 10 ** 6000
def array_nan(): return array.array("d", [1.0, float("nan")])
def array_other_nan(): return array.array("d", [1.0, -float("nan")])
def many(): return array.array("i", range(1000))
def two(): return [array.array("f", range(1000)), array.array("b", [1])]
def text_array(): return array.array("u", "abc")
def a_set(): return {1, 2}
def keys(): return {1: 2}
def endless():
    found = []
    found.append(found)
    return found
def lying():
    class Lying(object):
        def __array__(self): raise ValueError("no array after all")
    return Lying()
"""


def test_equal_results_have_equal_digests_whatever_holds_them() -> None:
    """The digests are written down: a change of one takes every fingerprint's worth, and another FORMAT."""
    answers = answers_of(VALUES)
    assert {name: answer.reason for name, answer in answers.items() if answer.status != "ok"} == {
        "nothing": "it returns None",
        "text_array": "nothing says how to compare an array of text",
        "a_set": "nothing says how to compare a set",
        "keys": "it has keys that are no text",
        "endless": "it is nested more than 8 deep",
        "lying": "ValueError: no array after all",
    }
    assert [name for name, answer in answers.items() if answer.status == "raised"] == ["lying"]
    digests = {name: answer.sha256 for name, answer in answers.items() if answer.sha256}
    assert digests["tuples"] == digests["lists"]
    assert digests["nan"] == digests["other_nan"]
    assert digests["array_nan"] == digests["array_other_nan"]
    assert len(set(digests.values())) == len(digests) - 3
    assert digests["tuples"] == "b0955cbb87aeed87b154b089e99af6c79050971fca78e8c4564f648c20007ef3"
    assert digests["many"] == "a161fcc43d4b65365a08b64b364234bae565f698659934fd972a3d6ae78e7911"


def test_samples_are_spread_over_a_result_by_an_odd_step() -> None:
    """32 elements at most are kept, of all arrays together; an even step might see one column only."""
    answers = answers_of(VALUES)
    (many,) = answers["many"].samples
    assert (many.dtype, many.shape, many.step) == ("<i4", (1000,), 33)
    assert many.bits == b"".join(each.to_bytes(4, "little") for each in range(0, 1000, 33)).hex()
    first, second = answers["two"].samples
    assert (first.dtype, first.step, len(first.bits) // 8) == ("<f4", 99, 11)
    assert (second.dtype, second.bits) == ("|i1", "01")
    assert [sample.bits for sample in answers["real"].samples] == ["0000000000001c40"]


def test_a_suite_may_say_what_a_framework_s_own_values_are() -> None:
    """As their bytes, also of one without elements, or as something else that can be hashed."""
    functions = """\
class Tensor(object):
    def __init__(self, *numbers): self.numbers = numbers
def plain(value):
    if not isinstance(value, Tensor): return None
    if not value.numbers: return list(value.numbers)
    return "bfloat16", (1, len(value.numbers) - 1), bytes(2 * len(value.numbers) - 2)
def empty(): return Tensor()
def without(): return [Tensor(1), Tensor(1)]
def two(): return {"a": Tensor(1, 2, 3)}
"""
    result = run_pass(
        HERE,
        suite_of(functions),
        "canonical",
        SETTINGS,
        only=[f"toy.unit.{name}" for name in ["empty", "without", "two"]],
    )
    assert [answer.status for answer in result.answers.values()] == ["ok", "ok", "ok"]
    samples = {name: [(s.dtype, s.shape, s.bits) for s in answer.samples] for name, answer in result.answers.items()}
    assert samples == {
        "toy.unit.empty": [],
        "toy.unit.without": [("bfloat16", (1, 0), "")] * 2,
        "toy.unit.two": [("bfloat16", (1, 2), "00000000")],
    }


MISBEHAVING = """\
def before(): return 1
def segfault(): os.kill(os.getpid(), signal.SIGSEGV)
def illegal(): os.kill(os.getpid(), signal.SIGILL)
def division(): os.kill(os.getpid(), signal.SIGFPE)
def abort():
    os.write(2, b"2026-01-02 03:04:05.678: F /home/joe/x.cc:7] Check failed on joes-machine\\n")
    os.abort()
def leaves(): os._exit(0)
def leaves_with_3(): os._exit(3)
def exits(): sys.exit(3)
def interrupts(): raise KeyboardInterrupt("in /home/joe/project at 0x7f00aabbcc")
def cannot_say():
    class Silent(Exception):
        def __str__(self): raise ValueError
    raise Silent
def recurses(): return recurses()
def closes(): os.closerange(3, 100)
def replaces():
    for number in range(3, 20):
        try: os.dup2(2, number)
        except OSError: pass
    return 1
def forks():
    os.fork()
    return 2
def floods():
    for _ in range(100): os.write(1, b"x" * 9999 + b"\\n")
    print("y" * 1000000)
    return 3
def random():
    from random import random
    return random()
def after(): return 1
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_becomes_of_a_probe_is_its_answer_and_the_others_go_on() -> None:
    """A process that ends is started again without what has answered; a reason says nothing private or fleeting."""
    answers = answers_of(MISBEHAVING, names=("joes-machine",))
    assert {name: (answer.status, answer.reason) for name, answer in answers.items()} == {
        "before": ("ok", ""),
        "segfault": ("crashed", "its process was ended by SIGSEGV"),
        "illegal": ("crashed", "its process was ended by SIGILL"),
        "division": ("crashed", "its process was ended by SIGFPE"),
        "abort": ("crashed", "its process was ended by SIGABRT (F <path>:7] Check failed on <name>)"),
        "leaves": ("crashed", "it ended its process with status 0"),
        "leaves_with_3": ("crashed", "it ended its process with status 3"),
        "exits": ("raised", "SystemExit: 3"),
        "interrupts": ("raised", "KeyboardInterrupt: in <path> at 0x"),
        "cannot_say": ("raised", "Silent: it cannot say what"),
        "recurses": ("raised", answers["recurses"].reason),
        "closes": ("crashed", "it closed what its answer would have gone through"),
        "replaces": ("crashed", "it closed what its answer would have gone through"),
        "forks": ("ok", ""),
        "floods": ("ok", ""),
        "random": ("noisy", "two runs in one process differ"),
        "after": ("ok", ""),
    }
    assert answers["before"].sha256 == answers["after"].sha256
    assert answers["recurses"].reason.startswith("RecursionError: ")
    assert not answers["random"].samples


@pytest.mark.skipif(os.name != "posix", reason="sessions")
def test_a_probe_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Also what a probe that answers leaves behind, which would keep the output open, and daemons."""
    started = tmp_path / "started"
    functions = f"""\
def starts():
    import subprocess
    for own in (False, {Path("/proc/self/environ").exists()}):
        child = subprocess.Popen(["sleep", "600"], close_fds=False, start_new_session=own)
        with open({str(started)!r}, "a") as file: file.write("%d\\n" % child.pid)
    return 1
def hangs():
    starts()
    time.sleep(600)
def after(): return 1
"""
    answers = answers_of(functions, patience=1.5)
    assert [answer.status for answer in answers.values()] == ["ok", "hung", "ok"]
    assert answers["hangs"].reason == "it said nothing for 1.5 s"
    for number in started.read_text().split():
        _wait_until(lambda: not _runs(int(number)))  # noqa: B023 - called at once


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _wait_until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("load", "loaded", "reason"),
    [
        ("import envlock_toy", "missing", "ModuleNotFoundError: No module named 'envlock_toy'"),
        ("import envlock_toy_part", "import-failed", "ModuleNotFoundError: No module named 'envlock_toy_part'"),
        (
            "raise ImportError('libfoo.so.1: cannot open /opt/joe/libfoo.so.1')",
            "import-failed",
            "ImportError: libfoo.so.1: cannot open <path>",
        ),
        ("os.kill(os.getpid(), signal.SIGILL)", "crashed", "importing it: its process was ended by SIGILL"),
        (
            "os.write(2, b'no space in /home/joe\\n'); os._exit(4)",
            "crashed",
            "importing it: it ended its process with status 4: no space in <path>",
        ),
        ("time.sleep(600)", "hung", "did not come to an end"),
    ],
    ids=["missing", "part missing", "raises", "signal", "exit", "hangs"],
)
def test_a_framework_that_does_not_load_says_why(load: str, loaded: str, reason: str) -> None:
    """It is a result, of no probes."""
    patience = 0.5 if loaded == "hung" else 20.0
    suite = run_suite(HERE, suite_of("", load), {"canonical": SETTINGS}, patience=patience)
    assert (suite.loaded, suite.reason[-len(reason) :], suite.probes) == (loaded, reason, ())


def test_what_loads_in_one_pass_only_has_that_for_an_answer_in_the_other() -> None:
    """A setting that makes a library crash on this CPU, as OPENBLAS_CORETYPE can, is a result of each probe."""
    source = suite_of("def one(): return 1\n", "if not canonical: os._exit(9)\nreturn '1'")
    suite = run_suite(HERE, source, BOTH)
    assert suite.loaded == "ok"
    (probe,) = suite.probes
    assert probe.answers["canonical"].status == "ok"
    assert probe.answers["configured"] == Answer(
        status="crashed", reason="importing it: it ended its process with status 9"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with probes, one module in its folder ``src``."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "inner.py").write_text("class Model:\n    def fit(): return [1.5, 2]\n")
    (tmp_path / "probes.py").write_text(
        "import os, pathlib, random\n"
        "drawn = random.random()\n"
        "def number(): return 42\n"
        "def reads(): return pathlib.Path('set.csv').read_bytes()\n"
        "def moves():\n    os.chdir('/')\n    return 1\n"
        "def order(): return list({str(number) for number in range(50)})\n"
        "def once(): return drawn\n"
        "def seeded(): return random.Random(3).random()\n"
    )
    (tmp_path / "set.csv").write_text("1,2")
    return tmp_path


TARGETS = {
    "fit": "inner:Model.fit",
    "missing": "probes:nothing",
    "moves": "probes:moves",
    "no module": "elsewhere:number",
    "number": "probes:number",
    "once": "probes:once",
    "order": "probes:order",
    "reads": "probes:reads",
    "seeded": "probes:seeded",
}


def test_probes_of_the_project_run_in_its_folder_and_leave_nothing_there(project: Path) -> None:
    """What depends on the order of sets, or on what a module draws when it is imported, is noise as configured."""
    before = sorted(project.rglob("*"))
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    passes: dict[Pass, PassSettings] = {
        "canonical": canonical(variables, "cpu"),
        "configured": configured(variables, {}, "cpu"),
    }
    suite = run_suite(HERE, project_source(TARGETS, project), passes)
    assert sorted(project.rglob("*")) == before
    assert {probe.name: [probe.answers[which].status for which in passes] for probe in suite.probes} == {
        "fit": ["ok", "ok"],
        "missing": ["raised", "raised"],
        "moves": ["ok", "ok"],
        "no module": ["raised", "raised"],
        "number": ["ok", "ok"],
        "once": ["ok", "noisy"],
        "order": ["ok", "noisy"],
        "reads": ["ok", "ok"],
        "seeded": ["ok", "ok"],
    }
    answers = {probe.name: probe.answers["configured"] for probe in suite.probes}
    assert answers["order"].reason == "two processes differ"
    assert answers["no module"].reason == "ModuleNotFoundError: No module named 'elsewhere'"
    assert answers["missing"].reason == "AttributeError: module 'probes' has no attribute 'nothing'"


def test_the_project_s_probes_are_told_apart_by_their_files(project: Path) -> None:
    """Where they run, the folder may have another name."""
    source = project_source(TARGETS, project)
    assert source == project_source(dict(reversed(TARGETS.items())), project)
    inside = project_source(TARGETS, project, inside="/work")
    assert (inside.folder, inside.sha256) == ("/work", source.sha256)
    (project / "src" / "inner.py").write_text("class Model:\n    def fit(): return [1.5, 3]\n")
    assert (changed := project_source(TARGETS, project).sha256) != source.sha256
    (project / "src" / "probes.py").write_text("")  # the one beside src is imported, and looked at
    assert project_source(TARGETS, project).sha256 == changed


def test_a_probe_s_source_can_be_found_and_its_own_processes_start(tmp_path: Path) -> None:
    """What compiles functions from their text needs it; multiprocessing must not look for a file of the script."""
    (tmp_path / "probes.py").write_text(
        "import multiprocessing\n"
        "def square(number): return number * number\n"
        "def spawns():\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: return pool.map(square, [2, 3])\n"
    )
    spawns = run_pass(HERE, project_source({"spawns": "probes:spawns"}, tmp_path), "canonical", SETTINGS)
    assert [(answer.status, answer.reason) for answer in spawns.answers.values()] == [("ok", "")]
    text = answers_of("def shows():\n    import inspect\n    return inspect.getsource(shows)\n")
    assert [(answer.status, answer.reason) for answer in text.values()] == [("ok", "")]


class Told:
    """A place that tells given lines, process after process, and ends as given."""

    def __init__(self, *processes: tuple[list[bytes], int | None]) -> None:
        self._processes = list(processes)
        self.scripts: list[bytes] = []

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        """Tell the next process's lines."""
        del variables, patience
        self.scripts.append(script)
        lines, status = self._processes.pop(0)
        for line in lines:
            told(line)
        return ProbeEnd(status=status)


def line(**message: object) -> bytes:
    """Return a line as the runner tells it."""
    return json.dumps(message).encode() + b"\n"


STARTED = [line(started=True), line(loaded={"version": "1", "probes": [["a", "x"], ["b", "y"]]})]
SAMPLE = {"dtype": "<f8", "shape": [1], "step": 1, "bits": "00" * 8}
OK = {"status": "ok", "sha256": "1" * 64, "samples": [SAMPLE]}


def heard(*lines: bytes, status: int | None = 0) -> dict[str, str]:
    """Return what a pass makes of lines of which the first probe's come last, by probe: the reason or status."""
    place = Told(([*STARTED, line(begin="b"), line(answer="b", **OK), line(begin="a"), *lines], status))
    result = run_pass(place, suite_of(""), "canonical", SETTINGS)
    assert result.answers["b"].status == "ok"
    return {name: answer.reason or answer.status for name, answer in result.answers.items()}


WROTE = "it wrote where answers are expected"
UNREADABLE = "its answer cannot be read"


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([line(answer="a", **OK)], "ok"),
        ([line(again="a"), line(answer="a", **OK)], "ok"),
        ([b"{\n", line(answer="a", **OK)], WROTE),
        ([b"\xff\x00\n"], WROTE),
        ([b"[" * 100_000 + b"\n"], WROTE),
        ([line(answer="a", status="fine")], WROTE),
        ([line(answer="a", more=1)], WROTE),
        ([line(answer="b", **OK)], WROTE),
        ([line(begin="b")], WROTE),
        ([line(answer="a", status="ok")], UNREADABLE),
        ([line(answer="a", **{**OK, "samples": [SAMPLE] * 33})], UNREADABLE),
        ([line(answer="a", **{**OK, "samples": [{**SAMPLE, "bits": "00" * 4097}]})], UNREADABLE),
        ([line(answer="a", **{**OK, "samples": [{**SAMPLE, "dtype": "/home/joe"}]})], UNREADABLE),
        ([line(answer="a", **{**OK, "sha256": "1"})], WROTE),
        ([line(answer="a", status="raised", reason="\x1b[31m/home/joe")], "<path>"),
    ],
)
def test_no_line_is_trusted(lines: list[bytes], answer: str) -> None:
    """Whatever an environment writes, it is an answer or a reason why there is none."""
    assert heard(*lines, line(end=True))["a"] == answer


def test_what_is_written_before_the_probes_start_is_nobody_s_answer() -> None:
    """A sitecustomize may print; what is no answer after that, and before the probes are known, is no import."""
    lines = [b"hello\n", line(end=True), *STARTED, *(line(**each) for each in ({"begin": "a"}, {"answer": "a", **OK}))]
    place = Told((lines, 1), ([*STARTED, line(begin="b"), line(answer="b", **OK), line(end=True)], 0))
    result = run_pass(place, suite_of(""), "canonical", SETTINGS)
    assert {name: answer.status for name, answer in result.answers.items()} == {"a": "ok", "b": "crashed"}
    for bad in (b"nonsense\n", line(loaded={"version": "1", "probes": [["../a", "x"]]})):
        result = run_pass(Told(([STARTED[0], bad], 0)), suite_of(""), "canonical", SETTINGS)
        assert (result.loaded, result.reason) == ("import-failed", WROTE)
    result = run_pass(Told(([b"hello\n"], 1)), suite_of(""), "canonical", SETTINGS)
    assert (result.loaded, result.reason) == ("crashed", "starting Python: it ended its process with status 1")


def test_a_line_that_was_left_open_before_the_probes_start_is_ended(tmp_path: Path) -> None:
    """A .pth file may write to stdout and no end of line: the first one of the probes is one all the same."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(1, b'hello')\n")
    settings = PassSettings(variables={"PYTHONPATH": str(tmp_path)}, threads=1)
    result = run_pass(HERE, suite_of("def one(): return 1\n"), "canonical", settings)
    assert (result.loaded, [answer.status for answer in result.answers.values()]) == ("ok", ["ok"])


def test_a_suite_that_crashes_again_and_again_is_given_up() -> None:
    """Each crash costs another start of the framework, and each hang all of the patience."""
    probes = [[f"p{number:02}", ""] for number in range(20)]
    start = [line(started=True), line(loaded={"version": "1", "probes": probes})]
    for status, asked, said in ((-4, 12, "crashed"), (None, 2, "hung")):
        place = Told(*(([*start, line(begin=name)], status) for name, _ in probes))
        result = run_pass(place, suite_of(""), "canonical", SETTINGS)
        assert len(place.scripts) == asked
        assert {answer.status for answer in result.answers.values()} == {said}
        assert len(result.answers) == 20
        assert result.answers["p19"].reason.startswith(f"not asked after {asked} others: it")


def test_a_suite_that_does_not_load_again_answers_for_what_is_left() -> None:
    """There is no verdict on what could not be asked."""
    place = Told(([*STARTED, line(begin="a")], -11), ([line(started=True)], -4))
    result = run_pass(place, suite_of(""), "canonical", SETTINGS)
    assert result.answers["a"].reason == "its process was ended by SIGSEGV"
    assert result.answers["b"].status == "crashed"


def test_a_suite_says_how_far_it_is() -> None:
    """First that it starts, since frameworks take seconds for it, then probe by probe."""
    said: list[object] = []

    class Watching:
        @contextmanager
        def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> Iterator[Watching]:
            del unit
            said.append((description, total))
            yield self

        def advance(self, amount: int = 1) -> None:
            said.append(amount)

    lines = [*STARTED, line(begin="a"), line(answer="a", **OK), line(begin="b"), line(answer="b", **OK)]
    run_pass(Told(([*lines, line(end=True)], 0)), suite_of(""), "configured", SETTINGS, progress=Watching())
    assert said == [("numpy, as configured, starting", None), ("numpy, as configured", 2), 1, 1]


def test_only_some_probes_are_asked() -> None:
    """As when the ones that differ are run again."""
    source = suite_of("def one(): return 1\ndef two(): return 2\n")
    suite = run_suite(HERE, source, {"canonical": SETTINGS}, only=["toy.unit.two"])
    assert [probe.name for probe in suite.probes] == ["toy.unit.two"]


def test_probes_work_in_an_empty_folder_and_at_nobody_s_home() -> None:
    """What a user keeps at home, as keras.json, is no part of the environment; a project's data may be there."""
    functions = """\
def home(): return os.environ["HOME"] == os.getcwd() == os.environ["TMPDIR"]
def empty(): return os.listdir(".")
def cache(): return os.environ.get("TRITON_CACHE_DIR")
def path(): return "" in sys.path or os.getcwd() in sys.path
def one_cpu(): return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
"""
    settings = canonical({**os.environ, "HOME": "/home/joe", "TRITON_CACHE_DIR": "/x"}, "cpu")
    result = run_pass(HERE, suite_of(functions), "canonical", settings)
    same = answers_of("def home(): return True\ndef empty(): return []\ndef cache(): return None\n"
                      "def path(): return False\ndef one_cpu(): return 1\n")  # fmt: skip
    assert {name.rpartition(".")[2]: answer for name, answer in result.answers.items()} == same


def test_a_python_that_is_not_there_is_no_result(tmp_path: Path) -> None:
    """Nothing could be run at all."""
    with pytest.raises(UnverifiableError, match="interpreter-failed"):
        run_pass(PythonProbing(tmp_path / "python"), suite_of(""), "canonical", SETTINGS)


def test_the_canonical_pass_lets_only_libraries_and_hardware_decide() -> None:
    """One thread and no setting; what says where files are stays, and devices are hidden from probes of the CPU."""
    environ = {
        "CONDA_PREFIX": "/c",
        "CUDA_VISIBLE_DEVICES": "1",
        "LD_LIBRARY_PATH": "/l",
        "OMP_NUM_THREADS": "8",
        "OPENBLAS_CORETYPE": "Haswell",
        "PATH": "/bin",
        "PYTHONHASHSEED": "7",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": "/p",
        "XLA_FLAGS": "x",
    }
    settings = {"DATA": "/d", "KERAS_BACKEND": "torch", "TF_ENABLE_ONEDNN_OPTS": "0"}
    on_cpu = canonical(environ, "cpu", settings)
    one = dict.fromkeys(ALL_THREAD_VARIABLES, "1")
    kept = {"LD_LIBRARY_PATH": "/l", "PATH": "/bin", "DATA": "/d", "KERAS_BACKEND": "torch", "PYTHONHASHSEED": "0"}
    hidden = {
        "CUDA_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "",
        "ROCR_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "JAX_PLATFORM_NAME": "cpu",
    }
    assert on_cpu == PassSettings(variables={**kept, **one, **hidden}, threads=1)
    on_gpu = {"CUDA_VISIBLE_DEVICES": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    assert canonical(environ, "gpu", settings) == PassSettings(variables={**kept, **one, **on_gpu}, threads=1)


def test_the_configured_pass_gets_what_programs_get() -> None:
    """The lock's settings go before the shell's, a stray variable stays, and other code does not come in."""
    environ = {"CONDA_PREFIX": "/c", "OMP_NUM_THREADS": "8", "OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": "/p"}
    settings = {"OMP_NUM_THREADS": "4"}
    assert configured(environ, settings, "gpu") == PassSettings(
        variables={"OMP_NUM_THREADS": "4", "OPENBLAS_CORETYPE": "Haswell"}, threads=None
    )
    assert configured(environ, settings, "cpu").variables["CUDA_VISIBLE_DEVICES"] == ""


def test_one_factor_is_changed_at_a_time() -> None:
    """A variable is set or unset, or the number of threads told in every way there is."""
    before = PassSettings(variables={"A": "1", "B": "2"}, threads=None)
    assert changed(before, {"A": None, "C": "3"}, None) == PassSettings(variables={"B": "2", "C": "3"}, threads=None)
    two = {**dict.fromkeys(ALL_THREAD_VARIABLES, "2"), "A": "1", "B": "2", "OMP_NUM_THREADS": "5"}
    assert changed(before, {"OMP_NUM_THREADS": "5"}, 2) == PassSettings(variables=two, threads=2)


def test_suites_are_chosen_by_what_is_locked() -> None:
    """A suite of the GPU only where there is one; kinds of TensorFlow are TensorFlow, packages about it are not."""
    packages = ["numpy", "tensorflow-cpu", "torchvision", "jaxtyping"]
    found = [(source.framework, source.device) for source in sources_for(packages, ["cpu"])]
    assert found == [("numpy", "cpu"), ("tensorflow", "cpu")]
    assert ("tensorflow", "gpu") in [(s.framework, s.device) for s in sources_for(["tf-nightly"], ["cpu", "gpu"])]
    assert sources_for(["tensorflow-datasets", "six"], ["cpu", "gpu"]) == ()
