"""A property as written in a unit file becomes the name, type and value that systemd's D-Bus interface takes."""

import signal

import pytest
from dbus_next.signature import Variant

from scoperun.errors import InvalidValue
from scoperun.spec.properties import Property, Value, combined, in_bytes, parse_property, property_lines
from scoperun.spec.settings import SETTINGS
from scoperun.spec.sizes import INFINITY
from scoperun.spec.values import UINT32_MAX


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
def test_a_property_has_its_name_and_type_on_the_bus(
    text: str, name: str, signature: str, value: bool | int | str | list[str]
) -> None:
    parsed = parse_property(text)
    assert parsed == Property(name=name, signature=signature, value=value, asked=True)
    assert isinstance(parsed.value, bool) is (signature == "b")


STRUCTURES = [
    ("IOReadBandwidthMax=/dev/sda 1M", "a(st)", [["/dev/sda", 1_000_000]]),
    ("IOWriteBandwidthMax=/dev/sda 1.5G", "a(st)", [["/dev/sda", 1_500_000_000]]),
    ("IOReadIOPSMax=/dev/sda 100", "a(st)", [["/dev/sda", 100]]),
    ("IOWriteIOPSMax=/dev/sda infinity", "a(st)", [["/dev/sda", INFINITY]]),
    ("IODeviceWeight=/dev/sda 200", "a(st)", [["/dev/sda", 200]]),
    ("IODeviceWeight=", "a(st)", []),
    ("AllowedCPUs=0-3,7", "ay", bytes([0x8F, 0, 0, 0, 0, 0, 0, 0])),
    ("StartupAllowedCPUs=8 64", "ay", bytes([0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])),
    ("AllowedMemoryNodes=1", "ay", bytes([2, 0, 0, 0, 0, 0, 0, 0])),
    ("StartupAllowedMemoryNodes=", "ay", b""),
    ("DisableControllers=io cpuset", "as", ["io", "cpuset"]),
    ("DeviceAllow=/dev/null rw", "a(ss)", [["/dev/null", "rw"]]),
    ("DeviceAllow=char-pts", "a(ss)", [["char-pts", ""]]),
    ("DeviceAllow=", "a(ss)", []),
    ("IPAddressAllow=10.1.2.3/8", "a(iayu)", [[2, bytes([10, 1, 2, 3]), 8]]),
    ("IPAddressAllow=::1", "a(iayu)", [[10, bytes(15) + b"\1", 128]]),
    ("IPAddressDeny=any", "a(iayu)", [[2, bytes(4), 0], [10, bytes(16), 0]]),
    ("IPAddressDeny=", "a(iayu)", []),
    ("SocketBindAllow=tcp:1024-2048", "a(iiqq)", [[0, 6, 1025, 1024]]),
    ("SocketBindAllow=ipv6:udp:53", "a(iiqq)", [[10, 17, 1, 53]]),
    ("SocketBindAllow=ipv4:any", "a(iiqq)", [[2, 0, 0, 0]]),
    ("SocketBindAllow=ipv4:tcp", "a(iiqq)", [[2, 6, 0, 0]]),
    ("SocketBindDeny=any", "a(iiqq)", [[0, 0, 0, 0]]),
    ("RestrictNetworkInterfaces=lo eth0", "(bas)", [True, ["lo", "eth0"]]),
    ("RestrictNetworkInterfaces=~eth0", "(bas)", [False, ["eth0"]]),
    ("NFTSet=cgroup:inet:filter:scopes", "a(iiss)", [[3, 1, "filter", "scopes"]]),
    ("BPFProgram=egress:/sys/fs/bpf/x", "a(ss)", [["egress", "/sys/fs/bpf/x"]]),
    ("IPIngressFilterPath=/sys/fs/bpf/x", "as", ["/sys/fs/bpf/x"]),
    ("StartLimitBurst=5", "u", 5),
    ("SuccessActionExitStatus=7", "i", 7),
    ("FailureActionExitStatus=", "i", -1),
    ("ManagedOOMMemoryPressureLimit=100%", "u", UINT32_MAX),
    ("MemoryPressureWatch=skip", "s", "skip"),
    ("MemoryPressureWatch=yes", "s", "on"),
    ("CPUWeight=idle", "t", 0),
    ("KillSignal=RTMAX-1", "i", signal.SIGRTMAX - 1),
    ("KillSignal=RTMIN+30", "i", signal.SIGRTMIN + 30),
    ("KillSignal=RTMAX-30", "i", signal.SIGRTMAX - 30),
    ("After=a\\x2db.service 'c.service'", "as", ["a\\x2db.service", "c.service"]),
    ("Requires=a.service", "as", ["a.service"]),
    ("JoinsNamespaceOf=a.service", "as", ["a.service"]),
    ("StartupMemoryMax=1M", "t", 1_048_576),
    ("DefaultMemoryMin=1M", "t", 1_048_576),
    ("Markers=+needs-restart", "as", ["+needs-restart"]),
    ("OOMRules=one two", "as", ["one", "two"]),
    ("CPUSetPartition=root", "s", "root"),
    ("CPUSetPartition=", "s", ""),
    ("BindNetworkInterface=lo", "s", "lo"),
    ("BindNetworkInterface=", "s", ""),
    ("CPUPressureWatch=no", "s", "off"),
    ("IOPressureWatch=auto", "s", "auto"),
]


