"""What was seen of a target, before anybody judges it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from envlock.model.engine import Change
from envlock.model.machine import Machine
from envlock.model.numerics import Explanation, Numerics
from envlock.model.platform import Platform
from envlock.model.unknown import Unknown as Unknown

FileKind = Literal["file", "link", "other"]
Bytecode = Literal["same", "differs", "ignored"]


class File(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file of a target. A `link` is a symbolic link to a regular file, and size and digest are that file's."""

    kind: FileKind
    size: int
    mtime_ns: int = 0
    ctime_ns: int = 0
    device: int = 0
    inode: int = 0
    """With size and times, what tells a file that was hashed before from another one; 0 in an image."""
    links: int = 1
    """How many names it has: an installer's cache may hold another one of them."""
    sha256: str = ""
    """Hex; empty where the file was not hashed."""
    content: bytes | None = None
    """The whole file where a rule reads it (metadata, launchers, .pth), the first 16 bytes of a .pyc, else None."""
    problem: str = ""
    """Why it could not be read."""

    @property
    def unreadable(self) -> bool:
        """Whether it may be as it should, and nobody knows: what is no file, or another size, is known to be wrong."""
        return self.problem.startswith(("it cannot be read", "the folder cannot be listed"))


class DirectUrl(msgspec.Struct, frozen=True, kw_only=True):
    """direct_url.json (PEP 610)."""

    url: str
    editable: bool = False
    vcs: str = ""
    sha256: str = ""


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """An installed distribution: a .dist-info folder, or an older form of it."""

    name: str
    """Normalised."""
    version: str
    folder: str
    """Absolute, of its metadata."""
    installer: str = ""
    direct_url: DirectUrl | None = None
    problem: str = ""
    """What of its metadata could not be read."""
    by_conda: bool = False
    """Whether conda installed it, which it says in conda-meta: it leaves the notes of the machine of the build."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where an interpreter finds installed files, as absolute paths of the target (sysconfig's schemes)."""

    prefix: str
    sites: tuple[str, ...]
    """Folders of importable packages, in the order of sys.path."""
    scripts: str
    data: str
    """The root of a wheel's ``.data/data``; the prefix, or /usr/local for Debian's own interpreter."""
    headers: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    """Paths of the interpreter that a launcher may name."""

    @property
    def is_windows(self) -> bool:
        """Whether launchers are programs, in the folder that Windows has for them; a copied tree shows it too."""
        return self.scripts.rstrip("/\\").endswith(("/Scripts", "\\Scripts"))


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """What the target's Python says of itself."""

    implementation: str
    version: str
    """Full, such as 3.9.2; a feature version alone where no more could be seen."""
    system: str
    """sys.platform."""
    machine: str
    libc: str = ""
    contradictions: tuple[str, ...] = ()
    """How what it says disagrees with its own files, one sentence each."""

    @property
    def feature(self) -> str:
        """The feature version, such as 3.9."""
        return ".".join(self.version.split(".")[:2])


class Stdlib(msgspec.Struct, frozen=True, kw_only=True):
    """The standard library of a target, which no lock describes, held against whoever else vouches for it."""

    folder: str
    modules: tuple[str, ...] = ()
    """Names that can be imported from it, sorted."""
    voucher: Literal["", "dpkg", "conda"] = ""
    """Who knows the digests of its files; empty where nobody does."""
    files: int = 0
    """How many files were compared."""
    altered: Mapping[str, str] = {}
    """Absolute paths of files that are not as vouched for, each with how."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The Python environment of a target: a venv, an interpreter's own, or an image's."""

    interpreter: Interpreter | Unknown
    layout: Layout
    distributions: tuple[Distribution, ...]
    """Sorted by name, then folder."""
    files: Mapping[str, File]
    """Every file below the sites and the scripts folder, and what RECORDs name elsewhere below the prefix, by
    absolute path. Metadata alone where `walked` is false."""
    walked: bool = False
    hashed: bool = False
    bytecode: Mapping[str, Bytecode] | Unknown | None = None
    """Each .pyc compared with its compiled source; `ignored` ones are never loaded. None where nobody asked."""
    impostors: Mapping[str, str] = {}
    """Files of the scripts folder that have a name of the interpreter and are another program, each with what it is."""
    stdlib: Stdlib | None = None
    """None where nobody looked."""
    oddities: tuple[str, ...] = ()
    """What made a part of the environment unobservable, one sentence each."""

    def imported(self) -> dict[str, list[Distribution]]:
        """Return the distributions by name that are imported: the first folder of sys.path that has a name decides."""
        found: dict[str, list[Distribution]] = {}
        for site in self.layout.sites:
            here = [each for each in self.distributions if posixpath.dirname(each.folder) == site]
            for name in {each.name for each in here} - found.keys():
                found[name] = [each for each in here if each.name == name]
        return found

    def below(self, folder: str) -> Iterator[tuple[str, File]]:
        """Yield the files below a folder, as (path relative to it, file)."""
        prefix = folder.rstrip("/") + "/"
        for path, file in self.files.items():
            if path.startswith(prefix):
                yield path[len(prefix) :], file


