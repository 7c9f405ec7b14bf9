"""A property that a person writes as in a unit file becomes a name, type and value that systemd's D-Bus takes."""

import signal

import pytest

from scoperun.errors import InvalidValue
from scoperun.properties import Property, parse_property
from scoperun.sizes import INFINITY


@pytest.mark.parametrize(
    ("text", "name", "signature", "value"),
    [
        ("MemoryMax=20M", "MemoryMax", "t", 20_971_520),
        ("MemoryHigh=infinity", "MemoryHigh", "t", INFINITY),
        ("MemoryMin=0", "MemoryMin", "t", 0),
        ("MemoryLow=1K", "MemoryLow", "t", 1024),
        ("MemorySwapMax=0", "MemorySwapMax", "t", 0),
        ("MemoryZSwapMax=1M", "MemoryZSwapMax", "t", 1_048_576),
        ("MemoryZSwapWriteback=no", "MemoryZSwapWriteback", "b", False),
        ("MemoryAccounting=yes", "MemoryAccounting", "b", True),
        ("TasksAccounting=on", "TasksAccounting", "b", True),
        ("TasksMax=100", "TasksMax", "t", 100),
        ("TasksMax=infinity", "TasksMax", "t", INFINITY),
        ("CPUWeight=10000", "CPUWeight", "t", 10_000),
        ("IOWeight=1", "IOWeight", "t", 1),
        ("CPUQuota=50%", "CPUQuotaPerSecUSec", "t", 500_000),
        ("CPUQuota=200%", "CPUQuotaPerSecUSec", "t", 2_000_000),
        ("CPUQuota=0.01%", "CPUQuotaPerSecUSec", "t", 100),
        ("CPUQuotaPeriodSec=10ms", "CPUQuotaPeriodUSec", "t", 10_000),
        ("RuntimeMaxSec=5min 20s", "RuntimeMaxUSec", "t", 320_000_000),
        ("RuntimeMaxSec=infinity", "RuntimeMaxUSec", "t", INFINITY),
        ("TimeoutStopSec=90", "TimeoutStopUSec", "t", 90_000_000),
        ("OOMPolicy=continue", "OOMPolicy", "s", "continue"),
        ("KillMode=mixed", "KillMode", "s", "mixed"),
        ("KillSignal=SIGINT", "KillSignal", "i", int(signal.SIGINT)),
        ("KillSignal=INT", "KillSignal", "i", int(signal.SIGINT)),
        ("KillSignal=2", "KillSignal", "i", 2),
        ("KillSignal=SIGRTMIN+3", "KillSignal", "i", signal.SIGRTMIN + 3),
        ("SendSIGHUP=true", "SendSIGHUP", "b", True),
        ("ManagedOOMPreference=avoid", "ManagedOOMPreference", "s", "avoid"),
        ("Delegate=yes", "Delegate", "b", True),
        ("Description=a = b", "Description", "s", "a = b"),
        ("Slice=app.slice", "Slice", "s", "app.slice"),
        ("After=a.service b.service", "After", "as", ["a.service", "b.service"]),
        ("Wants=", "Wants", "as", []),
    ],
)
def test_a_property_has_the_name_and_type_of_the_bus(
    text: str, name: str, signature: str, value: bool | int | str | list[str]
) -> None:
    parsed = parse_property(text)
    assert parsed == Property(name=name, signature=signature, value=value, asked=True)
    assert isinstance(parsed.value, bool) is (signature == "b")


@pytest.mark.parametrize("word", ["1", "yes", "Yes", "y", "true", "TRUE", "t", "on"])
def test_yes_has_many_words(word: str) -> None:
    assert parse_property(f"SendSIGKILL={word}").value is True