@pytest.mark.parametrize(("text", "signature", "value"), STRUCTURES)
def test_a_structure_has_its_type_on_the_bus(text: str, signature: str, value: Value) -> None:
    parsed = parse_property(text)
    assert parsed == Property(name=text.partition("=")[0], signature=signature, value=value)
    Variant(signature, parsed.value)  # type: ignore[no-untyped-call]  # it checks the value, and raises


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IODeviceLatencyTargetSec=/dev/sda 25ms", "IODeviceLatencyTargetUSec"),
        ("JobTimeoutSec=1", "JobTimeoutUSec"),
        ("JobRunningTimeoutSec=1", "JobRunningTimeoutUSec"),
        ("StartLimitIntervalSec=1", "StartLimitIntervalUSec"),
        ("MemoryPressureThresholdSec=1", "MemoryPressureThresholdUSec"),
        ("CPUPressureThresholdSec=1", "CPUPressureThresholdUSec"),
        ("IOPressureThresholdSec=1", "IOPressureThresholdUSec"),
        ("ManagedOOMMemoryPressureDurationSec=1", "ManagedOOMMemoryPressureDurationUSec"),
    ],
)
def test_the_bus_counts_in_microseconds(text: str, name: str) -> None:
    assert parse_property(text).name == name


def test_every_time_setting_has_its_name_on_the_bus() -> None:
    for name, setting in SETTINGS.items():
        assert name.endswith("Sec") is (setting.dbus_name or "").endswith("USec") or name == "CPUQuota"


def test_every_property_of_the_bus_has_one_type() -> None:
    signatures = {(setting.dbus_name or name, setting.signature) for name, setting in SETTINGS.items()}
    assert len(signatures) == len({name for name, _ in signatures})


@pytest.mark.parametrize(
    ("text", "name", "signature", "value"),
    [
        ("Delegate=yes", "Delegate", "b", True),
        ("Delegate=off", "Delegate", "b", False),
        ("Delegate=cpu memory", "DelegateControllers", "as", ["cpu", "memory"]),
        ("Delegate=", "DelegateControllers", "as", []),
    ],
)
def test_delegate_takes_all_or_some_controllers(text: str, name: str, signature: str, value: Value) -> None:
    """DelegateControllers= alone sets Delegate= too; Delegate=true beside it would add every controller."""
    assert parse_property(text) == Property(name=name, signature=signature, value=value)


@pytest.mark.parametrize(
    "text",
    [
        "IOReadBandwidthMax=1M", "IOReadBandwidthMax=/dev/sda", "IOReadBandwidthMax=/dev/sda 1Q",
        "IOReadBandwidthMax=/dev/sda 99999999999999999999", "IOReadBandwidthMax=/dev/sda 1.5", "IODeviceWeight=sda 200",
        "IODeviceWeight=/dev/sda 0", "IODeviceLatencyTargetSec=/dev/sda soon", "AllowedCPUs=3-1", "AllowedCPUs=a",
        "AllowedCPUs=8192", "AllowedCPUs=99999999999", "DeviceAllow=null rw", "DeviceAllow=/dev/null x",
        "IPAddressAllow=10.0.0.0/33", "IPAddressAllow=10.0.0.0/255.0.0.0", "IPAddressAllow=fe80::1%eth0",
        "IPAddressAllow=example.org", "SocketBindAllow=tcp:", "SocketBindAllow=tcp:0", "SocketBindAllow=tcp:9-8",
        "SocketBindAllow=tcp:65536", "SocketBindAllow=sctp:1", "NFTSet=cgroup:inet:filter", "NFTSet=x:inet:a:b",
        "BPFProgram=egress", "After='a", "StartLimitBurst=-1", "StartLimitBurst=4294967296",
        "SuccessActionExitStatus=256", "ManagedOOMMemoryPressureLimit=101%", "ManagedOOMMemoryPressureLimit=5",
        "MemoryPressureWatch=perhaps", "DevicePolicy=open", "KillSignal=RTMAX-99", "After=caf\udce9",
        "IOReadBandwidthMax=/dev/caf\udce9 1", "Description=a\0b",
    ],
)  # fmt: skip
def test_a_bad_structure_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(text)
    assert refused.value.message.startswith(f"{text.partition('=')[0]}=")
    assert "\n" not in str(refused.value)


GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("MemoryMax=50%", "MemoryMax", GIB // 2),
        ("MemoryHigh=12.5%", "MemoryHigh", GIB // 8),
        ("MemorySwapMax=0%", "MemorySwapMax", 0),
        ("MemoryZSwapMax=100%", "MemoryZSwapMax", GIB),
        ("StartupMemoryMax=25%", "StartupMemoryMax", GIB // 4),
    ],
)
def test_a_share_of_memory_is_bytes_if_the_size_of_memory_is_known(text: str, name: str, value: int) -> None:
    """It is compared with the kernel's value, which is in bytes."""
    assert parse_property(text, physical_memory=GIB) == Property(name=name, signature="t", value=value)
    assert in_bytes(text, physical_memory=GIB) == f"{name}={value}"
    with pytest.raises(InvalidValue) as refused:
        parse_property(text)
    assert str(refused.value) == f"{text}: a percentage of memory whose size is not known here (write bytes, e.g. 512M)"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("TasksMax=10%", "TasksMaxScale", 429_496_730),
        ("MemoryMin=50%", "MemoryMinScale", 2_147_483_648),
        ("MemoryLow=100%", "MemoryLowScale", UINT32_MAX),
        ("MemoryLow=0%", "MemoryLowScale", 0),
        ("DefaultMemoryLow=100%", "DefaultMemoryLowScale", UINT32_MAX),
    ],
)
def test_other_shares_are_left_to_systemd(text: str, name: str, value: int) -> None:
    """On the scale, 100% is 2^32-1, rounded as systemd-run does."""
    assert parse_property(text) == Property(name=name, signature="u", value=value)
    assert in_bytes(text, physical_memory=GIB) == text


@pytest.mark.parametrize("text", ["MemoryMax=101%", "MemoryMax=%", "MemoryMax=0%", "TasksMax=9.001%", "TasksMax=101%"])
def test_an_invalid_share_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{text}: "):
        in_bytes(text, physical_memory=GIB)


@pytest.mark.parametrize("text", ["MemoryMax=20M", "CPUQuota=50%", "Description=50%", "TasksMax=5"])
def test_other_values_are_unchanged(text: str) -> None:
    assert in_bytes(text, physical_memory=GIB) == text


def test_a_file_of_properties_has_one_per_line() -> None:
    text = "# build\n\nMemoryMax=20M\n  ; more\n  Description=a = b #c  \r\nAfter=x.service"
    assert property_lines(text) == ["MemoryMax=20M", "Description=a = b #c", "After=x.service"]
    assert property_lines("") == []


def test_lists_add_up_until_an_empty_one_and_of_other_properties_the_last_counts() -> None:
    """Unit files have the same rule."""
    texts = ["After=a", "AllowedCPUs=1", "TasksMax=1", "Wants=x", "After=b", "AllowedCPUs=0", "Wants=", "TasksMax=2"]
    texts += ["RestrictNetworkInterfaces=lo", "RestrictNetworkInterfaces=~eth0", "Wants=y", "DeviceAllow=/dev/null"]
    assert {each.name: each.value for each in combined(map(parse_property, texts))} == {
        "After": ["a", "b"],
        "AllowedCPUs": bytes([1, 0, 0, 0, 0, 0, 0, 0]),
        "TasksMax": 2,
        "Wants": ["y"],
        "RestrictNetworkInterfaces": [False, ["eth0"]],
        "DeviceAllow": [["/dev/null", ""]],
    }


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["MemoryLow=1G", "MemoryLow=10%", "MemoryLow=2G"], ["MemoryLow=2G"]),
        (["MemoryLow=10%", "MemoryLow=2G", "MemoryLow=20%"], ["MemoryLow=20%"]),
        (["MemoryLow=1G", "MemoryMin=10%"], ["MemoryLow=1G", "MemoryMin=10%"]),
        (["Delegate=yes", "Delegate=cpu", "Delegate=no"], ["Delegate=cpu", "Delegate=no"]),
    ],
)
def test_the_last_of_a_number_and_a_share_is_sent_last(texts: list[str], left: list[str]) -> None:
    """On the bus a share is a separate property, and of the two systemd takes the later one."""
    assert combined(map(parse_property, texts)) == [parse_property(text) for text in left]


