"""`envlock fingerprint` and `verify --numerics` with real numpy, and what may go wrong with frameworks and probes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envlock.adapters.identity import private_names
from envlock.adapters.probing import PythonProbing
from envlock.model.passes import configured
from envlock.observe.numerics import run_pass, sources_for
from tests.integration.bench import clean_variables
from tests.integration.project import Project, Result

pytestmark = pytest.mark.network

MANIFEST = """\
[env.small]
python = "3.11"
frameworks = { numpy = "==1.26.4" }
as-of = "2025-01-01"

[env.small.probes]
third = "checks:third"
"""
CHECKS = """\
import os, random, time
from pathlib import Path

def third():
    return [1 / 3, Path("envlock.toml").exists()]

def raises():
    raise ValueError("no file " + os.path.abspath("x") + " for " + os.environ.get("DATABASE_PASSWORD", "nobody"))

def thing():
    return object()

def noise():
    return random.random()
"""
OWN = """
[env.tiny.probes]
third = "checks:third"
"""
BAD = """\
raises = "checks:raises"
thing = "checks:thing"
noise = "checks:noise"
"""
BROKEN = {
    "cannot be imported": "raise RuntimeError('no such symbol')",
    "crashes": "import os; os.kill(os.getpid(), 9)",
    "hangs": "import time; time.sleep(600)",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A locked and synced project with numpy and a probe of its own, and its fingerprint of this machine."""
    project = Project(tmp_path_factory.mktemp("numbers"), MANIFEST, cache=tmp_path_factory.mktemp("cache"))
    (project.folder / "checks.py").write_text(CHECKS)
    project.ok("lock")
    project.ok("sync")
    made = project.ok("fingerprint", "--json").json
    assert [(suite["framework"], suite["loaded"]) for suite in made["suites"]] == [("numpy", "ok"), ("project", "ok")]
    assert (made["failures"], made["became"]) == ([], "new")
    return project


@pytest.fixture
def plain(tiny: Project, tmp_path: Path) -> Project:
    """A project without any framework, only a probe of its own, and its fingerprint of this machine."""
    folder = tmp_path / "plain"
    shutil.copytree(tiny.folder, folder, symlinks=True)
    plain = Project(folder, None, cache=tiny.cache)
    text = (folder / "envlock.toml").read_text().replace("\n[[index]]", f"{OWN}\n[[index]]")
    (folder / "envlock.toml").write_text(text)
    (folder / "checks.py").write_text(CHECKS)
    plain.ok("fingerprint")
    return plain


@pytest.fixture
def numpy(project: Project) -> Iterator[Path]:
    """numpy's first module, put back afterwards, times included."""
    (found,) = project.folder.glob(".venv/lib/*/site-packages/numpy/__init__.py")
    before, times = found.read_bytes(), found.stat()
    yield found
    found.write_bytes(before)
    os.utime(found, ns=(times.st_atime_ns, times.st_mtime_ns))


def fingerprint_in(project: Project) -> Path:
    """Return the one fingerprint of a project."""
    (found,) = (project.folder / "lockfiles/fingerprints").glob("*/*.json")
    return found


def verify(project: Project, *options: str, **environment: str) -> Result:
    return project.run("verify", "--numerics", "--json", *options, environment=environment)


def is_running(process: int) -> bool:
    """Tell whether a process is there and more than a zombie, which is whoever's task to reap."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def found(result: Result) -> list[tuple[str, str]]:
    """Return the rules about numbers that found more than a note, each with what it is about."""
    rows = [row for row in result.json["findings"] if row["family"] == "NUM" and row["severity"] != "info"]
    return [(row["rule"], row["subject"]) for row in rows]


def test_the_same_numbers(project: Project) -> None:
    """A second look finds none that differs."""
    done = verify(project)
    assert (done.code, found(done)) == (0, [])
    assert done.json["summary"]["numerics"]["probes"] > 50


def test_ten_runs_find_no_drift(project: Project) -> None:
    """No answer of numpy's probes differs between ten runs with all threads, some of them at the same time."""
    (source,) = sources_for(["numpy"], ["cpu"])
    place = PythonProbing(project.folder / ".venv/bin/python")
    settings = configured(clean_variables(), {}, "cpu")
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda one: run_pass(place, one, "configured", settings), [source] * 10))
    assert runs[0].loaded == "ok"
    assert runs == [runs[0]] * 10


