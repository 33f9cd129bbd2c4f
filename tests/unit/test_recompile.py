"""What compiling the modules of an image again is held against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import msgspec

from envlock.formats.oci import Layout
from envlock.image.layout import write_layout
from envlock.image.plan import plan_layers
from envlock.model.edges import NoProgress
from envlock.model.lock import Base, ImageConfig, LockFile
from envlock.model.observation import Environment
from envlock.observe.image import observe_image
from envlock.observe.sources import LayoutImage
from envlock.operations.base_layers import base_documents
from envlock.operations.recompile import recompiled
from tests.unit.base_images import Images, debian
from tests.unit.images import AMD64, FakeCompiler
from tests.unit.test_base_layers import build_on, edges, on
from tests.unit.wheels import make_wheel


class InCompany(FakeCompiler):
    """A compiler whose output tells what was compiled before, as that of CPython may."""

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Number the modules of a call."""
        for number, (path, pyc) in enumerate(super().compile(sources)):
            yield path, pyc + str(number).encode()


def test_a_module_of_several_wheels_is_what_the_highest_layer_has(tmp_path: Path) -> None:
    """Each layer has it compiled in the company of its own wheel; containers see that of the highest one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    shared = {"ns/shared.py": b"x = 1\n"}
    wheels = [
        make_wheel(folder, "one", "1.0", shared | {"a.py": b"a = 1\n"}),
        make_wheel(folder, "two", "1.0", shared | {"z.py": b"z = 1\n"}),
    ]
    images = Images()
    lock = on(images.image(debian("3.9.2")), wheels).lock
    assert isinstance(lock.base, Base)
    base = msgspec.structs.replace(lock.base, interpreter="/usr/local/bin/python3.9")
    lock = msgspec.structs.replace(lock, base=base, image=ImageConfig(threshold=1))
    lock_file = LockFile(lock=lock, raw=b"a lock\n")
    image = build_on(images, lock_file, wheels, tmp_path, compilers=lambda _: nullcontext(InCompany()))
    assert len(image.platforms[0].layers) == 2 + 1 + 2 + 1
    write_layout(tmp_path / "out", image)
    source = LayoutImage(Layout(tmp_path / "out"), (AMD64,), ())
    observed = observe_image(lambda: source, name="", full=True, progress=NoProgress())
    assert observed.image is not None
    assert isinstance(observed.environment, Environment)
    verdicts = recompiled(
        source,
        lock_file,
        plan_layers(lock_file, AMD64, base_documents(lock, AMD64, edges(images, tmp_path / "cache"))),
        observed.environment,
        compiler=InCompany(),
        progress=NoProgress(),
    )
    site = "/opt/venv/lib/python3.9/site-packages"
    assert verdicts == dict.fromkeys(
        (f"{site}/{path}.cpython-39.pyc" for path in ("__pycache__/a", "__pycache__/z", "ns/__pycache__/shared")),
        "same",
    )
