"""A lock as a requirements file and as a Dockerfile, whole texts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from envlock.errors import UsageError
from envlock.formats.pylock import write_lock
from envlock.image.sums import Sums
from envlock.model.artifact import Build, Deb, Sdist, Wheel
from envlock.model.lock import BaseImage, BaseManifest, ImageConfig, Lock, LockFile, Package, Settings
from envlock.model.manifest import ImageTable
from envlock.model.platform import Platform
from envlock.operations.export import dockerfile_text, requirements_text
from tests.unit.venvs import lock_of

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def wheel(name: str, digit: str, *, path: str = "") -> Wheel:
    return Wheel(
        name=name,
        size=1,
        sha256=digit * 64,
        contents="0" * 64,
        record="0" * 64,
        url=None if path else f"https://files.example.com/{name}",
        path=f"{path}/{digit * 16}/{name}" if path else None,
    )


PLAIN = Package(name="six", version="1.16.0", wheels=(wheel("six-1.16.0-py2.py3-none-any.whl", "1"),))
BUILT = Package(
    name="wrapt",
    version="1.12.1",
    marker="(sys_platform == 'linux' and platform_machine == 'x86_64')",
    wheels=(wheel("wrapt-1.12.1-cp311-cp311-linux_x86_64.whl", "2", path="built"),),
    build=Build(sdist=Sdist(name="wrapt-1.12.1.tar.gz", size=1, sha256="3" * 64), requires=()),
)
BOTH = Package(
    name="numpy",
    version="1.26.4",
    wheels=(
        wheel("numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl", "5"),
        wheel("numpy-1.26.4-cp311-cp311-manylinux_2_17_aarch64.whl", "4"),
    ),
)


def changed(lock: Lock, **fields: object) -> LockFile:
    lock = msgspec.structs.replace(lock, **fields)
    return LockFile(lock=lock, raw=write_lock(lock))


def lock(*packages: Package, base: bool = False, **fields: object) -> LockFile:
    made = lock_of(packages=packages, base_python="3.11.2" if base else None).lock
    return changed(made, **fields)


def test_requirements() -> None:
    """Every hash of every platform, markers, and where pip finds what no index has, relative to the file."""
    found = lock(BOTH, PLAIN, BUILT, platforms=(AMD64, ARM64))
    text = requirements_text(found, folder=Path("/p/lockfiles"), beside=Path("/p/ci"))
    assert text == (
        f"# From the lock of 'demo', sha256:{found.digest}.\n"
        "# Python 3.11 on linux/amd64, linux/arm64: pip install --no-deps --require-hashes -r THIS-FILE\n"
        "--only-binary :all:\n"
        f"--find-links ../lockfiles/built/{'2' * 16}\n"
        "numpy==1.26.4 \\\n"
        f"    --hash=sha256:{'4' * 64} \\\n"
        f"    --hash=sha256:{'5' * 64}\n"
        "six==1.16.0 \\\n"
        f"    --hash=sha256:{'1' * 64}\n"
        "wrapt==1.12.1 ; (sys_platform == 'linux' and platform_machine == 'x86_64') \\\n"
        f"    --hash=sha256:{'2' * 64}\n"
    )


def test_wheels_that_any_mirror_has_need_no_link() -> None:
    """With urls = "omit" a path is where fetch puts a file, and this machine's index has it all the same."""
    omitted = msgspec.structs.replace(PLAIN, wheels=(wheel("six-1.16.0-py2.py3-none-any.whl", "1", path="wheels"),))
    text = requirements_text(lock(omitted, urls="omit"), folder=Path("/p/lockfiles"), beside=Path("/p"))
    assert "--find-links" not in text
    kept = requirements_text(lock(omitted, urls="record"), folder=Path("/p/lockfiles"), beside=Path("/p"))
    assert f"--find-links lockfiles/wheels/{'1' * 16}\n" in kept


