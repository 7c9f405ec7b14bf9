"""Sizes and times are parsed and formatted as systemd does."""

import math
from collections.abc import Callable

import pytest

from scoperun.errors import InvalidValue
from scoperun.spec.properties import microseconds
from scoperun.spec.sizes import (
    INFINITY,
    exact_size,
    format_size,
    format_time,
    parse_positive_size,
    parse_positive_time,
    parse_size,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1", 1),
        ("512B", 512),
        ("20K", 20_480),
        ("20M", 20_971_520),
        (" 20 M ", 20_971_520),
        ("1.5G", 1_610_612_736),
        ("0.3K", 307),
        ("1G 512M", 1_610_612_736),
        ("1G512M", 1_610_612_736),
        ("1M 1", 1_048_577),
        ("2T", 2_199_023_255_552),
        ("1P", 1_125_899_906_842_624),
        ("15E", 17_293_822_569_102_704_640),
        ("18446744073709551614", 2**64 - 2),
        ("infinity", INFINITY),
    ],
)
def test_a_size_is_bytes_or_has_a_suffix_of_base_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "M", "20Q", "20MX", "-1", "+1", "0x10", "1e3", "1.G", "2٣", "20M!", "20 bytes", "1.5.5M", "-20MB"],
)
def test_an_invalid_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_size(text)
    assert refused.value.message == f"{text!r} is not a valid size"
    assert "e.g. 20M or 1.5G, or infinity" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("20m", "20M"),
        ("20MB", "20M"),
        ("20 mb", "20M"),
        ("20MiB", "20M"),
        ("20Mi", "20M"),
        ("1,5G", "1.5G"),
        ("2 gigabytes", None),
        ("2Gbyte", "2G"),
        ("512kB", "512K"),
        (" 1t ", "1T"),
        ("Infinity", "infinity"),
        ("unlimited", "infinity"),
        ("max", "infinity"),
    ],
)
def test_a_size_as_it_is_written_elsewhere_is_refused_with_how_to_write_it(text: str, right: str | None) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_size(text)
    assert refused.value.message == f"{text!r} is not a valid size"
    if right is None:
        assert refused.value.hint is not None
        assert refused.value.hint.startswith("a number with K, M, G or T")
    else:
        assert refused.value.hint == f"write {right}"
        parse_size(right)


@pytest.mark.parametrize(
    ("text", "right"),
    [("90S", "90s"), ("5Min 20S", "5min 20s"), ("2H", "2h"), ("inf", "infinity"), ("None", "infinity")],
)
def test_a_time_in_capitals_is_refused_with_how_to_write_it(text: str, right: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_time(text)
    assert str(refused.value) == f"{text!r} is not a valid time (write {right})"
    parse_time(right)


@pytest.mark.parametrize("text", ["512M 1G", "1G 1G", "1 2", "1 1B"])
def test_the_terms_of_a_size_must_have_descending_units(text: str) -> None:
    with pytest.raises(InvalidValue, match="each unit once, the largest first"):
        parse_size(text)


@pytest.mark.parametrize("text", ["16E", "15E 1024P", "18446744073709551615", "18446744073709551616"])
def test_a_size_of_2_to_the_64_or_more_is_out_of_range(text: str) -> None:
    """The word infinity stands for no limit, so the number 2^64-1 is not a size."""
    with pytest.raises(InvalidValue, match=f"^size '{text}' is out of range"):
        parse_size(text)


def test_an_endless_size_is_refused_like_any_other() -> None:
    """Python's int() refuses 4300 digits with a ValueError, which must not reach the caller."""
    with pytest.raises(InvalidValue):
        parse_size("9" * 5000)


@pytest.mark.parametrize("text", ["1.5", "0.5B"])
def test_a_fraction_of_a_byte_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=f"^size '{text}' has a fraction of a byte"):
        parse_size(text)


def test_0_bytes_are_refused_for_a_process() -> None:
    assert parse_positive_size("1") == 1
    assert parse_positive_size("infinity") == INFINITY
    with pytest.raises(InvalidValue, match=r"^'0K': no process can run in 0 bytes"):
        parse_positive_size("0K")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        (" 90 s ", 90.0),
        (".5", 0.5),
        ("1.5h", 5400.0),
        ("5min 20s", 320.0),
        ("5min20s", 320.0),
        ("20s 5min", 320.0),
        ("2h 30", 7230.0),
        ("250ms", 0.25),
        ("250msec", 0.25),
        ("12 .5", 12.5),
        ("1m", 60.0),
        ("1M", 2_629_800.0),
        ("1d", 86_400.0),
        ("1week", 604_800.0),
        ("2years", 63_115_200.0),
        ("infinity", math.inf),
    ],
)
def test_a_time_is_seconds_or_terms_with_units(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["7us", "7usec", "7µs", "7μs"])
def test_both_letters_mu_mean_micro(text: str) -> None:
    assert microseconds(parse_time(text)) == 7


