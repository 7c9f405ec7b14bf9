"""A config file gives the options that the command line leaves out; a mistake in it is reported with its line."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scoperun.cli.options import CommandLine, Output, parse
from scoperun.console.config import Config, Key, Kind, merged, parse_config
from scoperun.console.config_files import SYSTEM_FILE, check_home, command_names, config_paths, read_config
from scoperun.console.paths import Trusted
from scoperun.console.trusted_file import distrust
from scoperun.errors import InvalidValue
from scoperun.spec.limits import OOMPolicy
from scoperun.spec.properties import parse_property
from scoperun.spec.request import RunRequest

pytestmark = pytest.mark.usefixtures("config")

MiB = 1024**2

KEYS = {
    "mem": Key(kind=Kind.NUMBER, sets=lambda _: "MemoryMax"),
    "slice": Key(kind=Kind.TEXT),
    "quiet": Key(kind=Kind.FLAG),
    "property": Key(kind=Kind.LIST, sets=lambda text: parse_property(text).name),
}


def asked(*argv: str) -> CommandLine:
    parsed = parse(list(argv))
    assert parsed is not None
    return parsed


def refusal(*argv: str) -> str:
    with pytest.raises(InvalidValue) as refused:
        parse(list(argv))
    line = str(refused.value)
    assert "\n" not in line
    return line


def read(text: str, file: str = "config.toml") -> Config:
    return parse_config(text, file=file, keys=KEYS)


def test_without_a_file_nothing_changes() -> None:
    assert asked("true").request.limits.memory_max is None


def test_a_profile_sets_options_of_every_kind(config: Path) -> None:
    config.write_text("""
