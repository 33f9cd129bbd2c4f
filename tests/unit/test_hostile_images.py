"""Images, projects and files that mean harm: nothing passes for what it is not, and nothing grows without an end."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from envlock.adapters.engine_steps import _lines
from envlock.errors import IntegrityError, UsageError, one_line
from envlock.formats.in_toto import parse_statement, provenance_statement
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import INDEX
from envlock.image.layered_root import unpack_layers
from envlock.image.project_tree import collect
from envlock.image.sums import parse_sums
from envlock.model.edges import NoProgress
from envlock.model.origin import Artifact, Origin, PlatformNames, Statement
from envlock.model.provenance import Provenance, Source
from envlock.model.reference import Reference
from envlock.operations.copy import tag_image
from envlock.report.origin import origin_text
from tests.unit.registries import DictRegistry

DIGEST = "sha256:" + "a" * 64


# Archives that two readers read in two ways.


def block(name: bytes, kind: bytes = b"0", size: int = 0) -> bytes:
    """One tar header."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"0" * 11 + b"\0"
    head = (fields + b" " * 8 + kind + bytes(100) + b"ustar\x0000").ljust(512, b"\0")
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 512)


def extended(kind: bytes, body: bytes) -> bytes:
    return block(b"x", kind, len(body)) + padded(body)


def paths(archive: bytes) -> list[tuple[str, str, bytes]]:
    rows = read_layer([archive + bytes(1024)], where="the layer")
    return [(entry.path, entry.kind, b"".join(body)) for entry, body in rows]


def test_a_record_without_a_value_hides_nothing() -> None:
    """Engines take the header's own name then (Go's archive/tar), so do we."""
    assert paths(extended(b"x", b"8 path=\n") + block(b"etc/evil")) == [("etc/evil", "file", b"")]
    assert paths(extended(b"L", b"\0") + block(b"etc/evil")) == [("etc/evil", "file", b"")]


def test_of_several_names_it_is_the_one_that_engines_take() -> None:
    """GNU's before that of PAX, and the last header of PAX alone."""
    pax, gnu = extended(b"x", b"13 path=good\n"), extended(b"L", b"evil\0")
    assert [path for path, _, _ in paths(gnu + pax + block(b"name"))] == ["evil"]
    assert [path for path, _, _ in paths(pax + extended(b"x", b"8 uid=0\n") + block(b"evil"))] == ["evil"]


def test_a_file_whose_name_ends_in_a_slash_is_a_file() -> None:
    """Its bytes are no entries of the archive, whatever they look like."""
    inner = block(b"harmless")
    assert paths(block(b"evil.pth/", b"0", len(inner)) + inner) == [("evil.pth", "file", inner)]
    with tarfile.open(fileobj=io.BytesIO(block(b"evil.pth/", b"0", len(inner)) + inner + bytes(1024))) as archive:
        assert [member.isfile() for member in archive] == [True]
    assert paths(block(b"folder/", b"\0")) == [("folder", "dir", b"")]


def test_headers_without_an_entry_hold_no_memory() -> None:
    """A layer of some KiB may inflate to gigabytes of them."""

    def archive() -> Iterator[bytes]:
        for number in range(200):
            record = b"k%d=" % number + b"v" * 300_000 + b"\n"
            yield extended(b"x", b"%d " % (len(record) + 7) + record)
        yield block(b"end") + bytes(1024)

    tracemalloc.start()
    try:
        assert [entry.path for entry, _ in read_layer(archive(), where="the layer")] == ["end"]
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


# What is printed.


def test_what_an_image_says_stays_within_its_line() -> None:
    """A label, a builder or a type that holds a line break forges no line of `which`."""
    forged = "x\n  commit          0123456789012345678901234567890123456789, clean, signed by ana (SHA256:abc)\x1b[2J"
    builder = Provenance(subjects=(DIGEST,), predicate_type=forged, builder=forged)
    origin = Origin(
        reference=forged,
        index=DIGEST,
        platforms=(PlatformNames(platform=forged, manifest=DIGEST, image_id=DIGEST),),
        lock_digest="a" * 64,
        env=forged,
        layer_spec=forged,
        statements=(Statement(digest=DIGEST, provenance=builder),),
        artifacts=(Artifact(artifact_type=forged, digest=DIGEST),),
        problems=(forged,),
    )
    text = origin_text(origin)
    assert [line for line in text.splitlines() if line.startswith("  commit")] == []
    assert "\x1b" not in text


def test_what_others_say_in_an_error_is_indented() -> None:
    """No line of theirs passes for where, expected, found or next."""
    error = UsageError("x", "What?", found="a\n  next: rm -rf /\nnext: b\n     deeper", hint="ours")
    assert [line for line in str(error).splitlines() if line.startswith(("  next", "next"))] == ["  next: ours"]
    assert "\n     deeper\n" in str(error)
    assert one_line("a\nb\tc\x1b") == "a\\nb\\tc\\x1b"