def test_a_setting_is_found_and_named(project: Project) -> None:
    """Other kernels of OpenBLAS: drift as configured, none on one thread; --explain names the variable."""
    done = verify(project, "--explain", OPENBLAS_CORETYPE="Prescott")
    assert done.code == 1
    assert ("numerics-diverged", "numpy, as configured") in found(done)
    assert not any(subject == "numpy, one thread" for _, subject in found(done))
    factors = {row["factor"]: row["tested"] for row in done.json["summary"]["numerics"]["explanations"]}
    assert factors == {"OPENBLAS_CORETYPE": True}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_framework_that_does_not_load(project: Project, numpy: Path, kind: str) -> None:
    """It fails when imported, ends its process, hangs: exit 3 with the reason."""
    code = BROKEN[kind].encode()
    numpy.write_bytes(code + b"\n#" + b"x" * (numpy.stat().st_size - len(code) - 2))  # of the size that is locked
    done = verify(project, "--patience", "2")
    assert (done.code, found(done)) == (3, [("numerics-framework", "numpy")])
    assert kind in done.json["findings"][0]["found"]


def test_a_framework_that_is_not_there(project: Project) -> None:
    """That is drift too: exit 1, both are told, and no fingerprint is made of it, whatever the manifest allows."""
    manifest = project.folder / "envlock.toml"
    before = manifest.read_text()
    (site,) = project.folder.glob(".venv/lib/*/site-packages")
    moved = project.folder / "moved"
    moved.mkdir()
    for path in site.glob("numpy*"):
        path.rename(moved / path.name)
    try:
        done = verify(project)
        assert (done.code, found(done)) == (1, [("numerics-framework", "numpy")])
        refused = project.run("fingerprint")
        assert (refused.code, "[not-the-locked]" in refused.err) == (1, True)
        manifest.write_text(f'{before}\n[env.small.verify]\nrules = {{ package-missing = "off" }}\n')
        assert project.run("verify").code == 0
        refused = project.run("fingerprint")
        assert (refused.code, "[not-the-locked]" in refused.err) == (1, True)
    finally:
        manifest.write_text(before)
        for path in moved.iterdir():
            path.rename(site / path.name)
        moved.rmdir()


def test_no_fingerprint_that_can_be_used(plain: Project) -> None:
    """Of another lock or schema, or none at all: exit 3 with the reason; a named one that is not there is a mistake."""
    file = fingerprint_in(plain)
    made = json.loads(file.read_text())
    for change, why in (({"lock": "ab" * 32}, "of another lock"), ({"schema": 2}, "(schema 2)")):
        file.write_text(json.dumps(made | change))
        done = verify(plain)
        assert (done.code, found(done)) == (3, [("numerics-fingerprint", "fingerprint")])
        assert why in done.json["findings"][0]["found"]
    file.unlink()
    done = verify(plain)
    assert (done.code, done.json["findings"][0]["found"]) == (3, "none was made yet")
    assert verify(plain, "--against", "none.json").code == 2


def test_probes_that_give_no_result(plain: Project) -> None:
    """One that raises, returns what has no numbers, or is random: told with the reason, exit 3, the rest is kept."""
    manifest = plain.folder / "envlock.toml"
    manifest.write_text(manifest.read_text().replace(OWN, OWN + BAD))
    made = plain.run("fingerprint", "--json", environment={"DATABASE_PASSWORD": "correct-horse"})
    assert (made.code, "correct-horse" in fingerprint_in(plain).read_text()) == (3, False)
    told = {(row["probe"], row["status"], row["reason"]) for row in made.json["failures"]}
    assert told == {
        ("raises", "raised", "ValueError: no file <path> for <name>"),
        ("thing", "unhashable", "nothing says how to compare a object"),
        ("noise", "noisy", "two runs in one process differ"),
        ("noise", "noisy", "two processes differ"),
    }
    done = verify(plain)
    assert done.code == 3
    assert {rule for rule, _ in found(done)} == {"numerics-raised", "numerics-noisy"}
    answers = {row["probe"]: row["state"] for row in done.json["summary"]["numerics"]["rows"]}
    assert answers == {"third": "equal", "raises": "raised", "thing": "raised", "noise": "noisy"}