class LayerFact(msgspec.Struct, frozen=True, kw_only=True):
    """One layer as the image's manifest and config name it, digests as 64 hex digits."""

    digest: str
    """Empty where an Engine keeps layers unpacked."""
    size: int
    diff_id: str
    checked: bool = False
    """Whether blob and tar were read and have these digests."""
    problem: str = ""
    """How its bytes contradict the digests, or why they could not be read."""
    missing: bool = False
    """Its blob is not there."""


class ProjectFact(msgspec.Struct, frozen=True, kw_only=True):
    """The layer of project files on top of an image, as the image describes it. Digests are 64 hex digits."""

    source: str
    """The digest of the tree, by the image's label."""
    destination: str
    """The working folder, which is where the files belong."""
    environments: tuple[str, ...]
    """Of the image manifest below it: what the documents are without this layer, in each way they may have been."""
    tree: str | Unknown
    """The digest of the files in the layer."""
    files: int = 0
    strays: tuple[str, ...] = ()
    """What no project layer holds: paths outside the working folder, owners, kinds and modes that git does not keep."""
    modules: tuple[str, ...] = ()
    """Paths of importable files, as absolute paths."""
    comment: str = ""
    """What the image's history says of the layer."""
    roots: tuple[str, ...] = ()
    """Folders of the layer from which Python imports: the working folder, and what PYTHONPATH names of it."""


class ImageFact(msgspec.Struct, frozen=True, kw_only=True):
    """An image as it describes itself."""

    reference: str
    platform: Platform | None
    digest: str
    """Of the image manifest, 64 hex digits; empty where an Engine keeps none, and where it cannot be read."""
    labels: Mapping[str, str]
    layers: tuple[LayerFact, ...]
    lock: bytes | Unknown | None
    """The bytes of the lock in its layer, the last one of an environment image; None where there is none."""
    project: ProjectFact | None = None
    contradictions: tuple[str, ...] = ()
    """How manifest, config and blobs disagree, one sentence each."""
    unclear: tuple[str, ...] = ()
    """Paths of its environment about which Engines disagree: a layer has them behind a symbolic link of a lower one."""
    config: str = ""
    """What an Engine calls the image by, 64 hex digits: the digest of its configuration, or of its manifest or index
    where the Engine keeps those."""
    tag: str = ""
    """The tag that it was asked for by."""
    moved: str = ""
    """The digest that the tag names now, where the reference named another one beside it: 64 hex digits."""

    @property
    def identity(self) -> str:
        """Its digest as findings name it: the image manifest's, else the configuration's (an Engine's image ID)."""
        return f"sha256:{self.digest}" if self.digest else f"ID sha256:{self.config}"

    @property
    def environment_layers(self) -> tuple[LayerFact, ...]:
        """The layers below the project's."""
        return self.layers if self.project is None else self.layers[:-1]


class ContainerFact(msgspec.Struct, frozen=True, kw_only=True):
    """What a container has of its own beside its image."""

    running: bool
    changes: tuple[Change, ...]
    """Files that are not as the image has them, without the folders that they are in."""
    mounts: tuple[str, ...] = ()
    """Absolute paths inside at which something of outside stands: it was not looked at."""
    folders: tuple[str, ...] = ()
    """Where its programs load code from, by its variables: environments, PYTHONPATH, LD_LIBRARY_PATH."""
    first: tuple[str, str] | None = None
    """The first folders of PATH of the image and of the container, where they differ."""


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """The environment variables that a program of the target is started with, those that change numbers or code."""

    origin: Literal["shell", "run", "image", "container", "report"]
    """Where they were seen. `run`, `image` and `container` are set by envlock or by an image, so they are judged."""
    values: Mapping[str, str]
    """Only names of `model.factors`; a variable that is not here is unset."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """A target as it was seen."""

    target: str
    """As the user named it."""
    full: bool
    environment: Environment | Unknown | None
    """None for an image of which only the metadata was read."""
    image: ImageFact | None = None
    """Of a container: what it was made of."""
    container: ContainerFact | None = None
    machine: Machine | Unknown | None = None
    """The machine that programs of the target run on; None for an image, which runs nowhere yet."""
    variables: Variables | Unknown | None = None
    """None where nobody asked."""
    numerics: Numerics | Unknown | None = None
    """What the probes answered; None where nobody asked."""
    explanations: tuple[Explanation, ...] = ()
    """Which factors explain probes that answered otherwise than the fingerprint; empty where nobody asked."""