def registry_lock(*digests: str, index: str | None = None) -> LockFile:
    made = lock(PLAIN, BUILT, base=True)
    deb = Deb(
        name="libgomp1",
        version="12.2.0-14",
        architecture="amd64",
        archive="debian",
        path="pool/a.deb",
        size=1,
        sha256="9" * 64,
    )
    image = BaseImage(
        reference="registry.example.com/python:3.11-slim",
        index=index,
        manifests=tuple(
            BaseManifest(platform=str(platform), digest=digest)
            for platform, digest in zip((AMD64, ARM64), digests, strict=False)
        ),
    )
    assert made.lock.base is not None
    base = msgspec.structs.replace(made.lock.base, recipe=None, image=image, packages=(deb,))
    return changed(made.lock, base=base, settings=Settings(env={"GREETING": 'a "b" $HOME'}))


def test_dockerfile_on_a_base_from_a_registry() -> None:
    """The base by the digest of its index, OS packages, wheels by hash, settings taken literally, the entry point."""
    found = registry_lock("sha256:" + "a" * 64, index="sha256:" + "b" * 64)
    found = changed(found.lock, image=ImageConfig(entrypoint=("python", "-m", "app")))
    table = ImageTable(base="registry.example.com/python:3.11-slim", include=("src/",))
    assert dockerfile_text(found, table, Sums(), requirements="requirements.demo.txt") == (
        f"# From the lock of 'demo', sha256:{found.digest}.\n"
        f"FROM registry.example.com/python:3.11-slim@sha256:{'b' * 64}\n"
        "# A mirror forgets old versions; `envlock build` takes them by sha256 from an archive that does not.\n"
        "RUN apt-get update \\\n"
        " && apt-get install --yes --no-install-recommends libgomp1=12.2.0-14 \\\n"
        " && rm -rf /var/lib/apt/lists/*\n"
        'COPY ["requirements.demo.txt", "/tmp/envlock/requirements.demo.txt"]\n'
        f'COPY ["lockfiles/built/{"2" * 16}/", "/tmp/envlock/lockfiles/built/{"2" * 16}/"]\n'
        "RUN /usr/bin/python3.11 -m venv /opt/venv \\\n"
        " && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes"
        " -r /tmp/envlock/requirements.demo.txt \\\n"
        " && rm -r /tmp/envlock\n"
        "ENV PATH=/opt/venv/bin:$PATH\n"
        'ENV GREETING="a \\"b\\" \\$HOME"\n'
        f'LABEL dev.envlock.lock.digest="sha256:{found.digest}"\n'
        'ENTRYPOINT ["python", "-m", "app"]\n'
        "WORKDIR /app\n"
        'COPY ["src/", "./src/"]\n'
    )


def test_dockerfile_says_all_that_an_image_may() -> None:
    """Run steps as they are, variables (those of settings go before), command, working folder and user."""
    found = registry_lock("sha256:" + "a" * 64)
    assert found.lock.base is not None
    steps = ('echo "$HOME" \\', "ldconfig\nmake-cache")
    config = ImageConfig(cmd=("serve", "--port=1"), env={"A": "1", "GREETING": "x"}, workdir="/srv/app", user="1000:1")
    found = changed(found.lock, base=msgspec.structs.replace(found.lock.base, run=steps), image=config)
    table = ImageTable(base="registry.example.com/python:3.11-slim", include=("train.py", "conf/*.yaml"))
    lines = dockerfile_text(found, table, Sums(), requirements="r.txt").splitlines()
    at = lines.index("# `envlock lock` executed these once; `envlock build` takes what they changed by sha256.")
    assert lines[at + 1 : at + 3] == [
        'RUN ["/bin/sh", "-c", "echo \\"$HOME\\" \\\\"]',
        'RUN ["/bin/sh", "-c", "ldconfig\\nmake-cache"]',
    ]
    assert lines[lines.index("ENV PATH=/opt/venv/bin:$PATH") + 1 :] == [
        'ENV A="1"',
        'ENV GREETING="a \\"b\\" \\$HOME"',
        f'LABEL dev.envlock.lock.digest="sha256:{found.digest}"',
        "ENTRYPOINT []",
        'CMD ["serve", "--port=1"]',
        "WORKDIR /srv/app",
        'COPY ["conf/*.yaml", "./conf/"]',
        'COPY ["train.py", "./train.py"]',
        "USER 1000:1",
    ]


