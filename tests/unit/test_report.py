"""Reports: what they hold, what they never hold, and how they are read back."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tools.team import team

from envlock.cli.main import cli
from envlock.cli.report import _default_target, _environment
from envlock.errors import UsageError
from envlock.formats.report import parse_report, read_report, report_bytes
from envlock.model import machine as machines
from envlock.model import report as model
from envlock.model.factors import variables_here
from envlock.model.machine import Accelerators
from envlock.model.manifest import Environment, Manifest
from envlock.model.observation import Interpreter, Variables
from envlock.model.redaction import is_redacted, redacted
from envlock.model.report import Installed, LockedAs, Report, Source
from envlock.model.unknown import Unknown
from envlock.operations.report import Scene, report_on
from envlock.operations.report_inputs import input_names
from envlock.operations.report_redaction import redacted_report
from tests.unit.reports import gpu, machine, report
from tests.unit.venvs import BrokenInterpreter, Venv, demo_wheel, locked_package
from tests.unit.wheels import make_wheel

NOW = datetime.datetime(2026, 11, 22, 14, 30, 5, tzinfo=datetime.UTC)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/report-v1.json").read_text("utf-8"))


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def distributions(found: Report) -> dict[str, Installed]:
    """Return the distributions of a report by name."""
    assert not isinstance(found.distributions, Unknown)
    return {each.name: each for each in found.distributions}


def seen(venv: Venv, *, full: bool = False, **scene: Any) -> Report:
    """Report on a venv, and expect that what is written fits its schema and is read back."""
    found = report_on(venv.prefix, venv, Scene(now=NOW, **scene), full=full)
    raw = report_bytes(found)
    jsonschema.validate(json.loads(raw), SCHEMA)
    assert parse_report(raw, "report") == found
    return found


def test_what_a_report_holds(tmp_path: Path, venv: Venv) -> None:
    """Packages, interpreter, settings, machine, commit, data and the lock's name and digest are in it."""
    venv.install(demo_wheel(tmp_path))
    (tmp_path / "train.csv").write_text("1,2\n")
    variables = Variables(origin="shell", values={"OMP_NUM_THREADS": "4"})
    lock = LockedAs(env="tf25", digest="e" * 64)
    checkout = report().checkout
    found = seen(
        venv,
        machine=machine,
        variables=variables,
        checkout=checkout,
        lock=lock,
        inputs=input_names(["train.csv", "gone.csv"], tmp_path),
    )
    assert (found.created, found.full) == ("2026-11-22T14:30:05Z", False)
    assert isinstance(found.interpreter, Interpreter)
    assert found.interpreter.version == "3.11.9"
    assert distributions(found) == {"demo": Installed(name="demo", version="1.0", installer="uv")}
    assert (found.machine, found.variables, found.checkout, found.lock) == (machine(), variables, checkout, lock)
    assert found.inputs == {"gone.csv": None, "train.csv": hashlib.sha256(b"1,2\n").hexdigest()}


def test_contents_are_those_of_the_lock(tmp_path: Path, venv: Venv) -> None:
    """--full gives each distribution the digest that a lock has of its wheel: scripts, data and headers included."""
    wheels = [demo_wheel(tmp_path), make_wheel(tmp_path, "plain")]
    for wheel in wheels:
        venv.install(wheel)
    found = distributions(seen(venv, full=True))
    for wheel in wheels:
        package = locked_package(wheel)
        assert package.wheels[0].contents in found[package.name].contents
    assert len(found["plain"].contents) == 1
    (venv.site / "plain/__init__.py").write_text("value = 2\n")
    assert distributions(seen(venv, full=True))["plain"].contents != found["plain"].contents
    (venv.site / "plain/__init__.py").unlink()
    assert distributions(seen(venv, full=True))["plain"].contents == ()


