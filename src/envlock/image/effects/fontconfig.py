"""fontconfig: the settings that fontconfig-config asks for, answered with its defaults."""

from __future__ import annotations

from envlock.image.tree import Tree

_OWNER = "fontconfig"
_AVAILABLE = "usr/share/fontconfig/conf.avail"
_CHOSEN = (
    ("10-hinting-slight.conf",),
    # Bitmap fonts are off; from Debian 13 on, those of emoji are not.
    ("70-no-bitmaps-except-emoji.conf", "70-no-bitmaps.conf"),
)
_LOCAL_FONTS = "usr/local/share/fonts"


def apply(tree: Tree) -> None:
    """Link the chosen settings into /etc/fonts/conf.d, and make the folder for fonts of one's own."""
    for names in _CHOSEN:
        name = next((name for name in names if f"{_AVAILABLE}/{name}" in tree), None)
        if name is not None and f"etc/fonts/conf.d/{name}" not in tree:
            tree.add(f"etc/fonts/conf.d/{name}", "symlink", owner=_OWNER, link=f"/{_AVAILABLE}/{name}")
    if _LOCAL_FONTS not in tree:
        tree.add(_LOCAL_FONTS, "dir", owner=_OWNER, mode=0o755)
