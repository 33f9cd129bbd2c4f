"""A base with dpkg at work in it, as images of Debian have it: one of ours, with dpkg and its list of packages."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from envlock.formats.oci import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, Layout, digest_of
from tests.integration.project import Project
from tests.integration.test_registry import required

MANIFEST_TEXT = """\
[env.below]
python = "3.11"
dependencies = ["six==1.17.0"]
as-of = "2025-01-01"

[env.below.image]
base = "with-dpkg"
"""
SCRIPT = """
[[scripts]]
package = "dpkg"
script = "postinst"
sha256 = "2f3d6715ff26f9615ea9d10312a54fc48af53d95b09ff407f78ec367faca37e2"
effects = []
"""
_RECIPE = Path(__file__).parents[2] / "images" / "debian-bookworm-python3.11.toml"


def push_dpkg_base(folder: Path, cache: Path | None, reference: str) -> str:
    """Build the base in a folder and push it; returns its reference."""
    project = Project(folder, MANIFEST_TEXT, cache=cache)
    recipe = (
        _RECIPE.read_text("utf-8")
        .replace('    "tar",\n', '    "dpkg",\n    "tar",\n')
        .replace('"debconf", "dpkg"', '"debconf"')
    )
    (folder / "images").mkdir()
    (folder / "images" / "with-dpkg.toml").write_text(recipe + SCRIPT, "utf-8")
    project.ok("lock")
    project.ok("build")
    layout = Layout(folder / ".envlock/images/below")
    _with_status(layout)
    subprocess.run(
        [required("skopeo"), "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout.root}:dpkg", f"docker://{reference}"],
        check=True,
    )  # fmt: skip
    return reference


def _with_status(layout: Layout) -> None:
    """Name an image `dpkg` in the layout that is the one in it, and dpkg's own list of packages in a layer on top."""
    (index,) = layout.top().manifests
    (described,) = layout.indexes(index).manifests
    manifest = json.loads(layout.blob(described))
    config = json.loads(
        layout.blob(Descriptor(media_type="", **{k: manifest["config"][k] for k in ("digest", "size")}))
    )
    layer = _status_layer(layout.blob_path(manifest["layers"][0]["digest"]))
    blob = gzip.compress(layer, mtime=0)
    manifest["layers"].append(_written(layout, blob, LAYER))
    config["rootfs"]["diff_ids"].append(digest_of(layer))
    config["history"].append({"created_by": "dpkg"})
    manifest["config"] = _written(layout, json.dumps(config).encode(), CONFIG)
    top = _written(layout, json.dumps(manifest).encode(), MANIFEST)
    top["annotations"] = {"org.opencontainers.image.ref.name": "dpkg"}
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]}
    (layout.root / "index.json").write_text(json.dumps(document))


def _status_layer(base: Path) -> bytes:
    """Return an archive with the files of status.d as one."""
    stanzas = []
    with tarfile.open(base) as archive:
        for member in archive:
            body = archive.extractfile(member) if member.isreg() else None
            if body and member.name.startswith("var/lib/dpkg/status.d/") and not member.name.endswith(".md5sums"):
                stanzas.append(body.read().decode().strip("\n"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in (("status", "".join(f"{each}\n\n" for each in stanzas)), ("info/format", "1\n")):
            info = tarfile.TarInfo(f"var/lib/dpkg/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _written(layout: Layout, raw: bytes, media_type: str) -> dict[str, Any]:
    layout.blob_path(digest_of(raw)).write_bytes(raw)
    return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}
