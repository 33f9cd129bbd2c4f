"""Protocols of the edges that operations are handed: progress, downloads, namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import msgspec

from envlock.errors import UsageError
from envlock.model.artifact import Deb, Suite, Wheel
from envlock.model.engine import EngineContainer, EngineImage
from envlock.model.machine import Machine
from envlock.model.numerics import ProbeEnd
from envlock.model.platform import Platform
from envlock.model.provenance import SIGNING_NAMESPACE, Held, Signature
from envlock.model.reference import Reference
from envlock.model.revision import Revision
from envlock.model.unknown import Unknown

Unit = Literal["bytes", "items"]


class Task(Protocol):
    """One line of progress."""

    def advance(self, amount: int = 1) -> None:
        """Move on by `amount` bytes or items."""


class Progress(Protocol):
    """Where long operations tell how far they are. Safe to call from several threads."""

    def task(self, description: str, total: int | None = None, *, unit: Unit = "items") -> AbstractContextManager[Task]:
        """Open a line of progress, closed when the context ends."""


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        pass


class NoProgress:
    """Progress that nobody watches."""

    def task(
        self,
        description: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
        *,
        unit: Unit = "items",  # noqa: ARG002
    ) -> AbstractContextManager[Task]:
        """Return a task that does nothing."""
        return nullcontext(_NoTask())


def counted(chunks: Iterable[bytes], task: Task) -> Iterator[bytes]:
    """Yield chunks, and tell a task how many bytes went by."""
    for chunk in chunks:
        task.advance(len(chunk))
        yield chunk


class Downloads(Protocol):
    """The one HTTP client: whole files are streamed to disk, parts come by range requests (RFC 9110, 14)."""

    def get(self, url: str, *, limit: int) -> bytes:
        """Return a small body whole; UsageError (`fetch-failed`, `not-found`) where it cannot be had."""

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Return the bytes [start, end) of a file.

        A negative start counts from the end (`end` is then ignored). Raises LookupError where the server cannot
        serve ranges.
        """

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        """Stream a file to `destination` (written beside, then renamed); IntegrityError on another sha256 or size."""


class Archives(Protocol):
    """Debian archives, wherever this machine fetches them from."""

    def index(self, archive: str, path: str, *, limit: int) -> bytes:
        """Return a small file below an archive's root whole; UsageError (`no-debian-source`, `not-found`, …)."""

    def deb(self, deb: Deb, destination: Path, progress: Task) -> None:
        """Stream a package to `destination`; UsageError (`deb-gone`), IntegrityError on another sha256."""

    def ask(self, deb: Deb) -> None:
        """Raise UsageError (`deb-gone`) unless a source still has a package."""

    def at(self, suites: Sequence[Suite]) -> Archives:
        """Return the same archives at the time of locked suites, for sources that keep old versions by date."""


class Process(Protocol):
    """A running child, the part of subprocess.Popen that envlock uses."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status."""

    def kill(self) -> None:
        """End it."""


class Sandbox(Protocol):
    """Runs a command of an unpacked root in namespaces of its own: no network, no host files, no privilege."""

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Process:
        """Start `argv` chrooted into `root`, with pipes on stdin, stdout and stderr.

        The environment is exactly `environment`. `binds` maps absolute paths inside the root to host folders that are
        mounted there, writable. Raises UnverifiableError (`no-namespaces`) where the kernel forbids user namespaces.
        """


class Compiler(Protocol):
    """Compiles Python sources with the exact interpreter of an image."""

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Take (absolute path in the image, source), yield (absolute path of the .pyc, its bytes) in the same order.

        One process for each call. Sources that do not compile are left out. `sources` may be advanced by another
        thread. Closing the iterator ends the process.
        """


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolver must know of a release (core metadata 2.1), where the index cannot say it."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolver is asked: requirements for one interpreter on one platform."""

    requirements: tuple[str, ...]
    """PEP 508."""
    files: tuple[Path, ...] = ()
    """Requirements files or a pyproject.toml."""
    groups: tuple[str, ...] = ()
    """Dependency groups of that pyproject.toml."""
    extras: tuple[str, ...] = ()
    """Extras of that pyproject.toml."""
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    folder: Path | None = None
    """Where relative paths of requirements begin."""
    python: str
    platform: Platform
    glibc: str
    cutoff: str | None
    """RFC 3339; releases uploaded later do not exist."""
    package_cutoffs: dict[str, str] = {}
    """Cutoffs of single projects: RFC 3339, or `none`."""
    previous: bytes | None = None
    """A pylock whose pins stay where they can."""
    no_deps: bool = False
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    """Projects, or exact pins (`name==version`), that may move away from `previous`."""
    sdists: bool = True
    """Whether releases count that have no fitting wheel."""
    metadata: tuple[Metadata, ...] = ()
    """Of releases whose sdists do not say it."""


class MetadataUnknownError(UsageError):
    """A resolution met an sdist that only tells its requirements when its code is run (reference `no-metadata`)."""

    def __init__(self, project: str, version: str) -> None:
        super().__init__(
            "no-metadata",
            f"{project} {version} has no wheel, and its source distribution does not say what it requires.",
            hint="Choose a version of the package that has a wheel.",
        )
        self.project = project
        self.version = version