@pytest.mark.parametrize("word", ["0", "no", "n", "False", "f", "off"])
def test_no_has_many_words(word: str) -> None:
    assert parse_property(f"SendSIGKILL={word}").value is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MemoryMax=20Q", "MemoryMax=20Q: '20Q' cannot be read"),
        ("MemoryMax=", "MemoryMax=: '' cannot be read"),
        ("MemoryMax=0", "MemoryMax=0: '0': no process can run in 0 bytes"),
        ("MemoryMax=16E", "MemoryMax=16E: size '16E' is out of range"),
        ("RuntimeMaxSec=soon", "RuntimeMaxSec=soon: 'soon' cannot be read"),
        ("TasksMax=0", "TasksMax=0: no process can run among 0 tasks"),
        ("TasksMax=-1", "TasksMax=-1: not a whole number"),
        ("TasksMax=1.5", "TasksMax=1.5: not a whole number"),
        ("TasksMax=٣", "TasksMax=٣: not a whole number"),
        ("TasksMax=18446744073709551616", "TasksMax=18446744073709551616: not a whole number"),
        ("CPUWeight=0", "CPUWeight=0: not a weight"),
        ("CPUWeight=10001", "CPUWeight=10001: not a weight"),
        ("CPUWeight=infinity", "CPUWeight=infinity: not a weight"),
        ("CPUQuota=50", "CPUQuota=50: not a share of a processor"),
        ("CPUQuota=0%", "CPUQuota=0%: not a share of a processor"),
        ("CPUQuota=-5%", "CPUQuota=-5%: not a share of a processor"),
        ("CPUQuota=%", "CPUQuota=%: not a share of a processor"),
        ("SendSIGKILL=maybe", "SendSIGKILL=maybe: neither yes nor no"),
        ("OOMPolicy=never", "OOMPolicy=never: not a word of this property"),
        ("KillSignal=SIGNOTHING", "KillSignal=SIGNOTHING: not a signal"),
        ("KillSignal=0", "KillSignal=0: not a signal"),
        ("KillSignal=65", "KillSignal=65: not a signal"),
        ("KillSignal=", "KillSignal=: not a signal"),
        ("Description=", "Description=: the value is empty"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(text)
    assert refused.value.message == reason


def test_a_refused_word_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidValue, match=r"\(one of stop, continue, kill\)$"):
        parse_property("OOMPolicy=never")


@pytest.mark.parametrize(
    "text",
    ["TasksMax=" + "9" * 5000, "KillSignal=" + "9" * 5000, "CPUQuota=" + "9" * 400 + "%", "CPUQuota=" + "9" * 30 + "%"],
    ids=lambda text: f"{text[:12]}...",
)
def test_a_number_without_end_is_refused_as_any_other(text: str) -> None:
    """A D-Bus `t` has 64 bits, int() gives up at 4300 digits, and float() says inf: none of it reaches the caller."""
    with pytest.raises(InvalidValue):
        parse_property(text)


def test_a_text_that_the_bus_cannot_carry_is_refused() -> None:
    """D-Bus strings are UTF-8: a byte of argv that is none cannot be sent."""
    with pytest.raises(InvalidValue):
        parse_property("Description=caf\udce9")


@pytest.mark.parametrize("text", ["MemoryMax", "", "20M"])
def test_what_has_no_equals_sign_is_no_property(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is not of the form NAME=VALUE \(as MemoryHigh=15M\)$"):
        parse_property(text)


@pytest.mark.parametrize(
    "name",
    [
        "Environment", "EnvironmentFile", "PassEnvironment", "LimitAS", "LimitNOFILE", "Nice", "OOMScoreAdjust",
        "WorkingDirectory", "UMask", "PrivateTmp", "ProtectSystem", "StandardOutput", "ExecStart", "Restart", "Type",
    ],
)  # fmt: skip
def test_a_setting_of_services_is_refused_with_what_does_it_here(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{name}=1")
    assert refused.value.message.startswith(f"{name}= does not exist for scopes")
    assert refused.value.hint == "set it on the command itself, with env, nice, prlimit or a shell"


@pytest.mark.parametrize("name", ["PIDs", "PIDFDs", "AddRef", "CollectMode", "Controller"])
def test_what_scoperun_sets_itself_is_not_for_others_to_set(name: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{name}= is set by scoperun itself$"):
        parse_property(f"{name}=1")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("MemoryMx", "MemoryMax"),
        ("memorymax", "MemoryMax"),
        ("TaskMax", "TasksMax"),
        ("RuntimeMaxUSec", "RuntimeMaxSec"),
        ("OomPolicy", "OOMPolicy"),
    ],
)
def test_the_nearest_name_is_offered_for_an_unknown_one(wrong: str, right: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{wrong}=20M")
    assert str(refused.value) == f"unknown property {wrong!r} (did you mean {right}=?)"


def test_where_nothing_is_near_the_manual_is_named() -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property("Xyzzy=1")
    assert str(refused.value) == "unknown property 'Xyzzy' (see systemd.scope(5) and systemd.resource-control(5))"
