"""What no text that is kept may say."""

from __future__ import annotations

from envlock.adapters.identity import secret_values


def test_values_of_variables_that_are_named_as_secrets_are() -> None:
    """The longest first, so that none is left in part; short ones are words, and the working directory is none."""
    environ = {
        "GITHUB_TOKEN": "abcdefgh",
        "db_password": "abcdefghij",
        "AWS_SECRET_ACCESS_KEY": "klmnopqr",
        "MYSQL_PWD": "stuvwx",
        "TOKENIZERS_PARALLELISM": "false",
        "PWD": "/home/joe/project",
        "KEYBOARD": "qwertyuiop",
        "MONKEY": "banana-tree",
        "HOME": "/home/joe",
    }
    assert secret_values(environ) == ("abcdefghij", "abcdefgh", "klmnopqr", "stuvwx")
