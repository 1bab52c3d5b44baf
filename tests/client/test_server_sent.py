"""Server-sent events, taken apart."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tork_core.client.server_sent import Message, Parser

STREAM = (
    b": keeps it open\n\nevent: log\nid: 7\ndata: one\ndata:two\n\n"
    b"data: \xe2\x82\xac\r\n\r\nid: 8\rdata: x\r\rretry: 5\nfoo: bar\n\nevent: lost\n\ndata: y\n\n"
)
MESSAGES = [
    Message("log", "one\ntwo", "7"),
    Message("message", "\u20ac", "7"),
    Message("message", "x", "8"),
    Message("message", "y", "8"),
]


def test_a_stream_becomes_messages() -> None:
    assert list(Parser().feed(STREAM)) == MESSAGES


@given(st.lists(st.integers(0, len(STREAM)), max_size=20).map(sorted))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    parser = Parser()
    places = [0, *cuts, len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]
    assert [message for piece in pieces for message in parser.feed(piece)] == MESSAGES


@pytest.mark.parametrize("broken", [b"data: x", b"data: x\n", b"event: log\nid: 3\n"])
def test_a_message_that_is_not_complete_is_none(broken: bytes) -> None:
    assert list(Parser().feed(broken)) == []