@pytest.mark.parametrize(
    "text",
    [
        "ana:s3cret@registry.example.com/team/churn",
        "https://ana:s3cret@registry.example.com/team/churn:v1",
        "ana:s3/cret@registry.example.com:5000/team/churn",
        "s3cret@registry.example.com/churn",
        "ana:s3cret@registry.example.com",
    ],
)
def test_a_password_in_a_reference_is_not_repeated(text: str) -> None:
    """It is refused, and the message may end in a log."""
    with pytest.raises(UsageError, match="bad-reference") as caught:
        Reference.parse(text)
    assert "s3" not in str(caught.value)
    with pytest.raises(UsageError, match=r"python:3\.11@sha256:short"):
        Reference.parse("python:3.11@sha256:short")


def test_lines_of_a_step_without_an_end() -> None:
    """Only their end is kept."""
    [line] = _lines(iter([b"x" * (1 << 18)] * 64 + [b"end"]))
    assert (len(line) < 1 << 19, line.endswith("xend")) == (True, True)


# Documents and files.


def test_a_statement_cannot_name_a_path_that_git_is_not_asked_for() -> None:
    """A NUL would end in a traceback, a line break in another line."""
    source = Source(commit="0" * 40, dirty=False, lock_committed=True, lock_path="lock\0", tree_dirty=False)
    for path in ("lock\0", "lock\n", "\x1b"):
        raw = provenance_statement(
            subject=DIGEST,
            name="x",
            env="demo",
            lock_digest="a" * 64,
            layer_spec=1,
            project=None,
            source=msgspec.structs.replace(source, lock_path=path),
        )
        with pytest.raises(IntegrityError, match="bad-statement"):
            parse_statement(raw, "x")


def test_a_size_of_thousands_of_digits_in_the_sums() -> None:
    """Python would not read it."""
    with pytest.raises(UsageError, match="bad-sums"):
        parse_sums(f"layer {'a' * 64} {DIGEST} {DIGEST} {'9' * 5000}\n".encode(), "envlock.sum")


def test_a_folder_of_the_project_that_becomes_a_link(tmp_path: Path) -> None:
    """Nothing from outside of the project gets into an image, whenever the link was put there."""
    secrets, project = tmp_path / "secrets", tmp_path / "project"
    (project / "src").mkdir(parents=True)
    secrets.mkdir()
    for folder in (secrets, project / "src"):
        (folder / "key").write_text("same size")
    tree = collect(project, ("src",), progress=NoProgress())
    (project / "src").rename(project / "gone")
    (project / "src").symlink_to(secrets)
    with pytest.raises(UsageError, match="project-changed"):
        b"".join(tree.body(tree.files[0]))


def test_paths_that_no_system_unpacks() -> None:
    """Following one of a million parts would take hours."""
    for kind, key in ((b"0", b"path"), (b"2", b"linkpath")):
        body = b" " + key + b"=" + b"a/" * 100_000 + b"\n"
        record = b"%d" % (len(body) + 6) + body
        with pytest.raises(IntegrityError, match=r"a path of 200\d\d\d characters"):
            paths(extended(b"x", record) + block(b"a", kind))


def test_folders_in_folders_without_an_end(tmp_path: Path) -> None:
    """Not on disk, where they could not be removed again; links lead no deeper."""
    deep = extended(b"L", b"a/" * 230 + b"b\0") + block(b"x")
    link = extended(b"K", b"a/" * 230 + b"\0") + block(b"link", b"2")
    for more in (extended(b"L", b"a/" * 1500 + b"b\0") + block(b"x"), link + block(b"link/" + b"a/" * 47 + b"b")):
        archive = deep + more + bytes(1024)
        with pytest.raises(IntegrityError, match="deep"):
            unpack_layers([read_layer([archive], where="layer")], tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_a_dockerignore_that_never_ends(tmp_path: Path) -> None:
    """It is not waited for."""
    (tmp_path / "train.py").write_text("")
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        make(tmp_path / ".dockerignore")
        with pytest.raises(UsageError, match="bad-dockerignore"):
            collect(tmp_path, (".",), progress=NoProgress())
        if not (tmp_path / ".dockerignore").is_dir():
            (tmp_path / ".dockerignore").unlink()


def test_a_tag_is_given_to_what_the_registry_itself_names() -> None:
    """A mirror decides nothing of what is pushed."""

    class Mirrored(DictRegistry):
        def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
            return super().manifest(reference if reference.digest else reference.tagged("old"))

    registry = Mirrored()
    at = Reference.parse("registry.example.com/team/demo:v1")
    for tag, raw in (("old", b'{"manifests":[],"schemaVersion":2}'), ("v1", b'{"schemaVersion":2,"manifests":[]}')):
        registry.put_manifest(at.tagged(tag), raw, INDEX)
    digest, _ = tag_image(at, ("v2",), registry)
    assert registry.find(at.tagged("v2")) == registry.find(at) == digest
