"""Pages of indexes, JSON and HTML, are read alike and written so that uv loses nothing of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envlock.adapters.http import Page
from envlock.adapters.pinned import PinnedFile, PinnedPages, parse_page
from envlock.errors import UsageError
from envlock.model.index import Index, Indexes

URL = "https://packages.example.com/simple/demo/"
SHA256 = "ab" * 32
HTML = f"""<!DOCTYPE html><html><head><base href="../../files/"></head><body>
<a href="demo-1.0-py3-none-any.whl#sha256={SHA256}" data-requires-python="&gt;=3.8" data-core-metadata="sha256=cd">x</a>
<a href="demo-1.0.tar.gz" data-yanked="">x</a><a href="demo-1.0.exe">x</a><a name="top">x</a>
</body></html>"""
JSON = {
    "files": [
        {
            "filename": "demo-1.0-py3-none-any.whl",
            "url": "../../files/demo-1.0-py3-none-any.whl",
            "hashes": {"sha256": SHA256, "md5": "0"},
            "requires-python": ">=3.8",
            "core-metadata": {"sha256": "cd"},
            "size": 5,
            "upload-time": "2020-01-01T00:00:00.5Z",
            "provenance": None,
        },
        {
            "filename": "demo-1.0.tar.gz",
            "url": "https://cdn.example.com/demo-1.0.tar.gz",
            "hashes": {},
            "yanked": "why",
        },
    ]
}
WHEEL = PinnedFile(
    name="demo-1.0-py3-none-any.whl",
    url="https://packages.example.com/files/demo-1.0-py3-none-any.whl",
    sha256=SHA256,
    requires_python=">=3.8",
    metadata="cd",
)


class Pages:
    """An index whose every page is the same."""

    def __init__(self, page: Page | UsageError) -> None:
        self.answer = page
        self.asked: list[str] = []

    def page(self, url: str, *, limit: int, accept: str = "*/*") -> Page:
        self.asked.append(url)
        if isinstance(self.answer, UsageError):
            raise self.answer
        return self.answer


def as_json(document: object = JSON) -> Page:
    return Page(url=URL, kind="application/vnd.pypi.simple.v1+json", body=json.dumps(document).encode())


def test_html() -> None:
    """Anchors of a page: base, relative links, digests, Python requirements, yanks and metadata."""
    wheel, sdist = parse_page(Page(url=URL, kind="text/html", body=HTML.encode()))
    assert wheel == WHEEL
    assert (sdist.url, sdist.yanked, sdist.metadata) == (
        "https://packages.example.com/files/demo-1.0.tar.gz",
        True,
        False,
    )


def test_json() -> None:
    """The same in JSON, with size and upload time."""
    wheel, sdist = parse_page(as_json())
    assert (wheel.url, wheel.metadata, wheel.size) == (WHEEL.url, "cd", 5)
    assert (sdist.url, sdist.yanked, sdist.sha256) == ("https://cdn.example.com/demo-1.0.tar.gz", "why", None)


def test_what_is_no_page() -> None:
    """JSON that is not a Simple API's is told as that."""
    with pytest.raises(UsageError, match="bad-index-page"):
        parse_page(as_json({"message": "log in"}))


@pytest.mark.parametrize("cutoff", [None, "2020-01-01T00:00:01Z", "2020-01-01T00:00:00Z"])
def test_written_pages_say_the_same(tmp_path: Path, cutoff: str | None) -> None:
    """What is written reads back as it was; what is later than the cutoff, or of unknown time, is left out."""
    index = Index(name="corp", url="https://packages.example.com/simple/", packages=("De_mo",))
    pages = Pages(as_json())
    pinned = PinnedPages(Indexes(entries=(index,)), pages)
    pinned.write(tmp_path, cutoff=cutoff, package_cutoffs={})
    files = pinned.write(tmp_path, cutoff=cutoff, package_cutoffs={})
    page = Page(url=tmp_path.as_uri(), kind="text/html", body=(tmp_path / "de-mo/index.html").read_bytes())
    wheels = [WHEEL] if cutoff != "2020-01-01T00:00:00Z" else []
    assert [file for file in parse_page(page) if file.name.endswith(".whl")] == wheels
    assert [file.size for file in files.values()] == [5 for _ in wheels]
    assert pages.asked == ["https://packages.example.com/simple/de-mo/"], "read once"


def test_a_project_that_is_not_there(tmp_path: Path) -> None:
    """An index without the project gives an empty page; any other failure is one."""
    indexes = Indexes(entries=(Index(name="corp", url="https://packages.example.com/simple", packages=("demo",)),))
    PinnedPages(indexes, Pages(UsageError("not-found", "404"))).write(tmp_path, cutoff=None, package_cutoffs={})
    assert "<a" not in (tmp_path / "demo/index.html").read_text()
    with pytest.raises(UsageError, match="fetch-failed"):
        PinnedPages(indexes, Pages(UsageError("fetch-failed", "500"))).write(tmp_path, cutoff=None, package_cutoffs={})


def test_the_first_index_that_claims_a_project() -> None:
    """Of two indexes that claim a project, the first is asked."""
    one = Index(name="one", url="https://one.example.com", packages=("demo",))
    two = Index(name="two", url="https://two.example.com", packages=("Demo", "other"))
    assert Indexes(entries=(one, two)).pinned == {"demo": one, "other": two}


@pytest.mark.parametrize("json_page", [True, False], ids=["JSON", "HTML"])
@pytest.mark.parametrize(
    "url", ["file:///srv/demo-1.0-py3-none-any.whl", "ftp://example.com/demo-1.0-py3-none-any.whl"]
)
def test_a_server_links_no_file_of_this_machine(url: str, *, json_page: bool) -> None:
    """Such a link is left out."""
    if json_page:
        page = as_json({"files": [{"filename": "demo-1.0-py3-none-any.whl", "url": url}]})
    else:
        page = Page(url=URL, kind="text/html", body=f'<a href="{url}">x</a>'.encode())
    assert parse_page(page) == []


@pytest.mark.parametrize(
    "row",
    [
        {"url": "https://[", "filename": "demo-1.0-py3-none-any.whl"},
        {"url": "x", "filename": "demo-1.0-py3-none-any.whl", "upload-time": "yesterday"},
        {"url": "x", "filename": "demo-1.0-py3-none-any.whl", "upload-time": "2020-01-01T00:00:00"},
    ],
    ids=["URL", "time", "zone"],
)
def test_pages_that_say_nonsense(row: dict[str, str]) -> None:
    """What is no URL, no time, or a time that would depend on the zone of this machine, is an error of the index."""
    with pytest.raises(UsageError, match="bad-index-page"):
        parse_page(as_json({"files": [row]}))