class BuildRefusedError(UsageError):
    """Packages that have no fitting wheel, where nothing may be built (reference `build-refused`)."""

    def __init__(self, projects: Sequence[str], explanation: str = "") -> None:
        super().__init__(
            "build-refused",
            f"{', '.join(sorted(set(projects)))}: no fitting wheel, and nothing may be built of a source distribution.",
            found=explanation,
            hint='Name a base to build in ([env.NAME.image] base = "…") and allow it (build = true, no --no-build), '
            "or take a version with a wheel.",
        )


class Resolver(Protocol):
    """Finds the releases that satisfy requirements."""

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        """Return PEP 751 packages, running no code of any of them.

        Raises MetadataUnknownError, and UsageError (`unsatisfiable`, `build-refused`, `resolver-failed`, …).
        """


class Artifacts(Protocol):
    """Files kept by their sha256 and verified whenever they are used."""

    def get(self, sha256: str, name: str) -> Path | None:
        """Return a file that is there and has its digest."""

    def unverified(self, sha256: str, name: str) -> Path | None:
        """Return a file that is there, whatever it holds: for parts of it that something else vouches for."""

    def place(self, sha256: str, name: str) -> Path:
        """Return where a file belongs, its folder made."""

    def put(self, source: Path, sha256: str, name: str) -> Path:
        """Copy a file to its place; IntegrityError where it has not this digest."""

    def folder(self, name: str) -> Path:
        """Return a folder for things derived from artifacts, made if need be."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Hold the lock of one key."""


class TargetInterpreter(Protocol):
    """Runs a script in the Python that is observed."""

    def ask(self, python: Path, script: bytes, *, timeout: float = 30.0) -> bytes:
        """Return what the script printed; UnverifiableError (`interpreter-failed`, `interpreter-hangs`)."""


class Probing(Protocol):
    """A place where probes run: the Python of an environment here, or a container of its image."""

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        """Run a script to its end as ``python -s -B -``, with these environment variables.

        It works in an empty folder, and has it for temporary files; for its home too, where `variables` name none.
        `told` gets each line of its stdout as it comes; where none comes for `patience` seconds, it is ended, with
        whatever it started. Raises UnverifiableError (`interpreter-failed`) where it cannot be started.
        """


class Memory(Protocol):
    """Where an operation keeps what it found out for the next time. It may forget anything at any time."""

    def recall(self, key: str) -> bytes | None:
        """Return what was kept under a key of 64 hex digits, or None; bytes that others may have written are not."""

    def keep(self, key: str, *raw: bytes) -> None:
        """Keep bytes, given in pieces, in place of what was there; where that is not possible, nothing happens."""


class Records(Protocol):
    """Finds the RECORD of a locked wheel again, to name the file that differs."""

    def __call__(self, wheel: Wheel) -> bytes | None:
        """Return bytes whose sha256 is `wheel.record`, or None where they are not to be had."""


class Machines(Protocol):
    """Looks at the machine that programs of a target run on."""

    def __call__(self) -> Machine | Unknown:
        """Return what it can compute with; what could not be seen of it is Unknown with its reason."""


class Installer(Protocol):
    """Makes virtual environments and fills them from wheels at hand."""

    def make_venv(self, venv: Path, python: str) -> None:
        """Make an environment of CPython `python`, or keep the one that is there; UsageError (`no-interpreter`)."""

    def install(self, venv: Path, requirements: Sequence[str], wheels: Path, *, reinstall: bool = False) -> None:
        """Make the environment hold exactly these pins (with --hash options), from a folder of wheels alone.

        `reinstall` puts every file back, also of packages whose metadata says that they are there.
        """


class Solver(Protocol):
    """Chooses, among entries of verified Debian package indexes, what wanted packages need."""

    def solve(
        self, wanted: Sequence[str], *, offered: Iterable[bytes], installed: Iterable[bytes], architecture: str
    ) -> list[tuple[str, str]]:
        """Return (name, version) of what has to be installed.

        `offered` are the entries that there are to choose from, each name in one version, `installed` entries of
        dpkg's status. Raises UsageError (`unsatisfiable-package`, `solver-failed`).
        """


