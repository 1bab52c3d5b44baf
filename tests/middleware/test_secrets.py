"""Secrets are found in any text, as they are and encoded."""

from __future__ import annotations

import base64
import itertools
import json
import textwrap
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tork_core.middleware.secrets import SecretFilter, Secrets
from tork_core.model.secret_names import REDACTED

SECRET = "p@ss w/rd+&é"


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    secrets = Secrets([SECRET])
    assert secrets.hide(f"a{SECRET}b {SECRET}") == f"a{REDACTED}b {REDACTED}"
    assert secrets.hide("nothing to see") == "nothing to see"


def test_the_longest_secret_goes_first() -> None:
    assert Secrets(["hunter", "hunter2!"]).hide("hunter2! hunter3") == f"{REDACTED} {REDACTED}3"


def test_overlapping_secrets_leave_no_rest() -> None:
    assert Secrets(["abcdef", "defghi"]).hide("xabcdefghix") == f"x{REDACTED}x"
    assert Secrets(["abab"]).hide("xabababx") == f"x{REDACTED}x"


def test_short_values_are_not_looked_for() -> None:
    assert not Secrets(["", "a", "abc", "  ab\n"])
    assert Secrets(["abc"]).hide("abc") == "abc"


def test_every_line_of_a_secret_is_one_but_for_short_lines() -> None:
    secrets = Secrets(["-----BEGIN-----\n  MIIEabcd\r\nxy\n-----END-----\n"])
    assert secrets.hide("key: MIIEabcd") == f"key: {REDACTED}"
    assert secrets.hide("-----BEGIN----- and xy") == f"{REDACTED} and xy"


@pytest.mark.parametrize(
    "encode",
    [
        lambda s: quote(s),
        lambda s: quote(s, safe=""),
        lambda s: quote(s, safe="!'()*"),  # encodeURIComponent
        lambda s: quote(s, safe="!'()*;,/?:@&=+$#"),  # encodeURI
        lambda s: quote_plus(s, safe="*"),  # URLSearchParams
        lambda s: quote(s, safe="").lower(),
        quote_plus,
        lambda s: json.dumps(s)[1:-1],
        lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    ],
)
def test_a_secret_is_hidden_in_urls_and_json(encode) -> None:
    secret = 'Pa"ss/w rd+&é!(o)*\n2'.replace("P", "p")
    assert Secrets([secret]).hide(f"x={encode(secret)}&y") == f"x={REDACTED}&y"


@pytest.mark.parametrize(
    "printed",
    [
        """it'\\''s "so" $HOME `x` <b>&\\x""",
        """it'"'"'s "so" $HOME `x` <b>&\\x""",
        """it's \\"so\\" \\$HOME \\`x\\` <b>&\\\\x""",
        """it\\'s "so" $HOME `x` <b>&\\\\x""",
        """it's "so" $HOME `x` &lt;b&gt;&amp;\\x""",
        """it&#x27;s &quot;so&quot; $HOME `x` &lt;b&gt;&amp;\\x""",
        """it&#39;s &quot;so&quot; $HOME `x` &lt;b&gt;&amp;\\x""",
    ],
)
def test_a_secret_is_hidden_as_shells_python_and_html_print_it(printed: str) -> None:
    secret = """it's "so" $HOME `x` <b>&\\x"""
    assert Secrets([secret]).hide(f"+ echo '{printed}'") == f"+ echo '{REDACTED}'"


def test_a_secret_of_several_lines_is_hidden_as_shells_print_it_in_one() -> None:
    secret = "one\ntwo\tx\r\n\x1b[1mthree"
    assert Secrets([secret]).hide(r"+ : $'one\ntwo\tx\r\n\E[1mthree'") == f"+ : $'{REDACTED}'"
    assert Secrets(["пар\x01"]).hide(r"x=$'\320\277\320\260\321\200\001'") == f"x=$'{REDACTED}'"


