"""The project image: which files are in it, that nothing but them decides its bytes, and what is refused."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.formats.layer_reader import read_layer
from envlock.formats.oci import digest_of, parse_config, parse_index, parse_manifest
from envlock.formats.project import LABEL_SOURCE, environments_below
from envlock.image.oci import Image, PlatformImage
from envlock.image.project import write_project_layer
from envlock.image.project_tree import collect, secrets
from envlock.model.edges import NoProgress
from envlock.model.platform import Platform
from envlock.operations.build import build
from envlock.operations.project import project_image
from tests.unit.images import AMD64, lock_of, materials
from tests.unit.wheels import make_wheel

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def environment(tmp_path: Path) -> Image:
    """An environment image of two platforms, none of whose layers is on this machine."""
    import msgspec

    wheel = make_wheel(tmp_path, "demo", "1.0")
    lock = lock_of([wheel], platforms=(AMD64, ARM64))
    return msgspec.structs.replace(build(lock, materials=materials(tmp_path / "env", [wheel])), files={})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, "src/churn/__init__.py", "")
    write(root, "src/churn/train.py", "print('train')\n")
    write(root, "src/run.sh", "#!/bin/sh\n").chmod(0o755)
    write(root, "conf/a.yaml", "a: 1\n")
    write(root, "conf/b.json", "{}\n")
    write(root, "conf/sub/c.yaml", "c: 1\n")
    write(root, "train.py", "import churn\n")
    return root


def write(root: Path, path: str, text: str) -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")
    return place


def paths(root: Path, *include: str) -> list[str]:
    return [file.path for file in collect(root, include, progress=NoProgress()).files]


def made(tmp_path: Path, environment: Image, project: Path, *include: str, **options: object) -> Image:
    return project_image(
        environment,
        include=include or ("src/", "train.py", "conf/*.yaml"),
        workdir=options.pop("workdir", None),  # type: ignore[arg-type]
        folder=project,
        layers=tmp_path / "layers",
        **options,  # type: ignore[arg-type]
    )


def entries(image: Image) -> list[tuple[str, str, int, bytes]]:
    layer = image.platforms[0].layers[-1]
    blob = image.files[layer.digest].read_bytes()
    read = read_layer([blob], where="", digest=layer.digest, diff_id=layer.diff_id)
    return [(entry.path, entry.kind, entry.mode, b"".join(body)) for entry, body in read]


def test_layer_holds_the_included_files(tmp_path: Path, environment: Image, project: Path) -> None:
    """Folders, files and patterns below the working folder, with git's modes; `*` does not cross folders."""
    image = made(tmp_path, environment, project)
    assert entries(image) == [
        ("app", "dir", 0o755, b""),
        ("app/conf", "dir", 0o755, b""),
        ("app/conf/a.yaml", "file", 0o644, b"a: 1\n"),
        ("app/src", "dir", 0o755, b""),
        ("app/src/churn", "dir", 0o755, b""),
        ("app/src/churn/__init__.py", "file", 0o644, b""),
        ("app/src/churn/train.py", "file", 0o644, b"print('train')\n"),
        ("app/src/run.sh", "file", 0o755, b"#!/bin/sh\n"),
        ("app/train.py", "file", 0o644, b"import churn\n"),
    ]


def test_documents_are_the_environments_with_one_layer_more(tmp_path: Path, environment: Image, project: Path) -> None:
    """Every platform gets the same layer; only its files have to be here."""
    image = made(tmp_path, environment, project)
    assert list(image.files) == [image.platforms[0].layers[-1].digest]
    index = parse_index(image.index.raw, "")
    assert [one.digest for one in index.manifests] == [one.manifest.descriptor.digest for one in image.platforms]
    assert [one.platform for one in image.platforms] == [AMD64, ARM64]
    for before, after in zip(environment.platforms, image.platforms, strict=True):
        old, new = (parse_config(one.config.raw, "") for one in (before, after))
        assert after.layers[:-1] == before.layers
        assert new.rootfs.diff_ids == (*old.rootfs.diff_ids, after.layers[-1].diff_id)
        assert new.history is not None
        assert old.history is not None
        assert new.history[:-1] == old.history
        assert new.history[-1].comment == "project, 5 files"
        assert new.config is not None
        assert old.config is not None
        assert new.config.working_dir == "/app"
        assert (new.config.env, new.config.cmd) == (old.config.env, old.config.cmd)
        assert new.labels == old.labels | {LABEL_SOURCE: f"sha256:{image.source}"}
        manifest = parse_manifest(after.manifest.raw, "")
        assert [layer.digest for layer in manifest.layers] == [layer.digest for layer in after.layers]
        assert manifest.config == after.config.descriptor
        assert manifest.annotations[LABEL_SOURCE] == f"sha256:{image.source}"