def test_sources_are_told_without_their_place(tmp_path: Path, venv: Venv) -> None:
    """An editable install, a checkout and a file are told as such, and nothing of their URLs."""
    urls = {
        "edited": {"url": "file:///home/ana/src", "dir_info": {"editable": True}},
        "cloned": {"url": "https://ana:secret@example.com/x.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
        "given": {"url": "file:///home/ana/given.whl", "archive_info": {"hashes": {"sha256": "a" * 64}}},
        "folder": {"url": "file:///home/ana/folder", "dir_info": {}},
    }
    for name, url in urls.items():
        (venv.install(make_wheel(tmp_path, name)) / "direct_url.json").write_text(json.dumps(url))
    found = seen(venv)
    assert {name: each.source for name, each in distributions(found).items()} == {
        "edited": Source(kind="directory", editable=True),
        "cloned": Source(kind="vcs"),
        "given": Source(kind="archive", sha256="a" * 64),
        "folder": Source(kind="directory"),
    }
    assert b"home" not in report_bytes(found)


def test_what_runs_at_start_is_told(venv: Venv) -> None:
    """sitecustomize and .pth files that run code are told with their digest; what every venv tool writes is not."""
    (venv.site / "sitecustomize.py").write_text("import os\n")
    (venv.site / "_virtualenv.pth").write_text("import _virtualenv")
    (venv.site / "paths.pth").write_text("/home/ana/lib\n")
    (venv.site / "hook.pth").write_text("# a comment\nimport hook\n")
    found = seen(venv)
    assert [each.name for each in found.startup] == ["hook.pth", "sitecustomize.py"]
    assert all(each.sha256 for each in found.startup)
    assert seen(venv, full=True).startup == found.startup
    (venv.site / "usercustomize").mkdir()
    for name in ("usercustomize/__init__.py", "sitecustomize.abi3.so", "hook.start", "usercustomize/other.py"):
        (venv.site / name).write_text("hook:run\n")
    names = [each.name for each in seen(venv).startup]
    assert names == ["hook.pth", "hook.start", "sitecustomize.abi3.so", "sitecustomize.py", "usercustomize/__init__.py"]


def test_planted_secrets_reach_no_report(tmp_path: Path, venv: Venv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and user names, paths, URLs with credentials, tokens, addresses and serials are nowhere in a report."""
    secrets = {
        "XLA_FLAGS": "--xla_dump_to=/home/anna-k/dump --xla_gpu_deterministic_ops=true",
        "PYTHONPATH": "/home/anna-k/lib:/scratch/anna-k",
        "LD_PRELOAD": "/home/anna-k/libhack.so",
        "CUDA_VISIBLE_DEVICES": "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "OMP_NUM_THREADS": "4",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    info = venv.install(make_wheel(tmp_path, "demo"))
    (info / "INSTALLER").write_text("host-of-anna /home/anna-k ghp_0123456789abcdefghij")
    (info / "direct_url.json").write_text('{"url": "https://anna-k:hunter2@example.com/demo.whl", "archive_info": {}}')
    reason = "no driver on host-of-anna: /dev/nvidia0 (00:1b:44:11:3a:b7, 10.0.0.7), ask anna-k@example.com"
    found = seen(
        venv,
        machine=lambda: machine(accelerators=Unknown(reason=reason, hint="see https://x:hunter2@example.com/")),
        variables=variables_here(os.environ, folder=str(tmp_path)),
        checkout=Unknown(reason="fatal: /home/anna-k/churn is owned by anna-k"),
        inputs={"/home/anna-k/data.csv": tmp_path / "data.csv"},
        names=("host-of-anna", "anna-k"),
    )
    text = report_bytes(found).decode()
    for secret in (
        "anna", "hunter2", "ghp_", "wJalr", "8932f937", "3a:b7", "10.0.0.7", "/home", "/dev", "scratch", "example.com",
        str(tmp_path),
    ):  # fmt: skip
        assert secret not in text
    assert isinstance(found.variables, Variables)
    assert found.variables.values["OMP_NUM_THREADS"] == "4"
    assert found.variables.values["LD_PRELOAD"] == "<elsewhere>/libhack.so"
    assert found.variables.values["XLA_FLAGS"] == "--xla_dump_to=<path> --xla_gpu_deterministic_ops=true"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ana/x", "<path>"),
        ("lib:/home/ana/x:b", "lib:<path>:b"),
        (r"at C:\Users\Ana\x now", "at <path> now"),
        (r"\\server\share\x", "<path>"),
        ("~/lib and ~ana/lib", "<path> and <path>"),
        (r"C:\Users\Ana Karenina\x now", "<path> now"),
        ("/home/Ana Karenina/x.json", "<path>"),
        ("token=abc123 rest", "<token> rest"),
        ("ghp_0123456789abcdefghij", "<token>"),
        ("fe80:0:0:0:1:2:3:4", "<address>"),
        ("on fe80::1ff:fe23:4567:890a and [::1]:80", "on <address> and [<address>]:80"),
        ("std::vector, A :: B, x::y", "std::vector, A :: B, x::y"),
        ("AUTH_TOKEN=abc rest", "AUTH_<token> rest"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: <token>"),
        ("from_https://u:p@example.com/x", "from_<url>"),
        ("https://u:p@example.com/x?y and more", "<url> and more"),
        ("wheel", "wheel"),
        ("ana ran Wheelers", "<name> ran Wheelers"),
        ("1/2 of 3", "1/2 of 3"),
        ("driver 535.129.03", "driver 535.129.03"),
        ("fine\x1b[31m\n", r"fine\x1b[31m\n"),
        ("avx2 - and/or", "avx2 - and/or"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    """What is private becomes a mark, and what is not stays as it is."""
    found = redacted(text, ("ana karenina", "ana", "wheel-host", "root"))
    assert found == expected
    assert is_redacted(found) == ("<" in expected)


@pytest.mark.parametrize("part", ["a", "a.", "0a", "aa:", ":", "a@", "~", "token", "<name>"])
def test_redaction_takes_no_square_of_time(part: str) -> None:
    """A long text is read once: a search that starts anew at each character would take minutes."""
    redacted((part * 200_000)[:200_000], ("ana",))


def test_installers_say_nothing_private() -> None:
    """INSTALLER is a file that anybody writes; what a program is called stays."""
    rows = tuple(
        Installed(name="a", version="1", installer=text) for text in ("uv", "/home/ana/bin/get", "a@example.com")
    )
    found = redacted_report(report(distributions=rows), ("uv",)).distributions
    assert not isinstance(found, Unknown)
    assert [each.installer for each in found] == ["uv", "<path>", "<address>"]


def test_versions_name_nobody() -> None:
    """A local label may hold whoever built it, and what is no version anything; a release is never touched."""
    rows = tuple(Installed(name=f"p{at}", version=version) for at, version in enumerate(VERSIONS))
    found = redacted_report(report(distributions=rows), ("ana",)).distributions
    assert not isinstance(found, Unknown)
    assert {each.version for each in found} == set(VERSIONS.values())


VERSIONS = {
    "1.2.3.4": "1.2.3.4",
    "1.0+ana.g12": "1.0+<name>.g12",
    "https://u:p@example.com/x": "<url>",
}


def test_no_data_file_is_lost_for_its_name() -> None:
    """Data files whose names become the same are numbered."""
    inputs = {"ana.csv": "a" * 64, "<name>.csv": "b" * 64}
    found = redacted_report(report(inputs=inputs), ("ana",)).inputs
    assert found == {"<name>.csv": "a" * 64, "<name>.csv (2)": "b" * 64}


def test_environment_that_cannot_be_seen(venv: Venv) -> None:
    """A broken interpreter is told as unknown with its reason, in a report that is whole otherwise."""
    found = report_on(venv.prefix, BrokenInterpreter(), Scene(now=NOW, machine=machine), full=False)
    assert isinstance(found.interpreter, Unknown)
    assert "did not answer" in found.interpreter.reason
    raw = report_bytes(found)
    jsonschema.validate(json.loads(raw), SCHEMA)
    assert parse_report(raw, "x") == found


def test_form_is_canonical() -> None:
    """The same report is the same bytes: sorted keys, LF, a line for each distribution; and unknowns survive."""
    devices = Accelerators(devices=(gpu(mig=True),))
    some = report(machine=machine(memory=Unknown(reason="hidden", hint="ask"), accelerators=devices))
    raw = report_bytes(some)
    jsonschema.validate(json.loads(raw), SCHEMA)
    assert raw == report_bytes(parse_report(raw, "x"))
    assert parse_report(raw, "x") == some
    assert b"\r" not in raw
    assert raw.endswith(b"}\n")
    assert sum(line.startswith(b"    {") for line in raw.splitlines()) == 4
    assert list(json.loads(raw)) == sorted(json.loads(raw))
    assert parse_report(json.dumps(json.loads(raw), indent=7).encode(), "reformatted") == some
    assert parse_report(b"\xef\xbb\xbf" + raw, "with a mark") == some


def test_schema_names_every_field() -> None:
    """The published schema knows each key that a report may have."""
    records: dict[str, type[msgspec.Struct]] = {
        "interpreter": Interpreter,
        "distribution": model.Installed,
        "startup": model.Startup,
        "checkout": model.Checkout,
        "judged": model.Judged,
        "told": model.Told,
        "variables": Variables,
        "machine": machines.Machine,
        "cpu": machines.Cpu,
        "accelerators": machines.Accelerators,
        "accelerator": machines.Accelerator,
    }
    for name, kind in records.items():
        assert {f.encode_name for f in msgspec.structs.fields(kind)} == set(SCHEMA["$defs"][name]["properties"]), name
    keys = {f.encode_name for f in msgspec.structs.fields(Report)} | {"schema", "digest"}
    assert keys == set(SCHEMA["properties"])


def edited(change: dict[str, Any]) -> bytes:
    """Return the bytes of a report of which some keys are changed, with a digest that does not know."""
    return json.dumps(json.loads(report_bytes(report())) | change).encode()


@pytest.mark.parametrize(
    ("raw", "reference", "found"),
    [
        (b"", "not-a-report", "an empty file"),
        (b"\xff\xfe{\x00", "not-a-report", "UTF-16"),
        (b"# a lock\n", "not-a-report", "no JSON"),
        (b'# a lock\nlock-version = "1.0"\n', "not-a-report", "a lock"),
        (b"[" * 100_000, "not-a-report", "no JSON"),
        (b"[1]", "not-a-report", "list"),
        (b'{"schema": 1, "verdict": "match"}', "not-a-report", "envlock verify --json"),
        (b'{"schema": 1, "disagreements": []}', "not-a-report", "envlock compare --json"),
        (b'{"schema": true, "distributions": []}', "not-a-report", "schema true"),
        (b'{"schema": 7}', "newer-report", "schema 7"),
        (edited({"created": "2026-11-23T12:00:00Z"}), "damaged-report", "digest"),
        (edited({"digest": None}), "damaged-report", "digest"),
        (report_bytes(report())[:-200], "not-a-report", "no JSON"),
    ],
)
def test_bad_reports(tmp_path: Path, raw: bytes, reference: str, found: str) -> None:
    """Each thing that is no report is told as what it is, with exit code 2 and the next step."""
    path = tmp_path / "bad.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError) as raised:
        read_report(path)
    assert raised.value.reference == reference
    assert found in str(raised.value)
    assert raised.value.hint
    assert raised.value.exit_code == 2


def test_flipped_bits_never_pass() -> None:
    """Whatever bit of a report is lost, it reads as the same report or not at all."""
    raw = report_bytes(report())
    for at in range(0, len(raw), 7):
        broken = bytearray(raw)
        broken[at] ^= 1 << at % 8
        try:
            assert parse_report(bytes(broken), "x") == report()
        except UsageError as error:
            assert error.reference in ("not-a-report", "damaged-report", "newer-report")


def test_report_of_wrong_types() -> None:
    """A document with a true digest and other things than reports hold is refused by the key."""
    for change in ({"full": "yes"}, {"machine": {"cpu": 7}}, {"checkout": {"commit": "main", "dirty": False}}):
        document = json.loads(report_bytes(report())) | change
        del document["digest"]
        raw = json.dumps(document | {"digest": _digest(document)}).encode()
        with pytest.raises(UsageError) as raised:
            parse_report(raw, "x.json")
        assert raised.value.reference == "damaged-report"
        assert next(iter(change)) in raised.value.found


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def test_keys_of_later_versions_are_passed_over() -> None:
    """Later versions of schema 1 only add keys: they are read without them."""
    document = json.loads(report_bytes(report())) | {"fingerprint": {"numpy": "0"}}
    del document["digest"]
    assert parse_report(json.dumps(document | {"digest": _digest(document)}).encode(), "x") == report()


def test_missing_report(tmp_path: Path) -> None:
    """A file that is not there is told with the command that makes one."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_report(tmp_path / "gone.json")


def test_data_has_names_of_the_project(tmp_path: Path) -> None:
    """Data in the project is called by its path there, data elsewhere by its own name alone."""
    found = input_names(["data/x.csv", "./y.csv", "/mnt/ana/z.csv", "../w.csv"], tmp_path)
    assert list(found) == ["data/x.csv", "y.csv", "z.csv", "w.csv"]


def test_folders_of_data_have_one_digest(tmp_path: Path, venv: Venv) -> None:
    """A folder counts by the names and bytes of the files below it; a FIFO among them is passed over."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.csv").write_text("1\n")
    os.mkfifo(folder / "pipe")

    def digest() -> str | None:
        return seen(venv, inputs={"data": folder}).inputs["data"]

    first = digest()
    assert first == digest()
    (folder / "sub/a.csv").rename(folder / "sub/b.csv")
    assert digest() not in (first, None)


def test_default_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The active environment, else .venv here, else the python on PATH: never envlock's own by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UsageError, match="no environment"):
        _default_target(None, None, None)
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert _default_target(None, None, None) == python
    (tmp_path / ".venv").mkdir()
    assert _default_target(None, None, None) == Path(".venv")
    (tmp_path / "active").mkdir()
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert _default_target(None, None, None) == tmp_path / "active"


def test_the_active_environment_says_which_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several environments of a manifest, the one whose venv is active, else nobody's unless one has to be named."""
    environments = {"tf25": Environment(), "tf26": Environment()}
    manifest = Manifest(folder=tmp_path, path=tmp_path / "envlock.toml", environments=environments)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / ".venv-tf26"))
    assert _environment(manifest, None, required=False) is None
    with pytest.raises(UsageError, match="several environments"):
        _environment(manifest, None, required=True)
    (tmp_path / ".venv-tf26").mkdir()
    assert _environment(manifest, None, required=True) == "tf26"
    assert _environment(manifest, "tf25", required=True) == "tf25"
    assert _environment(None, None, required=False) is None


def test_command_refuses_data_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--input of a missing file makes no report that would say nothing of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv").mkdir()
    result = CliRunner().invoke(cli, ["report", "--input", "gone.csv"])
    assert isinstance(result.exception, UsageError)
    assert result.exception.reference == "no-input"


def test_unknown_lock_fields_do_not_matter() -> None:
    """A report without lock, checkout or machine is one."""
    bare = replace(report(), machine=None, variables=None, checkout=None, inputs={}, lock=None)
    assert parse_report(report_bytes(bare), "x") == bare


def test_equal_numbers_are_held_once() -> None:
    """A thousand reports of like machines hold the answers of their probes once, else they fill the memory."""
    first, second = [parse_report(report_bytes(each), "r.json") for each in team(2, numbers=True).values()]
    alike = msgspec.structs.replace(second, numerics=first.numerics)
    assert first.numerics is not None
    assert parse_report(report_bytes(alike), "r.json").numerics is first.numerics
