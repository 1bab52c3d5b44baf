"""Line breaks and first lines of scripts."""

from __future__ import annotations

import pytest

from tork_core.model.scripts import interpreter_of, unix_script


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("", ""),
        ("echo", "echo"),
        ("a\nb\n", "a\nb\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\r\nb", "a\nb"),
        ("\r\n\r\n", "\n\n"),
        ("a\r\nb\n", "a\r\nb\n"),
        ("a\nb\r\n", "a\nb\r\n"),
        ("a\rb", "a\rb"),
        ("a\rb\r\n", "a\rb\n"),
        ("a\r\r\n", "a\r\n"),
        ("\ufeffa", "a"),
        ("\ufeff\ufeffa", "\ufeffa"),
        ("\ufeff#!/bin/sh\r\na", "#!/bin/sh\na"),
    ],
)
def test_a_script_that_comes_from_windows_gets_the_line_breaks_of_unix(
    written: str, run: str
) -> None:
    assert unix_script(written) == run


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", []),
        ("echo", []),
        (" #!/bin/sh", []),
        ("#!", []),
        ("#!\n/bin/sh", []),
        ("#!/bin/sh", ["/bin/sh"]),
        ("#! /bin/sh \t\necho", ["/bin/sh"]),
        ("#!/bin/sh -e -u\n", ["/bin/sh", "-e -u"]),
        ("#!/usr/bin/env\t-S python3 -u\n", ["/usr/bin/env", "-S python3 -u"]),
        ("#!/bin/sh -e\r\necho\n", ["/bin/sh", "-e"]),
    ],
)
def test_the_first_line_names_a_program_and_at_most_one_argument(
    script: str, words: list[str]
) -> None:
    assert interpreter_of(script) == words
