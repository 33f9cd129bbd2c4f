"""Effects of packages beyond the base: what a maintainer script would have asked a tool for is written without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.image.effects.alternatives import Choice, Link, choices
from envlock.image.effects.mime_database import MimeType, read, written
from envlock.image.effects.unrolled import UNROLLED, Unrolled
from envlock.model.effects import EFFECTS
from tests.unit.debs import Pool, link, member
from tests.unit.test_base import members

LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADERS = f"{LIBRARIES}/gdk-pixbuf-2.0/2.10.0"
PLUGINS = ["core", "dot_layout", "gd", "neato_layout", "pango", "visio", "webp", "xlib"]
TYPES = """<?xml version="1.0"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
<mime-type type="image/x">
  <comment>X image</comment>
  <generic-icon name="image-x-generic"/>
  <glob pattern="*.X" weight="60"/>
  <glob pattern="*.C" case-sensitive="true"/>
  <magic priority="80">
    <match type="string" value="\\x89PNG\\r\\n\\032 \\\\" offset="0:64">
      <match type="host16" value="0xff6" offset="4"/>
    </match>
    <match type="little32" value="010" offset="8" mask="0xff"/>
  </magic>
  <alias type="image/y"/>
  <sub-class-of type="application/zip"/>
  <sub-class-of type="application/a"/>
