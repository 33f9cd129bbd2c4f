"""Takes the pictures of docs/images: the page of a comparison with 3 and with 100 reports, on a desk and on a phone.

    python -m tools.screenshots [--browser chromium] [FOLDER]

The reports are made up by tools/team.py; the pages are what `envlock compare --format html` writes of them.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from tools.team import ROOT, signatures, team

from envlock.report.matrix import comparison_html
from envlock.verify.comparison import compare_reports

SIZES = {"desktop": (1280, 1900), "phone": (390, 2200)}
TEAMS = (3, 100)


def page_of(number: int) -> str:
    """Return the page of so many reports."""
    reports = team(number)
    return comparison_html(compare_reports(reports, signatures(reports)))


def picture(browser: str, page: Path, image: Path, size: tuple[int, int]) -> None:
    """Have a browser draw a page as a screen of that width shows it, in CSS pixels."""
    width, height = size
    with tempfile.TemporaryDirectory() as profile:
        # A window of a desktop cannot be as narrow as a phone: a frame is, and is cut out of it.
        frame = page.with_name("frame.html")
        frame.write_text(
            f'<!DOCTYPE html><html style="overflow:hidden"><body style="margin:0"><iframe src="{page.name}" '
            f'style="border:0;width:{width}px;height:{height}px;display:block"></iframe></body></html>'
        )
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={image}",
                frame.as_uri(),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--browser", default="chromium")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for number in TEAMS:
            page = Path(scratch) / f"compare-{number}.html"
            page.write_text(page_of(number), "utf-8")
            for name, size in SIZES.items():
                image = arguments.folder.resolve() / f"compare-{number}-{name}.png"
                picture(arguments.browser, page, image, size)
                print(image.name)


if __name__ == "__main__":
    main()