@pytest.mark.parametrize("workdir", [None, "/app", "/workspace", "/with a space"])
def test_environment_below_a_project_image(
    tmp_path: Path, environment: Image, project: Path, workdir: str | None
) -> None:
    """Its digest follows from the project image's documents alone, whatever working folder a base had set."""
    import msgspec

    from envlock.formats.oci import CONFIG, canonical_json, describe
    from envlock.image.oci import Blob

    def with_workdir(one: PlatformImage) -> PlatformImage:
        config = json.loads(one.config.raw)
        if workdir is not None:
            config["config"]["WorkingDir"] = workdir
        raw = canonical_json(config)
        manifest = json.loads(one.manifest.raw) | {"config": msgspec.to_builtins(describe(raw, CONFIG))}
        return msgspec.structs.replace(
            one,
            config=Blob(descriptor=describe(raw, CONFIG), raw=raw),
            manifest=Blob(descriptor=one.manifest.descriptor, raw=canonical_json(manifest)),
        )

    platforms = tuple(map(with_workdir, environment.platforms))
    image = made(tmp_path, msgspec.structs.replace(environment, platforms=platforms), project)
    for before, after in zip(platforms, image.platforms, strict=True):
        assert digest_of(before.manifest.raw) in list(environments_below(after.manifest.raw, after.config.raw))
        assert list(environments_below(before.manifest.raw, before.config.raw)) == []


def test_nothing_included(tmp_path: Path, environment: Image, project: Path) -> None:
    """Without `include` the environment image is what there is."""
    assert project_image(environment, include=(), workdir=None, folder=project, layers=tmp_path) is environment


def test_tag_names_lock_and_tree(tmp_path: Path, environment: Image, project: Path) -> None:
    """Another byte, mode, path or folder in the image is another tag; the same files are the same image."""
    first = made(tmp_path, environment, project)
    assert first.tag == f"lock-{environment.lock_digest[:16]}-src-{(first.source or '')[:16]}"
    seen = {first.tag}
    assert made(tmp_path, environment, project) == first
    write(project, "train.py", "import churn  # edited\n")
    seen.add(made(tmp_path, environment, project).tag)
    (project / "train.py").chmod(0o755)
    seen.add(made(tmp_path, environment, project).tag)
    (project / "src/run.sh").rename(project / "src/start.sh")
    seen.add(made(tmp_path, environment, project).tag)
    seen.add(made(tmp_path, environment, project, workdir="/srv/churn").tag)
    assert len(seen) == 5
    write(project, "conf/b.json", "not included")
    (project / "src/start.sh").rename(project / "src/run.sh")
    write(project, "train.py", "import churn\n").chmod(0o644)
    assert made(tmp_path, environment, project).index == first.index


def test_golden_digest(tmp_path: Path, project: Path) -> None:
    """The bytes of a layer of these files never change."""
    tree = collect(project, ("src", "train.py", "conf/*.yaml"), progress=NoProgress())
    layer = write_project_layer(tmp_path / "blob", tree, "/app")
    assert tree.digest("/app") == "aa8aedae63efec64e1bca3752479167c432923d2637d294f1549ea76016264ac"
    assert layer.diff_id == "sha256:a649153a0423f2627c4f009387c533001fd9b5a75876a2394ac979b39be8e51f"
    assert layer.digest == "sha256:7c3a209b5fb9965afd8e966a5e186e09fb3b218ad9a742cf9b13f445898e6d32"