[profiles.build]
mem = "4G"
swap = 0
zswap = "1M"
cpus = 0.5
cpu-weight = 50
tasks = 100
timeout = "5min"
kill-after = 1.5
oom-policy = "continue"
property = ["MemoryHigh=3G"]
setenv = ["A=1", "B=2"]
require-limits = false
quiet = true
wait = true
slice = "heavy"
working-directory = "/"
nice = -5
uid = 1000
oom-exit-code = 99
""")
    parsed = asked("-P", "build", "make")
    request, output = parsed.request, parsed.output
    limits = request.limits
    assert (limits.memory_max, limits.memory_swap_max, limits.memory_zswap_max) == (4096 * MiB, 0, MiB)
    assert (limits.cpu_quota, limits.cpu_weight, limits.tasks_max) == (0.5, 50, 100)
    assert (limits.runtime_max, limits.timeout_stop) == (300, 1.5)
    assert limits.oom_policy is OOMPolicy.CONTINUE
    assert request.properties == ("MemoryHigh=3G",)
    assert request.context.environment == ("A=1", "B=2")
    assert (request.context.nice, request.context.user, request.context.working_directory) == (-5, "1000", "/")
    assert (request.require_limits, request.wait, request.slice) == (False, True, "heavy.slice")
    assert (output.quiet, output.oom_exit_code) == (True, 99)


def test_the_command_line_overrides_the_profile_and_the_profile_overrides_the_defaults(config: Path) -> None:
    config.write_text('[defaults]\nmem = "1M"\ntasks = 1\nswap = "1M"\n[profiles.p]\nmem = "2M"\ntasks = 2\n')
    limits = asked("--profile=p", "--mem", "3M", "true").request.limits
    assert (limits.memory_max, limits.tasks_max, limits.memory_swap_max) == (3 * MiB, 2, MiB)
    assert asked("true").request.limits.tasks_max == 1


def test_a_flag_of_a_file_can_be_reset_if_the_option_has_an_opposite(config: Path) -> None:
    flags = ["system", "wait", "kill-leftovers", "json", "quiet", "slice-inherit"]
    config.write_text("[defaults]\nrequire-limits = false\n" + "".join(f"{flag} = true\n" for flag in flags))
    contraries = ["--require-limits", "--user", *(f"--no-{flag}" for flag in flags[1:])]
    parsed = asked(*contraries, "true")
    assert (parsed.request, parsed.output) == (RunRequest(command=("true",)), Output())


def test_lists_add_up_from_defaults_to_command_line(config: Path) -> None:
    config.write_text(
        '[defaults]\nproperty = ["TasksMax=1"]\nsetenv = ["A=0"]\n'
        '[profiles.p]\nproperty = ["TasksMax=2"]\nsetenv = ["A=1"]\n'
    )
    request = asked("-P", "p", "-p", "TasksMax=3", "-E", "A=2", "true").request
    assert request.properties == ("TasksMax=1", "TasksMax=2", "TasksMax=3")
    assert request.context.environment == ("A=0", "A=1", "A=2")
    assert [each.value for each in request.scope_properties() if each.name == "TasksMax"] == [3]


def test_a_share_of_memory_is_of_this_machines(config: Path) -> None:
    config.write_text('[defaults]\nmem-high = "50%"\nproperty = ["MemoryMax=50%"]\n')
    request = asked("true").request
    assert request.properties == (f"MemoryMax={request.limits.memory_high}",)


def test_a_variable_without_a_value_is_inherited(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "here")
    config.write_text('[defaults]\nsetenv = ["WORD"]\n')
    assert asked("true").request.context.environment == ("WORD=here",)


def test_an_option_of_the_command_line_overrides_the_same_property_of_a_file(config: Path) -> None:
    config.write_text('[defaults]\nproperty = ["MemoryMax=1M", "CPUQuota=50%", "TasksMax=1"]\n')
    request = asked("--mem", "3M", "--cpus", "2", "true").request
    assert request.properties == ("TasksMax=1",)


def test_an_option_of_the_command_line_overrides_the_same_property_as_a_share(config: Path) -> None:
    config.write_text('[defaults]\nproperty = ["TasksMax=50%", "MemoryLow=10%"]\n')
    assert asked("--tasks", "5", "true").request.properties == ("MemoryLow=10%",)


def test_an_option_of_a_profile_overrides_the_same_property_of_the_defaults(config: Path) -> None:
    config.write_text('[defaults]\nproperty = ["MemoryMax=1M"]\n[profiles.p]\nmem = "2M"\n')
    assert asked("-P", "p", "true").request.properties == ()


def test_the_environment_selects_a_profile_unless_the_arguments_do(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[profiles.a]\ntasks = 1\n[profiles.b]\ntasks = 2\n")
    monkeypatch.setenv("SCOPERUN_PROFILE", "a")
    assert asked("true").request.limits.tasks_max == 1
    assert asked("-P", "b", "true").request.limits.tasks_max == 2
    monkeypatch.setenv("SCOPERUN_PROFILE", "")
    assert asked("true").request.limits.tasks_max is None


def test_the_first_rule_that_matches_the_commands_name_or_path_selects_the_profile(config: Path) -> None:
    config.write_text(
        "[profiles.a]\ntasks = 1\n[profiles.b]\ntasks = 2\n"
        '[rules]\n"/bin/s*" = "b"\n"true" = "b"\n"s?" = "a"\n"sh" = "b"\n'
    )
    tasks = [asked(command).request.limits.tasks_max for command in ("/bin/sh", "/opt/sh", "true", "false")]
    assert tasks == [2, 1, 2, None]


def test_a_named_profile_overrides_a_rule(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[profiles.a]\ntasks = 1\n[profiles.b]\ntasks = 2\n[rules]\n"*" = "b"\n')
    assert asked("-P", "a", "true").request.limits.tasks_max == 1
    monkeypatch.setenv("SCOPERUN_PROFILE", "a")
    assert asked("true").request.limits.tasks_max == 1


def test_a_command_matches_by_its_last_part_and_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert command_names("program") == command_names("./program") == ["program", str(program)]
    assert command_names("nowhere") == ["nowhere"]
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert command_names("./program") == ["program"], "the working directory has no path"


def test_the_users_profiles_rules_and_defaults_come_before_the_systems() -> None:
    users = read('[defaults]\nmem = 1\n[profiles.a]\nmem = 2\n[rules]\n"x" = "a"\n', "users")
    systems = read(
        '[defaults]\nmem = 9\nslice = "s"\n[profiles.a]\nslice = "x"\n[profiles.b]\nmem = 8\n[rules]\n"x*" = "b"\n',
        "systems",
    )
    both = merged([users, systems])
    assert {name: entry.value for name, entry in both.entries(None).single.items()} == {"mem": "1", "slice": "s"}
    assert {name: entry.value for name, entry in both.entries("a").single.items()} == {"mem": "2", "slice": "s"}
    assert str(both.entries("b").single["mem"].source) == "systems:7 [profiles.b]"
    assert [rule.profile for rule in both.rules] == ["a", "b"]
    assert (both.rule_for(["xy"]), both.rule_for(["y"])) == (both.rules[1], None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[defaults]\nmme = 1", "config.toml:2: unknown key 'mme' (did you mean mem?)"),
        ("[defaults]\nMemoryMax = 1", "config.toml:2: unknown key 'MemoryMax' (a property is written property ="),
        ("[defaults]\nxyzzy = 1", "config.toml:2: unknown key 'xyzzy' (keys are long options, as scoperun --help"),
        ("[profiles.a.b]\nmem = 1", "config.toml:1: unknown key 'b'"),
        (
            "\n[profile.a]\n",
            "config.toml:2: unknown section [profile] (did you mean [profiles]? the sections are [defaults],",
        ),
        (
            "mem = 1",
            "config.toml:1: mem is outside of any section (the sections are [defaults], [profiles.NAME] and [rules])",
        ),
        ("defaults = 1", "config.toml:1: defaults is the number 1, not a section"),
        ("[profiles]\na = 'x'", "config.toml:2: profiles.a is the text 'x', not a section"),
        ("[[defaults]]\n", "config.toml:1: defaults is a list, not a section"),
        (
            "[profiles.x]\n[profiles.x]",
            "config.toml:2: Cannot declare profiles.x twice (each section and key once)",
        ),
        (
            "[profiles.x]\nmem = 1\n[profiles]\nx.mem = 2",
            "config.toml:4: Cannot redefine namespace profiles.x (each section and key once)",
        ),
        ("[defaults]\nmem = 1\nmem = 2", "config.toml:3: Cannot overwrite a value (each section and key once)"),
        ("[defaults]\nmem = true", "config.toml:2: mem is true where a number, or text in quotes should be"),
        ("[defaults]\nmem = 1979-05-27", "config.toml:2: mem is the date or time 1979-05-27 where"),
        ("[defaults]\nslice = 5", "config.toml:2: slice is the number 5 where text in quotes should be"),
        ("[defaults]\nquiet = 'yes'", "config.toml:2: quiet is the text 'yes' where true or false should be"),
        ("[defaults]\nquiet = 1", "config.toml:2: quiet is the number 1 where true or false should be"),
        ("[defaults]\nproperty = 'TasksMax=1'", 'where a list of texts should be (as property = ["..."])'),
        ("[defaults]\nproperty = [\n 1]", "config.toml:2: property is a list where a list of texts should be"),
        ("[defaults]\nproperty = [\n'TasksMx=1']", "config.toml:2: property: unknown property 'TasksMx' (did you mean"),
        (
            "[rules]\n'x' = 1",
            'config.toml:2: rule \'x\' is the number 1 (the name of a profile, e.g. "make*" = "build")',
        ),
        ("[rules]\n'x' = 'y'", "config.toml:2: rule 'x': there is no profile 'y' (the config files define none;"),
        ("[profiles.a]\n[rules]\n'x' = 'y'", "config.toml:3: rule 'x': there is no profile 'y' (there is: a)"),
        (
            "[defaults]\nmem = 4G",
            "config.toml:2: Expected newline or end of document after a statement (TOML, e.g. mem",
        ),
        ("[defaults\n", "config.toml:1: Expected ']' at the end of a table declaration"),
        ("[defaults]\nmem = 1\nmem = 2", "config.toml:3: Cannot overwrite a value"),
        ('[defaults]\nslice = "x', "config.toml:2: "),
        ("x = " + "[" * 5000, "config.toml:1: "),
        ("x = " + "1" * 5000, "config.toml:1: "),
        ("\ufeff[defaults]", "config.toml:1: "),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_a_remedy(text: str, line: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        merged([read(text)])
    assert line in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mem = '20Q'", ":2: mem: '20Q' is not a valid size (a number with K, M, G or T"),
        ("mem = -1", ":2: mem: '-1' is not a valid size"),
        ("mem = inf", ":2: mem: 'inf' is not a valid size"),
        ("cpus = nan", ":2: cpus: 'nan' is not a number of processors"),
        ("oom-policy = 'panic'", ":2: oom-policy: 'panic' is not one of 'stop', 'continue', 'kill'"),
        ("slice = 'a/b'", ":2: slice: 'a/b' is not a unit name"),
        ("working-directory = '''a\\u0000b'''", None),
        ('working-directory = "a\\u0000b"', ":2: working-directory: 'a\\x00b' has a NUL byte"),
        ("property = ['@file']", ":2: property: '@file' names a file (@FILE is allowed on the command line only)"),
        ("no-require-limits = true", ":2: unknown key 'no-require-limits' (write require-limits = false)"),
        ("user = true", ":2: unknown key 'user' (write system = false)"),
        ("profile = 'x'", ":2: unknown key 'profile' (it is allowed on the command line only)"),
        ("config = 'x'", ":2: unknown key 'config' (it is allowed on the command line only)"),
        ("no-config = true", ":2: unknown key 'no-config' (it is allowed on the command line only)"),
        ("version = true", ":2: unknown key 'version'"),
        ("help = true", ":2: unknown key 'help'"),
        ("print-properties = true", ":2: unknown key 'print-properties'"),
        ("report-fd = 2", ":2: unknown key 'report-fd'"),
        ("command = 'ls'", ":2: unknown key 'command'"),
    ],
)
def test_a_value_is_checked_like_that_of_its_option(config: Path, text: str, line: str | None) -> None:
    """Even in a profile that is not selected: a file is either correct or not used."""
    config.write_text(f"[profiles.other]\n{text}\n")
    if line is None:
        assert asked("true")
    else:
        assert refusal("true").startswith(f"{config}{line}")


def test_an_unknown_profile_is_reported_with_the_existing_ones(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("-P", "x", "true").startswith("--profile: there is no profile 'x' (there is no config file: ")
    config.write_text("[profiles.b]\n[profiles.a]\n")
    assert refusal("-P", "x", "true") == "--profile: there is no profile 'x' (there is: a, b)"
    monkeypatch.setenv("SCOPERUN_PROFILE", "x")
    assert refusal("true") == "SCOPERUN_PROFILE: there is no profile 'x' (there is: a, b)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[defaults]\nmem=1", 2),
        ("[defaults]\n# mem = 2\nslice = '''\nmem = 3\n'''\n\n'mem' = 1", 7),
        ("[profiles.a]\nmem = 2\n[defaults] # mem\n\tmem\t=\t1", 4),
        ("[profiles.a]\nmem = 2\n\n[defaults]\r\n\r\nmem = 1\r\n", 6),
        ("\ndefaults.mem = 1", 2),
        ("\n\ndefaults = { slice = 'mem = 1', mem = 1 }", 3),
        ("[defaults]\nproperty = [\n'Description=mem = 1',\n]\nmem = 1", 5),
        ('[defaults]\n"m\\u0065m" = 1', 2),
        ('[defaults]\nproperty = [ # [\n\'Description=]\', # ]\n"Description=\\"[",\n]\nmem = 1', 6),
        ('[defaults]\nslice = """\n\\"""\nmem = 2\n"""""\nmem = 1', 6),
        ("[defaults]\nslice = '''\nmem = 2\n'''''\nmem = 1", 5),
        ("[defaults]\nslice = '#' # it's\nmem = 1", 3),
    ],
)
def test_the_line_of_a_key_is_found_in_every_toml_notation(text: str, line: int) -> None:
    assert read(text).defaults.single["mem"].source.line == line


