"""Patterns of `.dockerignore`: the examples of Docker's documentation and the cases of its own matcher."""

from __future__ import annotations

import pytest

from envlock.errors import UsageError
from envlock.formats.dockerignore import read_dockerignore
from envlock.model.path_pattern import pattern_of


def kept(text: str, *paths: str) -> list[str]:
    patterns = read_dockerignore(text.encode())
    return [path for path in paths if not patterns.exclude(path)]


def test_documented_example() -> None:
    """Comments, names in folders one and two levels down, and one character more (docs.docker.com, build context)."""
    text = "# comment\n*/temp*\n*/*/temp*\ntemp?\n"
    paths = (
        "somedir/temporary.txt",
        "somedir/temp/deep/file",
        "somedir/subdir/temporary.txt",
        "tempa",
        "tempb",
        "temp",
        "tempab",
        "a/b/c/temp",
        "# comment",
    )
    assert kept(text, *paths) == ["temp", "tempab", "a/b/c/temp", "# comment"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*.md\n!README.md\n", ["README.md", "docs/a.md"]),
        ("*.md\n!README*.md\nREADME-secret.md\n", ["README.md", "README-more.md", "docs/a.md"]),
        ("*.md\nREADME-secret.md\n!README*.md\n", ["README.md", "README-secret.md", "README-more.md", "docs/a.md"]),
        ("**/*.md\n", []),
        ("*\n!docs\n", ["docs/a.md"]),
        ("**\n!docs/*.md\n", ["docs/a.md"]),
    ],
)
def test_last_line_that_matches_decides(text: str, expected: list[str]) -> None:
    """The documented examples of exceptions, whose order counts."""
    paths = ("README.md", "README-secret.md", "README-more.md", "NEWS.md", "docs/a.md")
    assert kept(text, *paths) == expected


@pytest.mark.parametrize("text", ["/foo/bar", "foo/bar", "foo/bar/", "./foo//bar", "foo/x/../bar", "  foo/bar \r"])
def test_slashes_and_dots_are_cleaned_away(text: str) -> None:
    """Leading and trailing slashes, `.`, `..`, surrounding blanks and CRLF do not matter."""
    assert kept(text + "\n", "foo/bar", "foo/bar/deep", "foo/other", "bar") == ["foo/other", "bar"]


def test_what_changes_nothing() -> None:
    """Empty lines, `.` (ignored for historical reasons), what climbs out, a BOM before the first line."""
    assert kept("\n.\n/\n../a\n \n", "a", "b/c") == ["a", "b/c"]
    assert kept("\N{ZERO WIDTH NO-BREAK SPACE}a\n", "a", "b") == ["b"]


def test_names_are_case_sensitive() -> None:
    """As Docker, and unlike its Python client."""
    assert kept("readme\n", "README", "readme") == ["README"]


def test_exception_below_a_folder_that_two_stars_match() -> None:
    """A file is taken back wherever the pattern before it stands."""
    assert kept("**/node_modules\n!**/keep.js\n", "a/b/node_modules/x.js", "a/node_modules/c/keep.js") == [
        "a/node_modules/c/keep.js"
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dir", False),
        ("**/dir", "dir", True),
        ("**/dir", "dir/file", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir/dir2/dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**file", "dir/myfile", True),
        ("**/file", "dir/myfile", False),
        ("**file*", "dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/**/*.txt", "dir/dir/file.txt", True),
        ("**/**/*.txt2", "dir/dir/file.txt", False),
        ("**/*.txt", "file.txt", True),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a/*.txt**", "a/file.txt", True),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[b-d]e", "aae", False),
        ("a[^b-d]e", "aze", True),
        ("a[^b-d]e", "ace", False),
        ("[[]x", "[x", True),
        ("[a\\]]x", "]x", True),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcZdef", False),
        ("abc?def", "abcZdef", True),
        ("abc?def", "abc/def", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("**/foo/bar", "dir/dir2/foo/bar", True),
        ("**/.foo", "bar.foo", False),
        ("**/.foo", ".foo", True),
        ("a(b)c/def", "a(b)c/def", True),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("a", "a\nb", False),
        ("a*", "a\nb", True),
    ],
)
def test_cases_of_dockers_matcher(pattern: str, path: str, expected: bool) -> None:
    """`*` and `?` stay within a name, `**` takes any number of folders, nothing else is a wildcard."""
    assert pattern_of(pattern).matches(path) is expected


@pytest.mark.parametrize("text", ["[", "a[b", "a[]b", "a[-b]", "a[c-a]", "a\\", "!", "! "])
def test_pattern_that_cannot_be_read(text: str) -> None:
    """The line is named."""
    with pytest.raises(UsageError) as raised:
        read_dockerignore(f"# first\n{text}\n".encode())
    assert (raised.value.reference, raised.value.where) == ("bad-dockerignore", ".dockerignore:2")


def test_file_that_is_not_utf8() -> None:
    """It is refused rather than guessed at."""
    with pytest.raises(UsageError, match="UTF-8"):
        read_dockerignore(b"caf\xe9\n")


@pytest.mark.parametrize(
    ("pattern", "folder", "expected"),
    [
        ("src", "src", False),
        ("src/a.py", "src", True),
        ("src/a.py", "lib", False),
        ("conf/*.yaml", "conf", True),
        ("conf/*.yaml", "conf/sub", False),
        ("**/a.py", "any/where", True),
        ("a/**/b", "a/x/y", True),
        ("a/**/b", "b", False),
        ("[a/]b/c", "x", True),
    ],
)
def test_folders_worth_looking_into(pattern: str, folder: str, expected: bool) -> None:
    """What cannot match below a folder is known without listing it."""
    assert pattern_of(pattern).leads_to(folder) is expected