def test_cached_layer_that_is_damaged_is_written_again(tmp_path: Path, environment: Image, project: Path) -> None:
    """What the cache holds is hashed before it is used."""
    image = made(tmp_path, environment, project)
    (blob,) = image.files.values()
    good = blob.read_bytes()
    blob.write_bytes(good[:-1] + b"x")
    again = made(tmp_path, environment, project)
    assert (again, blob.read_bytes()) == (image, good)


def test_what_is_never_included(project: Path) -> None:
    """Git's folder, envlock's, virtual environments, bytecode caches and what `fetch` puts beside locks."""
    for path in (
        ".git/config",
        "src/.git",
        ".envlock/images/x",
        ".venv/bin/python",
        ".venv-gpu/x",
        "my-env/pyvenv.cfg",
        "my-env/bin/x",
        "src/__pycache__/a.cpython-311.pyc",
        "lockfiles/wheels/0123/a.whl",
        "lockfiles/built/0123/a.whl",
    ):
        write(project, path, "x")
    write(project, "lockfiles/pylock.a.toml", "x")
    assert paths(project, ".") == [
        "conf/a.yaml",
        "conf/b.json",
        "conf/sub/c.yaml",
        "lockfiles/pylock.a.toml",
        "src/churn/__init__.py",
        "src/churn/train.py",
        "src/run.sh",
        "train.py",
    ]


def test_dockerignore_leaves_out(project: Path) -> None:
    """Its patterns are relative to the manifest's folder, and `!` takes single files of a folder back."""
    write(project, ".dockerignore", "# mine\nconf\n!conf/sub/*.yaml\n**/*.sh\n")
    assert paths(project, "**") == [
        ".dockerignore",
        "conf/sub/c.yaml",
        "src/churn/__init__.py",
        "src/churn/train.py",
        "train.py",
    ]
    write(project, ".dockerignore", "*\n!src/run.sh\n")
    assert paths(project, ".", "src/") == ["src/run.sh"]


@pytest.mark.parametrize(
    ("entry", "ignore", "found"),
    [
        ("scr/", "", "nothing of that name"),
        ("conf/*.toml", "", "nothing of that name"),
        ("conf", "conf\n", ".dockerignore leaves it out"),
        ("train.py", "*.py\n", ".dockerignore leaves it out"),
        ("conf/a.yaml", "conf\n", ".dockerignore leaves it out"),
        (".git", "", "never part of an image"),
        ("src/__pycache__/x", "", "never part of an image"),
        ("empty", "", "nothing of that name"),
    ],
)
def test_entry_that_brings_nothing(project: Path, entry: str, ignore: str, found: str) -> None:
    """A name that is mistyped, left out or empty is refused by name, with the reason."""
    (project / "empty").mkdir()
    write(project, ".git/config", "")
    write(project, "src/__pycache__/x", "")
    write(project, ".dockerignore", ignore)
    with pytest.raises(UsageError) as raised:
        paths(project, "src/churn", entry)
    assert raised.value.reference == "nothing-included"
    assert repr(entry) in raised.value.what
    assert found in raised.value.found
    assert str(project) not in str(raised.value)


def test_links_inside_the_tree_are_kept(tmp_path: Path, environment: Image, project: Path) -> None:
    """To files and folders, through other links and up; their text is what counts."""
    (project / "src/current").symlink_to("churn")
    (project / "src/deep.py").symlink_to("current/../churn/train.py")
    (project / "src/churn/up").symlink_to("../../train.py")
    image = made(tmp_path, environment, project, "src", "train.py")
    assert [(path, kind) for path, kind, _, _ in entries(image) if kind == "symlink"] == [
        ("app/src/churn/up", "symlink"),
        ("app/src/current", "symlink"),
        ("app/src/deep.py", "symlink"),
    ]


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../outside", "../train.py", "nowhere", "link", "churn/../../..", "run.sh/x"]
)
def test_links_that_lead_elsewhere_are_refused(project: Path, target: str) -> None:
    """Absolute ones, ones that leave the tree, to what is not included, to nothing, to themselves."""
    (project / "src/link").symlink_to(target)
    with pytest.raises(UsageError) as raised:
        paths(project, "src")
    assert raised.value.reference == "bad-project-file"
    assert raised.value.what.startswith("src/link cannot be in an image: it is a link to ")