</mime-type>
</mime-info>
"""


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


def test_every_effect_is_described_in_the_order_of_application() -> None:
    """The layer spec is the contract for the bytes that they write."""
    spec = (Path(__file__).parents[2] / "docs" / "layer-spec-v1.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in spec.splitlines() if line.startswith("| `")]
    assert tuple(name.strip(" `") for row in rows for name in row.split(",")) == EFFECTS


def test_fonts_are_configured_as_debconf_would_by_default(pool: Pool) -> None:
    """Slight hinting and no bitmap fonts but those of emoji; what the package links itself stays."""
    available = "/usr/share/fontconfig/conf.avail"
    names = ("10-hinting-slight.conf", "10-hinting-full.conf", "70-no-bitmaps.conf", "70-no-bitmaps-except-emoji.conf")
    pool.add(
        "fontconfig-config",
        data=[
            *(member(f".{available}/{name}", "") for name in names),
            link("./etc/fonts/conf.d/10-scale.conf", f"{available}/10-scale.conf"),
        ],
    )
    found = members(pool, "fontconfig")
    assert {path: entry.link for path, (entry, _) in found.items() if entry.kind == "symlink"} == {
        "etc/fonts/conf.d/10-hinting-slight.conf": f"{available}/10-hinting-slight.conf",
        "etc/fonts/conf.d/10-scale.conf": f"{available}/10-scale.conf",
        "etc/fonts/conf.d/70-no-bitmaps-except-emoji.conf": f"{available}/70-no-bitmaps-except-emoji.conf",
    }
    assert found["usr/local/share/fonts"][0].kind == "dir"


def test_older_fontconfig_knows_no_exception_for_emoji(pool: Pool) -> None:
    """Until Debian 12 there is one file for bitmap fonts."""
    pool.add("fontconfig-config", data=[member("./usr/share/fontconfig/conf.avail/70-no-bitmaps.conf", "")])
    assert "etc/fonts/conf.d/70-no-bitmaps.conf" in members(pool, "fontconfig")


def test_git_lfs_is_registered_with_git(pool: Pool) -> None:
    """As `git lfs install --system` does; a settings file that a package ships is not written over."""
    pool.add("git-lfs")
    assert members(pool, "git-lfs")["etc/gitconfig"][1].decode().splitlines() == [
        '[filter "lfs"]',
        "\tclean = git-lfs clean -- %f",
        "\tsmudge = git-lfs smudge -- %f",
        "\tprocess = git-lfs filter-process",
        "\trequired = true",
    ]
    pool.add("settings", data=[member("./etc/gitconfig", "mine")])
    with pytest.raises(IntegrityError, match="file-conflict"):
        members(pool, "git-lfs")


def test_adduser_gets_its_settings(pool: Pool) -> None:
    """A copy of the default that the package brings, where it does not ship the file itself."""
    pool.add("adduser", data=[member("./usr/share/adduser/adduser.conf", "DSHELL=/bin/bash\n")])
    assert members(pool, "adduser-conf")["etc/adduser.conf"][1] == b"DSHELL=/bin/bash\n"


def test_ghostscripts_maps_are_gathered(pool: Pool) -> None:
    """From the files of all packages, in the order of their names; a map without any is empty."""
    pool.add("fonts-b", data=[member("./etc/ghostscript/fontmap.d/20b.conf", "b\n")])
    pool.add("fonts-a", data=[member("./etc/ghostscript/fontmap.d/10a.conf", "a\n"), member("./etc/ghostscript/x", "")])
    found = members(pool, "ghostscript-fonts")
    assert found["var/lib/ghostscript/fonts/Fontmap"][1] == b"a\nb\n"
    assert found["var/lib/ghostscript/fonts/cidfmap"][1] == b""


def test_paper_is_a4(pool: Pool) -> None:
    """What libpaper takes where no locale has another."""
    pool.add("libpaper1")
    assert members(pool, "paper-size")["etc/papersize"][1] == b"a4\n"


def test_image_loaders_are_registered_in_the_order_of_their_names(pool: Pool) -> None:
    """With their absolute paths, and what they say of themselves."""
    pool.add(
        "libgdk-pixbuf-2.0-0",
        data=[member(f"./{LOADERS}/loaders/libpixbufloader-{name}.so", name) for name in ("icns", "gif")],
    )
    assert members(pool, "pixbuf-loaders")[f"{LOADERS}/loaders.cache"][1].decode() == (
        "# GdkPixbuf Image Loader Modules file\n\n"
        f'"/{LOADERS}/loaders/libpixbufloader-gif.so"\n'
        '"gif" 4 "gdk-pixbuf" "GIF" "LGPL"\n"image/gif" ""\n"gif" ""\n"GIF8" "" 100\n\n'
        f'"/{LOADERS}/loaders/libpixbufloader-icns.so"\n'
        '"icns" 4 "gdk-pixbuf" "MacOS X icon" "GPL"\n"image/x-icns" ""\n"icns" ""\n"icns" "" 100\n'
    )


def test_an_image_loader_that_nobody_noted_stops_the_build(pool: Pool) -> None:
    """Leaving it out of the register would leave its format out of the image, unsaid."""
    pool.add("magic-loader", data=[member(f"./{LOADERS}/loaders/libpixbufloader-magic.so", "")])
    with pytest.raises(UsageError, match="unknown-loader") as caught:
        members(pool, "pixbuf-loaders")
    assert caught.value.found == "libpixbufloader-magic.so"


def test_plugins_of_graphviz_are_registered(pool: Pool) -> None:
    """All that graphviz has in Debian; any other set stops the build."""
    names = [f"./{LIBRARIES}/graphviz/libgvplugin_{name}.so.6" for name in PLUGINS]
    pool.add("libgvc6", data=[link(name, f"{Path(name).name}.0.0") for name in names])
    text = members(pool, "graphviz-plugins")[f"{LIBRARIES}/graphviz/config6a"][1].decode()
    assert "\nlibgvplugin_dot_layout.so.6 dot_layout {\n\tlayout {\n\t\tdot 0\n\t}\n}\n" in text
    pool.add("libgvc6-plugins-gtk", data=[member(f"./{LIBRARIES}/graphviz/libgvplugin_gtk.so.6", "")])
    with pytest.raises(UsageError, match="unknown-plugin") as caught:
        members(pool, "graphviz-plugins")
    assert "libgvplugin_gtk.so.6" in caught.value.found


def test_the_database_of_types_is_compiled_in_all_its_files(pool: Pool) -> None:
    """Globs by weight, sections of magic with nested matches, masks, ranges and word sizes."""
    pool.add("shared-mime-info", data=[member("./usr/share/mime/packages/x.xml", TYPES)])
    found = members(pool, "mime-database")
    text = {path.removeprefix("usr/share/mime/"): body for path, (_, body) in found.items()}
    assert text["globs2"].decode().splitlines()[2:] == ["60:image/x:*.x", "50:image/x:*.C:cs", "50:image/x:*.C"]
    assert text["aliases"] == b"image/y image/x\n"
    assert text["subclasses"] == b"image/x application/zip\nimage/x application/a\n"
    assert text["generic-icons"] == b"image/x:image-x-generic\n"
    assert text["magic"] == (
        b"MIME-Magic\0\n[80:image/x]\n"
        b">0=\x00\x09\x89PNG\r\n\x1a \\+65\n"
        b"1>4=\x00\x02\x0f\xf6~2\n"
        b">8=\x00\x04\x08\x00\x00\x00&\xff\x00\x00\x00\n"
    )


def test_a_later_document_may_drop_what_an_earlier_one_said() -> None:
    """As glob-deleteall and magic-deleteall mean."""
    start, end = TYPES[: TYPES.index("<mime-type")], "</mime-type></mime-info>"
    later = f'{start}<mime-type type="image/x"><glob-deleteall/><magic-deleteall/><glob pattern="*.z"/>{end}'
    types: dict[str, MimeType] = {}
    read(TYPES.encode(), types)
    read(later.encode(), types)
    files = written(types)
    assert files["globs2"].endswith(b"\n50:image/x:*.z\n")
    assert files["magic"] == b"MIME-Magic\0\n"
    assert files["aliases"] == b"image/y image/x\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</mime-info>", ""),
        ('offset="4"', 'offset="four"'),
        ('type="host16"', 'type="host64"'),
        ('value="0xff6"', 'value="0xfffff"'),
        ('type="image/x"', 'kind="image/x"'),
        ('"host16" value="0xff6"', '"string" mask="0xff" value="ab"'),
    ],
    ids=["xml", "offset", "type", "size", "attribute", "mask"],
)
def test_a_document_that_is_none_stops_the_build(pool: Pool, old: str, new: str) -> None:
    """The error names it."""
    pool.add("broken", data=[member("./usr/share/mime/packages/x.xml", TYPES.replace(old, new))])
    with pytest.raises(IntegrityError, match="bad-mime-type") as caught:
        members(pool, "mime-database")
    assert caught.value.where == "/usr/share/mime/packages/x.xml"


@pytest.mark.parametrize("each", UNROLLED, ids=lambda each: each.package)
def test_unrolled_calls_are_literal(each: Unrolled) -> None:
    """They stand for a script of their package that holds the call, and for no other."""
    script = f"update-alternatives --install /usr/bin/$name $name /usr/bin/{each.call} {each.call}\n".encode()
    found = list(choices(script, each.package))
    assert len(found) == len(each.lines)
    assert {choice.master.link for choice in found} == {line.split()[2] for line in each.lines}
    with pytest.raises(UsageError, match="unread-script"):
        list(choices(script, "another"))
    literal = b"update-alternatives --install /a a /b 1\n"
    assert list(choices(literal, each.package)) == [Choice(Link("/a", "a", "/b"), 1)]


def test_loops_are_unrolled_as_a_shell_runs_them() -> None:
    """Slaves of xz's for loop, one call of procps's function."""
    (xz,) = choices(b"update-alternatives --install /usr/bin/lzma lzma /usr/bin/xz 20 $(\n", "xz-utils")
    assert (xz.master, xz.priority, len(xz.slaves)) == (Link("/usr/bin/lzma", "lzma", "/usr/bin/xz"), 20, 19)
    assert Link("/usr/bin/lzegrep", "lzegrep", "/usr/bin/xzegrep") in xz.slaves
    *_, ps = choices(b'update-alternatives --install $A $B "$BINPATH"/"$BINNAME".procps 50 \\\n', "procps")
    manual = "/usr/share/man/man1/ps"
    assert ps == Choice(
        Link("/bin/ps", "ps", "/bin/ps.procps"), 50, (Link(f"{manual}.1.gz", "ps.1.gz", f"{manual}.procps.1.gz"),)
    )