@pytest.mark.parametrize(
    ("secret", "printed"),
    [
        ("correct  horse\t battery", "correct horse battery"),
        ("ab\ncd\nef\n", "ab cd ef"),
        ("two  blanks\nand  lines", "two blanks and lines"),
        ("two  blanks\nand  lines", "and lines"),
        ("from\r\nwindows  now", "from\r windows now"),
        ("no\u00a0\u00a0break", "no\u00a0\u00a0break"),
    ],
)
def test_a_secret_is_hidden_as_it_is_printed_without_quotes(secret: str, printed: str) -> None:
    assert Secrets([secret]).hide(f"+ echo {printed}.") == f"+ echo {REDACTED}."


def test_a_secret_that_is_short_without_its_blanks_does_not_blacken_a_text() -> None:
    secrets = Secrets(["a \n b"])
    assert secrets.hide("grab a bag: a \n b") == f"grab a bag: {REDACTED}"


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_hidden_in_base64_wherever_it_lies_in_the_groups(
    before: str, after: str, encode
) -> None:
    secret = "hunter2?>~~ÿÿ"
    encoded = encode(f"{before}{secret}{after}".encode()).decode()
    shown = Secrets([secret]).hide(encoded)
    assert REDACTED in shown
    rest = "".join(shown.split(REDACTED))
    assert len(rest) <= len(encoded) - len(base64.b64encode(secret.encode()).rstrip(b"=")) + 4


def test_a_secret_is_hidden_in_base64_that_is_wrapped() -> None:
    secret = "0123456789abcdefghij" * 4
    encoded = base64.b64encode(f"token {secret}".encode()).decode()
    for break_ in ("\n", "\r\n"):
        for width in (10, 64, 76):
            shown = Secrets([secret]).hide(break_.join(textwrap.wrap(encoded, width)))
            assert len(shown) < 30


WORDS = st.sampled_from(
    ["hunter2!", "hunt", "er2!", "line one", "\n", "line two", "aHVudGVyMiE", "aHVu", "x", "2!h"]
)


@given(st.lists(WORDS, max_size=12), st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=500, deadline=None)
def test_a_log_in_pieces_is_hidden_as_if_it_were_whole(words: list[str], cuts: list[int]) -> None:
    secrets = Secrets(["hunter2!", "line one\nline two", "2!hunt"])
    text = "".join(words)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown = SecretFilter(secrets)
    pieces = [shown.feed(text[a:b]) for a, b in itertools.pairwise(places)]
    assert "".join([*pieces, shown.flush()]) == secrets.hide(text)


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_no_text_shows_a_secret(secret: str, before: str, after: str) -> None:
    if len(secret.strip()) >= 4:
        assert secret.strip() not in Secrets([secret]).hide(before + secret + after)


def test_a_log_stays_live_only_what_may_become_a_secret_is_held() -> None:
    shown = SecretFilter(Secrets(["hunter2!"]))
    assert shown.feed("step 1 of 3\n") == "step 1 of 3\n"
    assert shown.feed("go hunt") == "go "
    assert shown.feed("ing\n") == "hunting\n"
    assert shown.feed("hunter2!") == REDACTED


def test_a_secret_cut_into_single_characters_is_hidden() -> None:
    shown = SecretFilter(Secrets([SECRET]))
    pieces = [shown.feed(char) for char in f"a {SECRET} b"]
    assert "".join([*pieces, shown.flush()]) == f"a {REDACTED} b"


def test_what_is_held_is_no_longer_than_the_longest_form() -> None:
    shown = SecretFilter(Secrets(["aaaaaaaa"]))
    total = sum(len(shown.feed("a" * 1000)) for _ in range(50))
    assert total < 50_000
    assert len(shown._held) < 40  # pyright: ignore[reportPrivateUsage]


def test_no_text_takes_long() -> None:
    started = time.process_time()
    Secrets(["a" * 30_000]).hide("a" * 100_000)
    Secrets([f"{i:05}-secret" for i in range(500)]).hide("00001-secre" * 10_000)
    assert time.process_time() - started < 3