def test_every_file_that_cannot_be_taken_is_named(project: Path) -> None:
    """Sockets, pipes, names that are not UTF-8 or would steer a terminal or mark a deletion; those left out don't."""
    os.mkfifo(project / "src/pipe")
    here = Path.cwd()
    os.chdir(project / "src")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    os.chdir(here)
    (project / "src/a\nb").write_text("")
    (project / "src/.wh.churn").write_text("")
    Path(os.fsdecode(os.fsencode(project) + b"/src/caf\xe9")).write_text("")
    with pytest.raises(UsageError) as raised:
        paths(project, ".")
    assert [line.strip() for line in raised.value.where.splitlines()] == [
        "src/.wh.churn: it would hide a file: layers mark what is deleted by names that begin with .wh.",
        "src/a\\nb: it has a control character in its name",
        "src/caf\\udce9: it has a name that is not UTF-8",
        "src/pipe: it is a named pipe",
        "src/socket: it is a socket",
    ]
    assert raised.value.what.endswith(", and 4 more.")
    write(project, ".dockerignore", "src/*\n!src/churn\n!src/run.sh\n")
    assert "src/run.sh" in paths(project, ".")


@pytest.mark.parametrize("after", ["import churn  # longer\n", "import chorn\n", "x"])
def test_file_that_changes_after_it_was_hashed(tmp_path: Path, project: Path, after: str) -> None:
    """No layer is left whose bytes are not those of its tree."""
    tree = collect(project, ("train.py",), progress=NoProgress())
    write(project, "train.py", after)
    with pytest.raises(UsageError) as raised:
        write_project_layer(tmp_path / "out/blob", tree, "/app")
    assert raised.value.reference == "project-changed"
    assert list((tmp_path / "out").iterdir()) == []


def test_file_that_is_replaced_by_a_link_or_goes(tmp_path: Path, project: Path) -> None:
    """A link is not followed, whoever put it there meanwhile."""
    tree = collect(project, ("train.py",), progress=NoProgress())
    (project / "train.py").rename(project / "other.py")
    for replaced in (False, True):
        if replaced:
            (project / "train.py").symlink_to("other.py")
        with pytest.raises(UsageError, match=r"train\.py changed while it was read"):
            write_project_layer(tmp_path / "blob", tree, "/app")


def test_secrets_and_large_trees_warn(tmp_path: Path, environment: Image, project: Path) -> None:
    """They are included, for only their owner knows; the warning names them."""
    for path in (".env", "src/.env.prod", "src/.env.example", "key.pem", "home/.ssh/config", "id_rsa", "a/.netrc"):
        write(project, path, "")
    tree = collect(project, (".",), progress=NoProgress())
    expected = [".env", "a/.netrc", "home/.ssh/config", "id_rsa", "key.pem", "src/.env.prod"]
    assert secrets(tree) == expected
    with (project / "data.bin").open("wb") as file:
        file.truncate(101_000_000)
    told: list[str] = []
    made(tmp_path, environment, project, ".", warn=told.append)
    assert told[0].startswith(f"the project image holds what looks like a secret: {', '.join(expected[:5])} and 1 more")
    assert "101 MB" in told[1]
    assert "data.bin" in told[1]


def test_documents_are_canonical(tmp_path: Path, environment: Image, project: Path) -> None:
    """Sorted keys, no blanks, as all documents of images."""
    image = made(tmp_path, environment, project)
    for blob in (image.index, image.platforms[0].manifest, image.platforms[0].config):
        assert blob.raw == json.dumps(json.loads(blob.raw), sort_keys=True, separators=(",", ":")).encode()