def test_an_empty_list_is_sent_because_it_resets_systemds() -> None:
    (only,) = combined(map(parse_property, ["After=a", "After="]))
    assert only.value == []


@pytest.mark.parametrize("word", ["1", "yes", "Yes", "y", "true", "TRUE", "t", "on"])
def test_yes_has_many_spellings(word: str) -> None:
    assert parse_property(f"SendSIGKILL={word}").value is True


@pytest.mark.parametrize("word", ["0", "no", "n", "False", "f", "off"])
def test_no_has_many_spellings(word: str) -> None:
    assert parse_property(f"SendSIGKILL={word}").value is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MemoryMax=20Q", "MemoryMax=20Q: '20Q' is not a valid size"),
        ("MemoryMax=", "MemoryMax=: '' is not a valid size"),
        ("MemoryMax=0", "MemoryMax=0: '0': no process can run in 0 bytes"),
        ("MemoryMax=16E", "MemoryMax=16E: size '16E' is out of range"),
        ("RuntimeMaxSec=soon", "RuntimeMaxSec=soon: 'soon' is not a valid time"),
        ("TasksMax=0", "TasksMax=0: no process can run among 0 tasks"),
        ("TasksMax=-1", "TasksMax=-1: '-1' is not a whole number"),
        ("TasksMax=1.5", "TasksMax=1.5: '1.5' is not a whole number"),
        ("TasksMax=٣", "TasksMax=٣: '٣' is not a whole number"),
        (
            "TasksMax=18446744073709551616",
            "TasksMax=18446744073709551616: '18446744073709551616' is not a whole number",
        ),
        ("CPUWeight=0", "CPUWeight=0: '0' is not a valid weight"),
        ("CPUWeight=10001", "CPUWeight=10001: '10001' is not a valid weight"),
        ("CPUWeight=infinity", "CPUWeight=infinity: 'infinity' is not a valid weight"),
        ("CPUQuota=50", "CPUQuota=50: not a share of a processor"),
        ("CPUQuota=0%", "CPUQuota=0%: not a share of a processor"),
        ("CPUQuota=-5%", "CPUQuota=-5%: not a share of a processor"),
        ("CPUQuota=%", "CPUQuota=%: not a share of a processor"),
        ("SendSIGKILL=maybe", "SendSIGKILL=maybe: neither yes nor no"),
        ("OOMPolicy=never", "OOMPolicy=never: not a word that this property knows"),
        ("KillSignal=SIGNOTHING", "KillSignal=SIGNOTHING: not a signal"),
        ("KillSignal=0", "KillSignal=0: not a signal"),
        ("KillSignal=65", "KillSignal=65: not a signal"),
        ("KillSignal=", "KillSignal=: not a signal"),
        ("KillSignal=RTMAX-60", "KillSignal=RTMAX-60: not a signal"),
        ("KillSignal=RTMAX-31", "KillSignal=RTMAX-31: not a signal"),
        ("KillSignal=RTMIN+31", "KillSignal=RTMIN+31: not a signal"),
        ("Description=", "Description=: the value is empty"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(text)
    assert refused.value.message == reason


def test_a_bad_word_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(InvalidValue, match=r"\(one of stop, continue, kill\)$"):
        parse_property("OOMPolicy=never")


@pytest.mark.parametrize(
    "text",
    ["TasksMax=" + "9" * 5000, "KillSignal=" + "9" * 5000, "CPUQuota=" + "9" * 400 + "%", "CPUQuota=" + "9" * 30 + "%"],
    ids=lambda text: f"{text[:12]}...",
)
def test_an_endless_number_is_refused_like_any_other(text: str) -> None:
    """A D-Bus `t` has 64 bits, int() refuses 4300 digits, float() returns inf: the caller sees none of these errors."""
    with pytest.raises(InvalidValue):
        parse_property(text)


def test_a_text_that_d_bus_cannot_carry_is_refused() -> None:
    """D-Bus strings are UTF-8: other bytes in argv cannot be sent."""
    with pytest.raises(InvalidValue):
        parse_property("Description=caf\udce9")


@pytest.mark.parametrize("text", ["MemoryMax", "", "20M"])
def test_a_text_without_an_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is not of the form NAME=VALUE \(e\.g\. MemoryHigh=15M\)$"):
        parse_property(text)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Environment", "`context.environment=NAME=VALUE`"), ("EnvironmentFile", "`context.environment=NAME=VALUE`"),
        ("PassEnvironment", "`context.environment=NAME=VALUE`"),
        ("UnsetEnvironment", "env -u"), ("LimitAS", "prlimit "), ("LimitNOFILE", "prlimit "),
        ("Nice", "`context.nice=N`"), ("OOMScoreAdjust", "`context.oom_score_adj=N`"),
        ("WorkingDirectory", "`context.working_directory=DIR`"),
        ("UMask", "umask 077"),
        ("CPUAffinity", "AllowedCPUs="), ("CPUSchedulingPolicy", "chrt "), ("IOSchedulingClass", "ionice "),
        ("StandardOutput", "redirections"), ("NoNewPrivileges", "setpriv "), ("PrivateTmp", "bwrap "),
        ("ProtectSystem", "bwrap "), ("ReadOnlyPaths", "bwrap "), ("SystemCallFilter", "bwrap "),
        ("DynamicUser", "`context.user=USER`"), ("SupplementaryGroups", "`context.group=GROUP`"),
        ("ExecStart", "systemd-run "),
        ("ExecStartPost", "systemd-run "), ("Restart", "systemd-run "), ("RestartSec", "systemd-run "),
        ("Type", "systemd-run "), ("WatchdogSec", "systemd-run "),
    ],
)  # fmt: skip
def test_a_setting_of_services_is_refused_with_its_replacement(name: str, instead: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{name}=1")
    assert refused.value.message.startswith(f"{name}= does not exist for scopes")
    assert instead in str(refused.value.hint)


@pytest.mark.parametrize(("name", "field"), [("User", "`context.user=USER`"), ("Group", "`context.group=GROUP`")])
def test_user_is_not_taken_for_the_user_that_runs_the_command(name: str, field: str) -> None:
    """Scopes have User= and Group=, but the command would still run as root."""
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{name}=nobody")
    assert str(refused.value).startswith(
        f"{name}= of a scope is the owner of its cgroup and does not affect the command ({field} "
    )


@pytest.mark.parametrize(
    ("legacy", "modern"),
    [
        ("MemoryLimit", "MemoryMax"), ("CPUShares", "CPUWeight"), ("StartupCPUShares", "StartupCPUWeight"),
        ("BlockIOAccounting", "IOAccounting"), ("BlockIOWeight", "IOWeight"),
        ("StartupBlockIOWeight", "StartupIOWeight"), ("BlockIODeviceWeight", "IODeviceWeight"),
        ("BlockIOReadBandwidth", "IOReadBandwidthMax"), ("BlockIOWriteBandwidth", "IOWriteBandwidthMax"),
    ],
)  # fmt: skip
def test_a_setting_of_cgroup_v1_is_refused_with_its_successor(legacy: str, modern: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{legacy}=1")
    assert str(refused.value) == f"{legacy}= belongs to cgroup v1 and has no effect (write {modern}=)"
    assert modern in SETTINGS


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("ConditionPathExists=/x", "Conditions", [["ConditionPathExists", False, False, "/x"]]),
        ("ConditionPathExists=!/x", "Conditions", [["ConditionPathExists", False, True, "/x"]]),
        ("AssertMemory=|>1G", "Asserts", [["AssertMemory", True, False, ">1G"]]),
        ("AssertUser=|!root", "Asserts", [["AssertUser", True, True, "root"]]),
        ("ConditionACPower=", "Conditions", []),
    ],
)
def test_conditions_become_one_property_and_asserts_another(text: str, name: str, value: Value) -> None:
    assert parse_property(text) == Property(name=name, signature="a(sbbs)", value=value)
    Variant("a(sbbs)", value)  # type: ignore[no-untyped-call]  # it checks the value, and raises


def test_an_unknown_condition_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        InvalidValue, match=r"^unknown property 'ConditionPathExist' \(did you mean ConditionPathExists=\?\)$"
    ):
        parse_property("ConditionPathExist=/x")


@pytest.mark.parametrize("name", ["PIDs", "PIDFDs", "AddRef", "CollectMode", "Controller"])
def test_a_property_that_scoperun_sets_itself_is_refused(name: str) -> None:
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
def test_an_unknown_name_is_refused_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property(f"{wrong}=20M")
    assert str(refused.value) == f"unknown property {wrong!r} (did you mean {right}=?)"


def test_without_a_near_name_the_manual_is_named() -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_property("Xyzzy=1")
    assert str(refused.value) == "unknown property 'Xyzzy' (see systemd.scope(5) and systemd.resource-control(5))"