@pytest.mark.parametrize("text", ["", " ", "s", "-1", "+1", "5 parsecs", "5min-20s", "1e3", "soon", "1:30", "nan"])
def test_an_invalid_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_time(text)
    assert refused.value.message == f"{text!r} is not a valid time"
    assert "e.g. 90, or terms like 5min 20s, or infinity" in str(refused.value.hint)


@pytest.mark.parametrize("parse", [parse_size, parse_time])
def test_a_number_has_at_most_one_point(parse: Callable[[str], float]) -> None:
    """Systemd's parser names 12.34.56 as wrong; it is not the sum of 12.34 and .56."""
    with pytest.raises(InvalidValue, match=r"^'12\.34\.56' is not a valid (size|time)"):
        parse("12.34.56")


@pytest.mark.parametrize("text", ["600000y", "18446744073710", "9" * 400])
def test_a_time_that_64_bits_of_microseconds_cannot_hold_is_out_of_range(text: str) -> None:
    with pytest.raises(InvalidValue, match=f"^time '{text}' is out of range"):
        parse_time(text)


def test_the_longest_time_is_not_infinity() -> None:
    assert microseconds(parse_time("18446744073709")) < INFINITY
    assert microseconds(math.inf) == INFINITY


def test_no_time_is_refused_for_a_command() -> None:
    assert parse_positive_time("1us") == pytest.approx(1e-6)
    with pytest.raises(InvalidValue, match=r"^'0min' is not a time above 0"):
        parse_positive_time("0min")


def test_less_than_a_microsecond_is_no_time() -> None:
    with pytest.raises(InvalidValue, match="is not a time above 0"):
        parse_positive_time("0.1us")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (512, "512B"),
        (1023, "1023B"),
        (1024, "1K"),
        (20 * 1024**2, "20M"),
        (1_677_722, "1.6M"),
        (1024**2 - 1, "1023.9K"),
        (20 * 1024**2 - 1, "19.9M"),
        (1024**3, "1G"),
        (2**64 - 2, "15.9E"),
        (INFINITY, "infinity"),
    ],
)
def test_a_size_is_formatted_with_one_decimal_and_never_rounded_up(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("text", ["20M", "1.5G", "512B", "3T", "infinity"])
def test_a_formatted_size_is_parsed_as_itself(text: str) -> None:
    assert format_size(parse_size(text)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ms"),
        (0.0123, "12ms"),
        (0.212, "212ms"),
        (1.0, "1s"),
        (1.234, "1.234s"),
        (1.25, "1.250s"),
        (60.0, "1min"),
        (320.0, "5min 20s"),
        (3600.0, "1h"),
        (90_061.0, "1d 1h 1min 1s"),
        (math.inf, "infinity"),
    ],
)
def test_a_time_is_formatted_as_by_systemd(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.9996, "1s"), (59.9996, "1min"), (119.9, "2min")])
def test_rounding_carries_into_the_next_unit(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("50%", 500), ("0%", 0), ("100%", 1000), ("12.5%", 125), (" 1% ", 10), ("0.05%", 0), ("99.99%", 999)],
)
def test_a_percentage_is_rounded_down(text: str, size: int) -> None:
    assert parse_size(text, whole=1000) == size


@pytest.mark.parametrize("text", ["101%", "100.1%"])
def test_a_percentage_above_100_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"more than all of it \(at most 100%\)"):
        parse_size(text, whole=1000)


@pytest.mark.parametrize("text", ["-1%", "%", "50 %", "5%%", "1000%", "1e1%", "50%K"])
def test_an_invalid_percentage_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a valid size"):
        parse_size(text, whole=1000)


def test_a_percentage_of_an_unknown_size_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"^'50%' is not a valid size"):
        parse_size("50%")


def test_a_size_does_not_depend_on_the_whole() -> None:
    assert parse_size("20M", whole=1000) == 20 * 1024**2
    assert parse_size("infinity", whole=1000) == INFINITY


def test_a_share_of_less_than_a_byte_is_refused_for_a_process() -> None:
    with pytest.raises(InvalidValue, match="no process can run in 0 bytes"):
        parse_positive_size("0.05%", whole=1000)
    assert parse_positive_size("50%", whole=1000) == 500


def test_a_size_is_written_without_rounding() -> None:
    texts = ["0", "1000", "4K", "1920M", "2G", "1T"]
    assert [exact_size(parse_size(text)) for text in texts] == texts