def test_a_stale_lock_is_told(plain: Project) -> None:
    """The next `lock` makes the fingerprint void, so it is no time to keep one; it is not refused."""
    manifest = plain.folder / "envlock.toml"
    manifest.write_text(manifest.read_text().replace(OWN, f"{OWN}\n[env.tiny.settings]\nthreads = 1\n"))
    done = plain.ok("fingerprint")
    assert "warning: the lock of 'tiny' is stale" in done.err
    assert "keeping the numbers of what is locked" in done.err


def test_a_fingerprint_says_nothing_of_whose_machine_it_is(plain: Project) -> None:
    """No path, host or user; made again it is the same file."""
    file = fingerprint_in(plain)
    text = file.read_text()
    words = set(re.findall(r"[\w.@-]+", text))
    assert not words.intersection(private_names())
    assert str(plain.folder) not in text
    assert '"/' not in text
    assert plain.ok("fingerprint", "--json").json["became"] == "unchanged"
    assert file.read_text() == text


def test_targets_without_a_python_are_refused(plain: Project) -> None:
    """A report has no numbers, and an image has to be in an Engine: said before anything is looked at."""
    for options in (("--report", "r.json"), ("--image", "oci:x"), ("--image", "127.0.0.1:1/team/x:v1")):
        done = plain.run("verify", "--numerics", *options)
        assert (done.code, "[nothing-to-run]" in done.err) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_it_leaves_nothing(plain: Project, number: signal.Signals) -> None:
    """Ctrl-C and a scheduler's end of a job end the probes as well, and the fingerprint is as it was."""
    file = fingerprint_in(plain)
    before = file.read_bytes()
    slow = "def third():\n    Path('begun').write_text(str(os.getpid())); time.sleep(600)\n"
    (plain.folder / "checks.py").write_text(CHECKS.replace("def third():\n", slow))
    env = clean_variables() | {"ENVLOCK_CACHE_DIR": str(plain.cache)}
    command = [sys.executable, "-m", "envlock", "fingerprint"]
    process = subprocess.Popen(command, cwd=plain.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begun = plain.folder / "begun"
    while not (begun.exists() and begun.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # its probe has the other end of no pipe any more
    killed = number == signal.SIGKILL
    assert (process.returncode, b"Interrupted" in err) == (-number if killed else 130, not killed)
    ended = time.monotonic() + 30
    while is_running(int(begun.read_text())):
        assert time.monotonic() < ended
        time.sleep(0.05)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.engine
def test_in_the_locked_image(built: Project, engine: str, tmp_path: Path) -> None:
    """The project is mounted, read-only, and its probes run without network; no container is left."""
    project = Project(tmp_path / "project", cache=built.cache)
    shutil.copytree(built.folder / "lockfiles", project.folder / "lockfiles")
    with (project.folder / "envlock.toml").open("a") as manifest:
        manifest.write('\n[env.small.probes]\nok = "own:ok"\nwrites = "own:writes"\ndies = "own:dies"\n')
    (project.folder / "own.py").write_text(
        "import os, yaml\n"
        "def ok():\n    return [1.5, yaml.__version__, os.listdir('/sys/class/net')]\n"
        "def writes():\n    open('new', 'w')\n"
        "def dies():\n    os.abort()\n"
    )
    here = {"DOCKER_HOST": engine}
    made = project.run("fingerprint", "--in-image", "--json", environment=here)
    assert made.code == 3, made.err
    told = [(row["probe"], row["status"], row["reason"]) for row in made.json["failures"]]
    assert told == [
        ("dies", "crashed", "its process was ended by SIGABRT"),
        ("writes", "raised", "OSError: [Errno 30] Read-only file system: 'new'"),
    ]
    (name,) = (project.folder / "lockfiles/fingerprints/small").glob("*.json")
    conditions = json.loads(name.read_text())["numerics"]["conditions"]
    assert (conditions["in_image"], conditions["python"]) == (True, "3.11.2")
    docker = ["docker", "-H", engine]
    seen = subprocess.run([*docker, "ps", "-aq"], capture_output=True, text=True, check=True)
    assert seen.stdout == ""
    images = subprocess.run([*docker, "image", "ls", "-q", "small"], capture_output=True, text=True, check=True)
    image = f"engine:{images.stdout.split()[0]}"
    done = project.run("verify", "--numerics", "--json", "--image", image, environment=here)
    assert done.code == 3
    assert {rule for rule, _ in found(done)} == {"numerics-raised"}
