"""Fingerprints in files: one text, read back as it was; everything else is an error that says what it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from envlock.errors import UsageError
from envlock.formats.fingerprint import fingerprint_bytes, parse_fingerprint, read_fingerprint
from envlock.model import machine, numerics
from envlock.model.unknown import Unknown
from tests.unit.numerics import CONDITIONS, failed, fingerprint, gave, probe, suite
from tests.unit.numerics import numerics as numbers

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/fingerprint-v1.json").read_text("utf-8"))
WHOLE = fingerprint(
    replace(
        numbers(
            suite(
                "numpy",
                probe("numpy.linalg.svd", gave(1.0, 2.0)),
                probe("numpy.random", gave(1.0), gave(2.0)),
                replace(probe("numpy.crash", failed("crashed", "SIGILL")), sensitive=""),
                replace(probe("numpy.once", gave(1.0)), answers={"canonical": gave(1.0)}),
            ),
            numerics.Suite(framework="jax", device="gpu", loaded="import-failed", reason="no", source="22" * 32),
        ),
        conditions=replace(CONDITIONS, variables={"OMP_NUM_THREADS": "2"}, in_image=True),
    ),
    "ab" * 32,
)
RAW = fingerprint_bytes(WHOLE)

SUITE = json.loads(RAW)["numerics"]["suites"][1]


def test_written_and_read_back() -> None:
    """Every value comes back, what is unknown too; the text is the schema's and always the same."""
    jsonschema.validate(json.loads(RAW), SCHEMA)
    assert parse_fingerprint(RAW, "x") == WHOLE
    assert fingerprint_bytes(parse_fingerprint(RAW, "x")) == RAW
    assert RAW.endswith(b"}\n") and b"\r" not in RAW


def test_the_schema_names_every_field() -> None:
    """A field that is added to a record is added to the published schema, and needed where it has no default."""
    records: dict[str, type[msgspec.Struct]] = {
        **{kind.__name__.lower(): kind for kind in (numerics.Numerics, numerics.Conditions, numerics.Suite)},
        **{kind.__name__.lower(): kind for kind in (numerics.Probe, numerics.Answer, numerics.Sample)},
        **{kind.__name__.lower(): kind for kind in (machine.Machine, machine.Cpu, machine.Accelerators)},
        "accelerator": machine.Accelerator,
    }
    for name, kind in records.items():
        fields = msgspec.structs.fields(kind)
        required = SCHEMA["$defs"][name].get("required", [])
        if name != "probe":
            assert sorted(SCHEMA["$defs"][name]["properties"]) == sorted(field.name for field in fields), name
        assert sorted(required) == sorted(field.name for field in fields if field.required), name
    own = {"schema", *numerics.Fingerprint.__struct_fields__}
    assert own == SCHEMA["properties"].keys() == set(SCHEMA["required"])
    assert not set(Unknown.__struct_fields__) - {"reason"} - SCHEMA["$defs"]["unknown"]["properties"].keys()


def test_an_answer_is_some_lines_of_a_diff() -> None:
    """The digest has a line of its own; one that is the canonical one is not written twice."""
    text = RAW.decode()
    digest = gave(1.0, 2.0).sha256
    assert text.count(str(digest)) == 1
    assert f'                "sha256": "{digest}",\n' in text
    assert text.count('"configured": "canonical"') == 2
    changed = [probe("numpy.linalg.svd", gave(1.0, 2.5)), *WHOLE.numerics.suites[0].probes[1:]]
    other = replace(WHOLE, numerics=numbers(replace(WHOLE.numerics.suites[0], probes=tuple(changed))))
    before = fingerprint_bytes(replace(WHOLE, numerics=numbers(WHOLE.numerics.suites[0]))).decode().splitlines()
    after = fingerprint_bytes(other).decode().splitlines()
    assert len(before) == len(after)
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 2  # the sample, and the digest


def test_text_that_is_no_unicode() -> None:
    """What a framework says when it fails may be anything; the file can be read again."""
    odd = numbers(suite("numpy", probe("numpy.a", failed("raised", "\udc80 \x00 \u202e"))))
    raw = fingerprint_bytes(fingerprint(odd, "ab" * 32))
    assert parse_fingerprint(raw, "x").numerics.suites[0].probes[0].answers["canonical"].reason == "? \x00 \u202e"


