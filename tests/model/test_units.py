"""Durations, sizes and numbers of CPUs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tork_core.model.units import parse_cpus, parse_duration, parse_memory


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("300ms", 0.3), ("45m", 2700), ("1h", 3600), ("1h30m", 5400), ("1.5h", 5400)),
        *((".5s", 0.5), ("1.s", 1), ("1us", 1e-6), ("1µs", 1e-6), ("1μs", 1e-6), ("1ns", 1e-9)),
        *(("1h1h", 7200), ("1m1ms", 60.001), ("0h1s", 1)),
    ],
)
def test_a_duration_is_its_seconds(text: str, seconds: float):
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "+5s", "5 s", " 5s", "1d", "1h 30m", "1H", "٣s"]
)
def test_anything_else_is_no_duration(text: str):
    with pytest.raises(ValueError, match="is not a duration; write one such as 300ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "0.000ms", "9999999h", f"{'9' * 18}h"])
def test_no_duration_is_zero_or_longer_than_centuries(text: str):
    with pytest.raises(ValueError, match="is no useful duration"):
        parse_duration(text)


def test_a_megabyte_of_parts_is_no_duration():
    with pytest.raises(ValueError, match=r'^"1m1m.*…" is not a duration'):
        parse_duration("1m" * 500_000)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1b", 1), ("10k", 10_240), ("10m", 10 * 1024**2), ("1g", 1024**3), ("1G", 1024**3)],
)
def test_a_size_is_its_bytes(text: str, size: int):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5g", "10 gigs", "10mb", "1t", "١m"])
def test_anything_else_is_no_size(text: str):
    with pytest.raises(ValueError, match="is not a size; write a number followed by b, k, m or g"):
        parse_memory(text)


@pytest.mark.parametrize("text", ["0b", "000g", f"{'9' * 18}g"])
def test_no_size_is_zero_or_beyond_64_bits(text: str):
    with pytest.raises(ValueError, match="is no useful size"):
        parse_memory(text)


@pytest.mark.parametrize(("text", "cpus"), [(".5", 0.5), ("2", 2), ("1.", 1), ("0.25", 0.25)])
def test_cpus_are_a_decimal(text: str, cpus: float):
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", ".", "-1", "1e3", "inf", "nan", "1,5", "500m", "9" * 400])
def test_anything_else_is_no_number_of_cpus(text: str):
    with pytest.raises(ValueError, match=r"is not a number of CPUs; write one such as \.5 or 2"):
        parse_cpus(text)


@pytest.mark.parametrize("text", ["0", "0.0", ".0001", "1000001"])
def test_no_number_of_cpus_is_zero_or_absurd(text: str):
    with pytest.raises(ValueError, match="is no useful number of CPUs"):
        parse_cpus(text)


@given(st.text(alphabet="0123456789.hmsunµ -+e_", max_size=30))
def test_any_text_is_a_duration_in_bounds_or_a_value_error(text: str):
    with contextlib.suppress(ValueError):
        assert 0 < parse_duration(text) < 2**63 / 1e9