class Registry(Protocol):
    """Registries of images, reached by reference (OCI distribution-spec 1.1). Safe to use from several threads.

    Everything raises UsageError (`registry-denied`, `registry-failed`, `offline`) where the registry cannot be used.
    """

    def digest(self, reference: Reference) -> str:
        """Return the digest that a reference names now, without fetching what it names; UsageError (`no-image`)."""

    def find(self, reference: Reference) -> str | None:
        """Return the digest that a reference names now, None where the registry has no such image."""

    def manifest(self, reference: Reference) -> tuple[bytes, str, str]:
        """Return an image index or manifest as (bytes, media type, digest), the digest verified.

        Raises UsageError (`no-image`) and IntegrityError (`digest-mismatch`).
        """

    def blob(self, reference: Reference, digest: str) -> Iterator[bytes]:
        """Yield a blob of the reference's repository in chunks; IntegrityError (`digest-mismatch`) at its end."""

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Tell whether the reference's repository has a blob, with HEAD."""

    def mount(self, reference: Reference, digest: str, source: Reference) -> bool:
        """Make a blob of another repository of the same registry one of this repository, without sending it.

        False where the registry does not: another host, no such blob, no right to read it, or no such feature.
        """

    def upload(self, reference: Reference, digest: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Send a blob; `chunks` is called anew for each attempt.

        Raises UsageError (`upload-refused`), IntegrityError (`digest-mismatch`) where the registry found other bytes.
        """

    def put_manifest(self, reference: Reference, raw: bytes, media_type: str) -> None:
        """Put an index or manifest under the reference's tag or digest.

        One with a `subject` becomes a referrer of it, also in registries without a referrers API, through the
        fallback tag. Raises UsageError (`manifest-refused`).
        """

    def tags_of(self, reference: Reference) -> tuple[str, ...]:
        """Return the tags of the reference's repository, sorted; none where there is no such repository."""

    def referrers(self, reference: Reference) -> bytes:
        """Return an OCI index of what refers to the reference's digest; an empty one where nothing does."""


class ContainerEngine(Protocol):
    """A Docker Engine or Podman, asked for what it holds; nothing in it is changed.

    Everything raises UsageError (`engine-failed`) where it does not answer as it should.
    """

    def image(self, name: str) -> EngineImage:
        """Return an image by name or ID; UsageError (`no-image`), which names those that are called alike."""

    def save(self, image_id: str) -> Iterator[bytes]:
        """Yield an image as the tar stream of `docker save`."""

    def container(self, name: str) -> EngineContainer:
        """Return a container by name or ID; UsageError (`no-container`), which names those that are called alike."""

    def export(self, container_id: str) -> Iterator[bytes]:
        """Yield a container's whole file system as a tar stream, mounts left out."""

    def machine(self, container_id: str) -> Machine | Unknown:
        """Return the machine as programs of a running container see it: a Python inside is asked."""


class Signatures(Protocol):
    """Signs bytes with SSH keys, and checks such signatures (OpenSSH, PROTOCOL.sshsig)."""

    def sign(self, raw: bytes, key: str, namespace: str = SIGNING_NAMESPACE) -> bytes:
        """Return an armored signature; `key` is a file, a public one where an agent holds the private key.

        `namespace` says what for (ssh-keygen -n): a signature made for another purpose is wrong.

        Raises UsageError (`no-ssh-keygen`, `no-such-key`, `signing-failed`).
        """

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = SIGNING_NAMESPACE) -> Signature:
        """Return what a signature over `raw` proves, held against a file of allowed signers where there is one."""


class History(Protocol):
    """The git repository around a manifest, as far as images point back to it."""

    def holding(self, sha256: str) -> Held | None:
        """Return where the history holds a lock of these bytes."""

    def lock_at(self, commit: str, path: str) -> str | None:
        """Return the sha256 of a file at a commit, None where the repository does not have them."""


class Revisions(Protocol):
    """The history of the git repository that a project is in, as far as files of the project are concerned.

    Paths are those of the project's folder or below, absolute; a file that a commit does not have is None.
    """

    def resolve(self, text: str) -> Revision:
        """Return the commit that a revision names (gitrevisions(7)).

        Raises UsageError (`unknown-revision`; `unborn-branch` where there is no commit yet; `shallow-clone` where
        the clone does not reach that far).
        """

    def file_at(self, commit: str, path: Path) -> bytes | None:
        """Return the bytes of a file as a commit has it."""

    def files_at(self, commit: str, folder: Path) -> tuple[str, ...]:
        """Return the names of the files directly in a folder as a commit has it, sorted."""

    def changes_of(self, path: Path, start: str = "HEAD") -> Iterator[Revision]:
        """Yield the commits, from `start` back, that gave a file other bytes than the first parent's has."""

    @property
    def shallow(self) -> bool:
        """Whether the clone's history is cut off."""


class Lineage(Revisions, Protocol):
    """A history whose ends are known too."""

    def cut_off_at(self, commit: str) -> bool:
        """Tell whether a shallow clone ends with a commit, so that nobody here knows what it changed."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """The image that `run` steps are executed in, as an Engine loads it."""

    name: str
    """Repository and tag that are nobody else's; the tag says what is in it."""
    platform: Platform
    diff_ids: tuple[str, ...]
    """Of its layers, from the lowest to the highest."""
    archive: Callable[[], Iterator[bytes]]
    """Opens the tar stream that `docker load` reads."""


class Steps(Protocol):
    """Executes shell commands in a container, and says what they changed."""

    def run(self, ground: Ground, steps: Sequence[str], destination: Path, progress: Task) -> None:
        """Execute each step with ``/bin/sh -c`` in one container, as root, and write what they changed.

        `destination` becomes an uncompressed layer as the Engine has it (image-spec 1.1, layer.md). Nothing is left in
        the Engine. Raises UsageError (`run-failed`, `no-engine`, `engine-failed`) and UnverifiableError
        (`foreign-architecture`).
        """