def edited(change: Any) -> bytes:
    document = json.loads(RAW)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("raw", "reference", "found"),
    [
        (b"", "not-a-fingerprint", "an empty file"),
        (b"\x00\xff", "not-a-fingerprint", "no JSON"),
        (b'{"schema": 1, "numerics": ' + b"[" * 100_000, "not-a-fingerprint", "no JSON"),
        (b"[]", "not-a-fingerprint", "JSON of another kind"),
        (b'{"schema": 1}', "not-a-fingerprint", "another JSON object"),
        (b'{"schema": 1, "verdict": "match"}', "not-a-fingerprint", "a verdict of envlock"),
        (b'{"schema": 1, "distributions": []}', "not-a-fingerprint", "a report of envlock"),
        (RAW.replace(b"\n", b"\n<<<<<<< ours\n", 1), "not-a-fingerprint", "an unfinished merge"),
        (edited(lambda each: each.update(schema="1")), "not-a-fingerprint", "JSON of another kind"),
        (edited(lambda each: each.update(schema=2)), "newer-fingerprint", "schema 2"),
        (edited(lambda each: each.update(lock="zz" * 32)), "damaged-fingerprint", "Expected `str` matching"),
        (edited(lambda each: each.update(host="x")), "damaged-fingerprint", "unknown field `host`"),
        (edited(lambda each: each["numerics"].pop("suites")), "damaged-fingerprint", "missing required field `suites`"),
        (edited(lambda each: each["numerics"].update(suites=[[]] * 3)), "damaged-fingerprint", "Expected `object`"),
        (RAW.replace(b'"threads": 2', b'"threads": 2e999'), "damaged-fingerprint", "out of range"),
        (RAW.replace(b'"threads": 2', b'"threads": ' + b"[" * 900 + b"]" * 900), "damaged-fingerprint", "threads"),
        (RAW.replace(b'"python"', b'"user"'), "damaged-fingerprint", "unknown field `user`"),
        (RAW.replace(b'"architecture"', b'"x"'), "damaged-fingerprint", "Cpu has no `architecture`"),
        (RAW.replace(b"numpy.random", b"numpy.crash"), "damaged-fingerprint", "probe numpy.crash is there twice"),
        (edited(lambda each: each["numerics"]["suites"].extend([SUITE] * 63)), "damaged-fingerprint", "more than 64"),
        (edited(lambda each: each["numerics"]["suites"].append(SUITE)), "damaged-fingerprint", "jax on gpu is there"),
        (RAW.replace(b'"status": "crashed"', b'"status": "ok"'), "damaged-fingerprint", "there alone"),
        (RAW.replace(b'"canonical": {', b'"configured": {', 1), "damaged-fingerprint", "there is none"),
        (b" " * ((1 << 24) + 1), "not-a-fingerprint", "a file of more than 16 MiB"),
    ],
    ids=range(24),
)
def test_what_is_no_fingerprint(raw: bytes, reference: str, found: str) -> None:
    """Each error says what the file is instead, and how to get one that is."""
    assert raw != RAW
    with pytest.raises(UsageError) as caught:
        parse_fingerprint(raw, "fingerprints/laptop.json")
    assert caught.value.reference == reference
    assert found in caught.value.found
    assert caught.value.where == "fingerprints/laptop.json"
    assert caught.value.hint


@given(st.data())
def test_a_damaged_file_is_an_error_or_a_fingerprint(data: st.DataObject) -> None:
    """Whatever bytes are changed, nothing else comes of it."""
    raw = bytearray(RAW)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_fingerprint(bytes(raw), "x")
    except UsageError as error:
        assert error.reference in ("not-a-fingerprint", "newer-fingerprint", "damaged-fingerprint")


def test_files(tmp_path: Path) -> None:
    """From a file; one that cannot be read is said to be so."""
    (tmp_path / "laptop.json").write_bytes(RAW)
    assert read_fingerprint(tmp_path / "laptop.json") == WHOLE
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read") as caught:
            read_fingerprint(path)
        assert caught.value.reference == "no-fingerprint"
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UsageError) as caught:
        read_fingerprint(tmp_path / "pipe.json")
    assert (caught.value.reference, caught.value.found) == ("not-a-fingerprint", "no regular file")