def test_dockerfile_starts_python_where_nothing_is_said() -> None:
    """As the image does: an entry point of the base is not inherited."""
    table = ImageTable(base="registry.example.com/python:3.11-slim")
    text = dockerfile_text(registry_lock("sha256:" + "a" * 64), table, Sums(), requirements="r.txt")
    assert text.endswith('ENTRYPOINT []\nCMD ["python"]\n')


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (".", ['COPY [".", "./"]']),
        ("src", ['COPY ["src", "./src"]']),
        ("./src/", ['COPY ["src/", "./src/"]']),
        ("*.py", ['COPY ["*.py", "./"]']),
        (
            "**/*.py",
            [
                "# Of all files envlock takes **/*.py alone, which COPY cannot say: .dockerignore can.",
                'COPY [".", "./"]',
            ],
        ),
        (
            "conf/*/a.yaml",
            [
                "# Of conf/ envlock takes conf/*/a.yaml alone, which COPY cannot say: .dockerignore can.",
                'COPY ["conf/", "./conf/"]',
            ],
        ),
    ],
)
def test_dockerfile_copies_what_is_included(entry: str, lines: list[str]) -> None:
    """Patterns that COPY has are its own; of others the folder above them is copied, and that is said."""
    table = ImageTable(base="registry.example.com/python:3.11-slim", include=(entry,))
    text = dockerfile_text(registry_lock("sha256:" + "a" * 64), table, Sums(), requirements="r.txt")
    assert text.splitlines()[-len(lines) :] == lines


def test_base_without_an_index() -> None:
    """One image manifest is named as it is; of several, BuildKit chooses by platform."""
    one, two = "sha256:" + "a" * 64, "sha256:" + "c" * 64
    table = ImageTable(base="registry.example.com/python:3.11-slim")
    text = dockerfile_text(registry_lock(one), table, Sums(), requirements="r.txt")
    assert text.splitlines()[1] == f"FROM registry.example.com/python:3.11-slim@{one}"
    text = dockerfile_text(registry_lock(one, two), table, Sums(), requirements="r.txt")
    assert text.splitlines()[1:4] == [
        f"FROM registry.example.com/python:3.11-slim@{one} AS base-amd64",
        f"FROM registry.example.com/python:3.11-slim@{two} AS base-arm64",
        "FROM base-${TARGETARCH}",
    ]


def test_dockerfile_on_a_recipe() -> None:
    """It stands on the image that envlock built and pushed, by the digest that envlock.sum knows."""
    found = lock(PLAIN, base=True)
    table = ImageTable(base="debian-test", repository="registry.example.com/team/app", include=("src/",))
    sums = Sums(images={(found.digest, "linux/amd64"): "sha256:" + "d" * 64})
    assert dockerfile_text(found, table, sums, requirements="r.txt") == (
        f"# From the lock of 'demo', sha256:{found.digest}.\n"
        "# The image that `envlock build demo` makes: /opt/venv holds the locked packages.\n"
        f"FROM registry.example.com/team/app@sha256:{'d' * 64}\n"
        "WORKDIR /app\n"
        'COPY ["src/", "./src/"]\n'
    )


def test_what_no_dockerfile_can_say() -> None:
    """No image, no repository and no build yet are errors with the next step."""
    table = ImageTable(base="debian-test")
    pushed = ImageTable(base="debian-test", repository="registry.example.com/team/app")
    for found, image, reference, step in (
        (lock(PLAIN), None, "no-image", "envlock lock demo"),
        (lock(PLAIN, base=True), table, "no-repository", "envlock build demo -o"),
        (lock(PLAIN, base=True), pushed, "not-built", "envlock build demo"),
    ):
        with pytest.raises(UsageError) as caught:
            dockerfile_text(found, image, Sums(), requirements="r.txt")
        assert caught.value.reference == reference
        assert step in caught.value.hint