def test_the_files_are_the_users_and_the_systems() -> None:
    assert config_paths({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}) == ["/x/scoperun/config.toml", SYSTEM_FILE]
    assert config_paths({"HOME": "/h"}) == ["/h/.config/scoperun/config.toml", SYSTEM_FILE]
    assert config_paths({"XDG_CONFIG_HOME": "x", "HOME": "/h"})[0] == "/h/.config/scoperun/config.toml"
    assert config_paths({"HOME": "h"}) == [SYSTEM_FILE]


def status(owner: int, mode: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("kind", [stat.S_IFREG, stat.S_IFDIR])
@pytest.mark.parametrize(
    ("owner", "permissions", "user", "reason"),
    [
        (1000, 0o644, 1000, None),
        (1000, 0o664, 1000, "is writable by others"),
        (0, 0o644, 1000, None),
        (0, 0o644, 0, None),
        (0, 0o600, 0, None),
        (1001, 0o644, 1000, "belongs to user 1001, neither to root nor to user 1000"),
        (1000, 0o644, 0, "belongs to user 1000, not to root"),
        (0, 0o664, 0, "is writable by others"),
        (0, 0o646, 0, "is writable by others"),
        (1000, 0o646, 1000, "is writable by others"),
    ],
)
def test_a_path_that_others_can_replace_is_not_trusted(
    kind: int, owner: int, permissions: int, user: int, reason: str | None
) -> None:
    trusted = Trusted(users=frozenset({0, user}), owner_of_all=0)
    assert distrust(status(owner, kind | permissions), status(0, 0o755), trusted) == reason


def test_a_sticky_folder_is_trusted_but_a_file_writable_by_others_is_not() -> None:
    trusted = Trusted(users=frozenset({0, 1000}), owner_of_all=0)
    assert distrust(status(0, stat.S_IFDIR | 0o1777), status(0, 0o755), trusted) is None
    assert distrust(status(0, stat.S_IFREG | 0o1666), status(0, 0o755), trusted) == "is writable by others"


def test_only_the_owner_of_a_link_counts() -> None:
    trusted = Trusted(users=frozenset({0, 1000}), owner_of_all=0)
    assert distrust(status(1000, stat.S_IFLNK | 0o777), status(0, 0o1777), trusted) is None
    whose = "belongs to user 1001, neither to root nor to user 1000"
    assert distrust(status(1001, stat.S_IFLNK | 0o777), status(0, 0o755), trusted) == whose


def writable_by_others(config: Path) -> None:
    config.touch()
    config.chmod(0o666)


def in_a_folder_writable_by_others(config: Path) -> None:
    config.touch()
    config.parent.chmod(0o777)


def below_a_folder_writable_by_the_group(config: Path) -> None:
    config.touch()
    config.parents[1].chmod(0o775)


def through_a_folder_writable_by_others(config: Path) -> None:
    far = config.parents[1] / "far"
    far.mkdir()
    (far / "file").touch()
    far.chmod(0o777)
    config.symlink_to(far / "file")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (writable_by_others, "config.toml is writable by others (check: ls -ld "),
        (in_a_folder_writable_by_others, "/scoperun is writable by others (check: ls -ld "),
        (below_a_folder_writable_by_the_group, " is writable by others (check: ls -ld "),
        (through_a_folder_writable_by_others, "/far is writable by others (check: ls -ld "),
        (os.mkfifo, "config.toml is not a regular file (check: ls -ld "),
        (Path.mkdir, "config.toml: Is a directory"),
        (lambda config: config.symlink_to(config), "config.toml: Too many levels of symbolic links"),
        (lambda config: config.write_bytes(b"# ok\n# caf\xe9\n"), "config.toml:2: not UTF-8, which TOML requires"),
    ],
)
def test_an_unusable_file_is_an_error_and_not_ignored(
    config: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(config)
    line = refusal("true")
    assert reason in line
    assert str(config.parents[1]) in line
    assert line.startswith("refusing to run: ") is ("check: " in line)


@pytest.mark.parametrize("make", [below_a_folder_writable_by_the_group, through_a_folder_writable_by_others])
def test_a_missing_file_in_an_untrusted_folder_is_not_an_error(config: Path, make: Callable[[Path], object]) -> None:
    make(config)
    config.resolve().unlink()
    assert asked("true").request.limits.memory_max is None


def test_a_named_file_replaces_the_others(config: Path, tmp_path: Path) -> None:
    config.write_text("[broken")
    file = tmp_path / "limits.toml"
    file.write_text('[defaults]\nmem = "1M"\n[profiles.p]\nmem = "2M"\n')
    assert asked("--config", str(file), "true").request.limits.memory_max == MiB
    command_line = asked("-P", "p", f"--config={file}", "true")
    assert (command_line.request.limits.memory_max, command_line.sources.options["mem"]) == (
        2 * MiB,
        f"{file}:4 [profiles.p]",
    )


def test_a_named_file_can_be_relative(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limits.toml").write_text('[defaults]\nmem = "1M"\n')
    monkeypatch.chdir(tmp_path)
    assert asked("--config", "limits.toml", "true").request.limits.memory_max == MiB
    tmp_path.chmod(0o777)
    assert refusal("--config", "limits.toml", "true").startswith(f"refusing to run: {tmp_path} is writable by others")


def test_a_named_file_must_exist_and_be_trusted(config: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert refusal("--config", str(missing), "true") == f"--config: cannot read {missing}: No such file or directory"
    assert refusal("--config", "", "true") == "--config is empty (a file; --no-config reads none)"
    writable_by_others(config)
    assert refusal("--config", str(config), "true").startswith(f"refusing to run: {config} is writable by others")


def test_with_no_config_no_file_is_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[broken")
    monkeypatch.setenv("SCOPERUN_PROFILE", "p")
    assert asked("--no-config", "true").request == RunRequest(command=("true",))
    assert refusal("--no-config", "-P", "p", "true") == "--profile: there is no profile 'p' (--no-config reads no file)"
    assert refusal("--no-config", "--config", "x", "true") == "--config and --no-config exclude each other"


@pytest.mark.parametrize("identity", [["--uid", "root"], ["--gid", "root"]])
def test_the_environments_report_file_is_ignored_with_uid_or_gid(
    config: Path, monkeypatch: pytest.MonkeyPatch, identity: list[str]
) -> None:
    """The variable might come from the other user; the configuration is trusted."""
    for text in ("-", "/environment.json"):
        monkeypatch.setenv("SCOPERUN_REPORT", text)
        line = asked(*identity, "true")
        assert (line.output.report, line.sources.ignored) == (None, ("SCOPERUN_REPORT",))
        assert "report" not in line.sources.options
    assert asked("true").sources.ignored == ()
    config.write_text("[defaults]\nreport = '/config.json'\n")
    line = asked(*identity, "true")
    assert (line.output.report, line.sources.options["report"]) == ("/config.json", f"{config}:2 [defaults]")
    assert asked(*identity, "--report", "/option.json", "true").output.report == "/option.json"
    assert asked("true").output.report == "/environment.json"


def test_only_root_must_have_its_own_home() -> None:
    for environment in {"HOME": "/"}, {"HOME": "/nowhere"}, {"HOME": ""}, {}:
        check_home(environment)


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_config([str(tmp_path / "missing"), str(tmp_path / "file" / "below")], dict) is None


def test_a_file_of_properties_sets_the_properties_of_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    file.write_text("# comment\n\nTasksMax=5\n  ; another\nMemoryHigh=3M\n")
    command_line = asked("-p", "CPUWeight=1", "-p", f"@{file}", "-p", "TasksMax=6", "true")
    assert command_line.request.properties == ("CPUWeight=1", "TasksMax=5", "MemoryHigh=3M", "TasksMax=6")
    assert command_line.sources.properties == ("-p", f"{file}:3", f"{file}:5", "-p")


def test_a_byte_order_mark_is_no_part_of_a_file(config: Path, tmp_path: Path) -> None:
    config.write_text("\ufeff[defaults]\nnice = 5\n")
    (tmp_path / "limits").write_text("\ufeffTasksMax=5\n")
    request = asked("-p", f"@{tmp_path}/limits", "true").request
    assert (request.properties, request.context.nice) == (("TasksMax=5",), 5)


def test_a_mistake_in_a_file_of_properties_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    file.write_text("\nTasksMx=5\n")
    assert f"{file}:2: unknown property 'TasksMx' (did you mean TasksMax=?)" in refusal("-p", f"@{file}", "true")
    missing = tmp_path / "missing"
    assert f"cannot read '{missing}': No such file or directory" in refusal("-p", f"@{missing}", "true")
    assert "cannot read ''" in refusal("-p", "@", "true")


QUICK = """
import sys
from scoperun.cli import command as cli

for argv in ["--version"], ["--help"], ["-P", "p", "--mem", "20Q", "true"], ["--no-such-option"], ["-P", "p"]:
    sys.argv[1:] = argv
    print(cli.main(), *sorted({"asyncio", "dbus_next", "tomli"} & set(sys.modules)), file=sys.stderr)
sys.argv[1:] = ["--print-properties", "true"]
print(cli.main(), *sorted({"asyncio", "dbus_next", "tomli"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(("exists", "last"), [(True, "0 tomli"), (False, "0")])
def test_tomli_is_imported_only_for_a_config_file_that_is_needed(config: Path, exists: bool, last: str) -> None:
    if exists:
        config.write_text("[profiles.p]\n")
    run = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    said = [line for line in run.stderr.splitlines() if not line.startswith("scoperun: ")]
    assert said == ["0", "0", "125", "125", "125", last]


def test_a_broken_file_does_not_prevent_the_help(config: Path) -> None:
    config.write_text("[broken")
    assert parse(["--version"]) is None
    assert parse(["--help"]) is None
