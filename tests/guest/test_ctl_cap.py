"""scopectl cap binds what a desktop starts, on a real systemd and kernel."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .here import lab_only
from .story import systemctl
from .test_ctl_acting import MIB, has, scopectl

pytestmark = lab_only

FOLDER = Path("~/.config/systemd/user").expanduser()
FILE = "40-scoperun-cap.conf"
WAITS = "keeps its limits until its next start, because it"
GROWS = ["python3", "-c", f"data = b'x' * {60 * MIB}; print(len(data), flush=True); input()"]


@contextmanager
def started(unit: str, *words: str, command: list[str] | None = None) -> Iterator[str]:
    """Start a unit as a desktop does, with a command that has printed a line; yield its cgroup."""
    run = ["systemd-run", "--user", "--quiet", f"--unit={unit}", *words]
    command = command or ["sh", "-c", "echo; read line"]
    kind = ["--scope"] if unit.endswith(".scope") else ["--pipe"]
    with subprocess.Popen([*run, *kind, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() != b""
        try:
            yield systemctl("show", "-P", "ControlGroup", unit).strip()
        finally:
            process.stdin.close()
            process.wait()


@pytest.fixture(autouse=True)
def _removed_afterwards() -> Iterator[None]:
    yield
    for file in FOLDER.glob(f"*/{FILE}"):
        file.unlink()
        file.parent.rmdir()
    systemctl("daemon-reload")


def test_a_cap_binds_what_runs_and_what_starts_until_it_is_removed() -> None:
    with (
        started(r"app-gnome-bound\x2dapp-11.scope") as scope,
        started(r"app-bound\x2dapp@ab12.service") as service,
        started("app-niri-bound\\x2dapp-7.scope") as niri,
        started("app-unbound-12.scope") as other,
    ):
        done = scopectl("cap", "bound-app", "--mem", "100M", "--tasks", "20", "--cpus", "0.5")
        assert (done.status, done.err) == (0, ""), done
        for cgroup in (scope, service, niri):
            assert (has(cgroup, "memory.max"), has(cgroup, "memory.swap.max")) == (str(100 * MIB), "0")
            assert (has(cgroup, "pids.max"), has(cgroup, "cpu.max").split()[0]) == ("20", "50000")
        assert has(other, "memory.max") == "max"
        launcher = scopectl("cap", "niri", "--mem", "100M")
        assert (launcher.status, launcher.out) == (2, ""), "it would cap all that niri starts"
        (row,) = [text for name, text in done.rows if name == r"app-gnome-bound\x2dapp-11.scope"]
        assert row.startswith("capped: MemoryMax infinity -> 100M, MemorySwapMax "), "one line says all"
        assert [str(FOLDER / r"app-gnome-bound\x2dapp-.scope.d" / FILE), "written"] in done.rows
        with started(r"flatpak-bound\x2dapp-3.scope", "-p", "MemoryMax=200M") as late:
            assert has(late, "memory.max") == str(100 * MIB), "it counts more than what the start asks for"
            status = scopectl("status", r"flatpak-bound\x2dapp-3.scope").out
            assert str(FOLDER / r"flatpak-bound\x2dapp-.scope.d" / FILE) in status
        run = ["scoperun", "--mem", "60M", "--unit", r"app-bound\x2dapp-9", "--", "true"]
        refused = subprocess.run(run, capture_output=True, text=True, check=False)
        file = FOLDER / r"app-bound\x2dapp-.scope.d" / FILE
        assert f"{file} has MemoryMax={100 * MIB}, and counts more" in refused.stderr, refused
        told = scopectl("cap", "--list", "--json").json
        assert [each["cap"] for each in told] == ["bound-app"]
        assert r"app-bound\x2dapp@ab12.service" in told[0]["units"]
        fewer = scopectl("cap", "bound-app", "--mem", "80M", "--json").json
        assert {each["state"] for each in fewer["files"]} == {"written"}
        assert fewer["notes"] == ["It takes the place of MemoryMax=100M MemorySwapMax=0B CPUQuota=50% TasksMax=20"]
        assert scopectl("cap", "bound-app", "--json").json["notes"] == ["It is capped: MemoryMax=80M MemorySwapMax=0B"]
        assert has(scope, "memory.max") == str(80 * MIB)
        quota = Path(f"/sys/fs/cgroup{scope}/cpu.max")
        assert not quota.exists() or quota.read_text().startswith("max")
        (told,) = [each for each in fewer["units"] if each["unit"] == r"app-gnome-bound\x2dapp-11.scope"]
        assert told["limits"]["CPUQuota"] == {"before": 0.5, "now": "infinity"}
        assert has(scope, "pids.max") != "20"
        removed = scopectl("cap", "--remove", "bound-app")
        assert (removed.status, removed.err) == (0, ""), removed
        assert [has(each, "memory.max") for each in (scope, service, niri)] == ["max", "max", "max"]
    assert [*FOLDER.glob(f"*/{FILE}")] == []
    assert scopectl("cap", "--list").out.splitlines()[1:] == []
    assert scopectl("cap", "--remove", "bound-app").status == 4


def test_processors_are_rounded_to_what_the_file_can_say() -> None:
    with started("app-third-1.scope") as scope:
        third = scopectl("cap", "third", "--cpus", "0.33333")
        assert (third.status, third.err, has(scope, "cpu.max").split()[0]) == (0, "", "33330"), third


def test_a_cap_binds_the_services_of_launchers_and_keeps_those_that_run_no_more() -> None:
    with started("app-niri-kept-1.scope"), started("app-niri-kept@1.service") as service:
        assert scopectl("cap", "kept", "--mem", "100M").status == 0
        assert has(service, "memory.max") == str(100 * MIB)
    assert scopectl("cap", "kept", "--mem", "90M").status == 0
    with started("app-niri-kept-2.scope") as scope, started("app-gnome-kept.service") as service:
        assert [has(each, "memory.max") for each in (scope, service)] == [str(90 * MIB)] * 2
    assert len(scopectl("cap", "--list", "--json").json) == 1
    assert scopectl("cap", "kept", "--remove").status == 0
    assert scopectl("cap", "--list", "--json").json == []


@pytest.mark.guest(suite="trixie")
def test_of_a_snap_another_program_is_not_capped() -> None:
    with started("snap.two.two-more-0a1b2c3d-1111-2222-3333-444455556666.scope") as cgroup:
        refused = scopectl("cap", "two", "--mem", "100M")
        assert (refused.status, refused.out, has(cgroup, "memory.max")) == (2, "", "max"), refused


def test_what_uses_more_is_capped_from_its_next_start_and_with_force_at_once() -> None:
    unit = "app-gnome-grown-11.scope"
    with started(unit, command=GROWS) as cgroup:
        dry = scopectl("cap", "grown", "--mem", "30M", "--dry-run")
        assert (dry.status, [*FOLDER.glob(f"*/{FILE}")]) == (0, [])
        done = scopectl("cap", "grown", "--mem", "30M")
        assert (done.status, done.err) == (0, ""), done
        assert [text.partition(" uses ")[0] for name, text in done.rows if name == unit] == [WAITS], done.rows
        (cap,) = scopectl("cap", "--list", "--json").json
        assert (cap["units"], cap["outside"]) == ([unit], [unit])
        # systemd 257 applies a drop-in to running units only when another unit starts
        with started("app-gnome-grown-12.scope") as second, started("app-other-1.scope"):
            assert has(second, "memory.max") == str(30 * MIB)
            assert (has(cgroup, "memory.max"), "oom_kill 0" in has(cgroup, "memory.events")) == ("max", True)
    assert scopectl("cap", "--remove", "grown").status == 0
    with started(unit, command=GROWS) as cgroup:
        forced = scopectl("cap", "grown", "--mem", "30M", "--force")
        assert forced.status == 0, forced
        assert re.search(rf"{unit}\tit has ended meanwhile: it used |the kernel kill(ed 1 of|s in it)", forced.out), (
            forced
        )
        still = Path(f"/sys/fs/cgroup{cgroup}/memory.max")
        assert not still.exists() or still.read_text().strip() == str(30 * MIB)
    scopectl("cap", "--remove", "grown")


def test_a_service_that_keeps_its_name_needs_force() -> None:
    text = f"import os, time; data = b'x' * {60 * MIB}; os.fork() and os._exit(0); time.sleep(1000)"
    unit = FOLDER / "app-kept@.service"
    FOLDER.mkdir(parents=True, exist_ok=True)
    unit.write_text(f'[Service]\nType=forking\nExecStart=/usr/bin/python3 -c "{text}"\n')
    try:
        systemctl("daemon-reload")
        systemctl("start", "app-kept@autostart.service")
        done = scopectl("cap", "kept", "--mem", "30M")
        assert (done.status, done.out) == (1, "")
        assert "not capped: app-kept@autostart.service uses " in done.err
        assert "--force" in done.err
        assert [*FOLDER.glob(f"*/{FILE}")] == []
    finally:
        systemctl("stop", "app-kept@autostart.service")
        unit.unlink()


@pytest.mark.guest(suite="trixie")
def test_what_a_person_has_changed_is_left_alone() -> None:
    with started("app-mine-1.scope") as cgroup:
        shown = scopectl("cap", "mine").rows
        assert ["app-gnome-mine-*.scope", "would be bound"] in shown
        assert shown[-1][0] == "app-mine-1.scope"
        told = ["app-mine-1.scope", "until it ends; for each start: scopectl cap mine"]
        assert told in scopectl("set", "app-mine-1", "--mem-high", "infinity").rows
        assert scopectl("cap", "mine", "--mem", "100M").status == 0
        file = FOLDER / "app-mine-.scope.d" / FILE
        file.write_text(file.read_text().replace("MemoryMax=", "MemoryMax=1"))
        done = scopectl("cap", "mine", "--mem", "90M")
        assert done.status == 1
        assert f"{file}: left alone" in done.err
        assert has(cgroup, "memory.max") != str(90 * MIB)
        assert scopectl("cap", "--remove", "mine").status == 1
        assert [*FOLDER.glob(f"*/{FILE}")] == [file]
    refused = scopectl("cap", "no-such-app", "--mem", "100M")
    assert (refused.status, refused.out) == (4, "")
    assert scopectl("cap", "mine", "--oom-policy", "kill").status == 2


def test_the_session_is_capped_together() -> None:
    with started("app-one-1.scope") as cgroup:
        top = cgroup.rpartition("/")[0]
        done = scopectl("cap", "--session", "--mem", "50%")
        assert (done.status, done.err) == (0, ""), done
        most = int(has(top, "memory.max"))
        assert abs(most - os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2) <= 4096
        assert 0.89 * most < int(has(top, "memory.high")) <= 0.9 * most
        if os.geteuid():
            assert scopectl("cap", "--users", "--mem", "50%").status == 1
        assert scopectl("cap", "--session", "--remove").status == 0
        assert has(top, "memory.max") == "max"


@pytest.mark.guest(suite="trixie")
def test_a_cap_that_cannot_be_reached_or_does_nothing_is_warned_of() -> None:
    above = "cannot be reached: app.slice, which the application is in, allows 300M for everything in it together"
    nothing = "MemoryHigh=500M does nothing: MemoryMax=400M is reached first and kills"
    with started("app-warned-1.scope") as cgroup, started("app-warned-2.scope"):
        assert scopectl("cap", "--session", "--mem", "300M").err == "", "the defaults are not warned of"
        for last in ("--dry-run", "--force"):
            done = scopectl("cap", "warned", "--mem", "400M", "--mem-high", "500M", last)
            assert done.status == 0, done
            assert done.err == f"scopectl: warning: {nothing}\nscopectl: warning: --mem 400M {above}\n"
        assert has(cgroup, "memory.max") == str(400 * MIB)
        assert scopectl("cap", "warned", "--mem", "200M", "--json").json["warnings"] == []
    done = scopectl("cap", "warned", "--mem", "400M", "--force")
    line, _ = done.err.splitlines()
    assert line == f"scopectl: warning: --mem 400M {above.replace('the application is', 'applications are')}"
    assert scopectl("cap", "--remove", "warned").status == 0
    assert scopectl("cap", "--remove", "--session").status == 0


@pytest.mark.guest(user="root")
def test_root_caps_each_user() -> None:
    slices = [each for each in Path("/sys/fs/cgroup/user.slice").iterdir() if each.name.startswith("user-")]
    assert slices, "root is logged in"
    done = scopectl("cap", "--users", "--mem", "50%")
    assert (done.status, done.err) == (0, ""), done
    assert all((each / "memory.max").read_text() != "max\n" for each in slices)
    file = Path("/etc/systemd/system/user-.slice.d") / FILE
    assert file.stat().st_mode & 0o777 == 0o644
    assert scopectl("cap", "--list", "--system", "--json").json[0]["cap"] == "--users"
    assert scopectl("cap", "--users", "--remove").status == 0
    assert all((each / "memory.max").read_text() == "max\n" for each in slices)


def test_what_holds_a_unit_is_released_by_a_higher_cap_and_by_its_removal() -> None:
    unit = "app-gnome-held-11.scope"
    with started(unit, command=GROWS) as cgroup:
        for words, limit in ((("--mem", "30M"), "max"), (("--mem", "200M"), str(200 * MIB)), (("--remove",), "max")):
            done = scopectl("cap", "held", *words)
            (row,) = [text for name, text in done.rows if name == unit]
            said = {
                "30M": WAITS,
                "200M": "capped: MemoryMax infinity -> 200M, ",
                "--remove": "released: MemoryMax 200M -> ",
            }
            assert row.startswith(said[words[-1]]), done
            listed = [each["outside"] for each in scopectl("cap", "--list", "--json").json]
            assert listed == {"30M": [[unit]], "200M": [[]], "--remove": []}[words[-1]]
            assert (done.status, done.err, has(cgroup, "memory.max")) == (0, "", limit), done
        assert scopectl("cap", "held", "--mem", "150M").status == 0
        assert scopectl("cap", "held", "--mem", "30M").status == 0
        assert has(cgroup, "memory.max") == str(150 * MIB)
        assert (scopectl("cap", "held", "--remove").status, has(cgroup, "memory.max")) == (0, "max")
        assert scopectl("cap", "held", "--mem", "30M").status == 0
        forced = scopectl("cap", "held", "--mem", "30M", "--force")
        assert forced.status == 0, forced
        still = Path(f"/sys/fs/cgroup{cgroup}/memory.max")
        assert not still.exists() or still.read_text().strip() == str(30 * MIB)
    scopectl("cap", "held", "--remove")
    assert [*Path(os.environ["XDG_RUNTIME_DIR"], "scoperun/held").iterdir()] == []


@pytest.mark.guest(suite="trixie")
def test_an_interrupted_removal_is_finished_by_the_next() -> None:
    with started("app-gnome-half-11.scope") as cgroup, started("app-gnome-half-12.scope"):
        assert scopectl("cap", "half", "--mem", "100M", "--cpus", "0.5").status == 0
        for file in FOLDER.glob(f"*/{FILE}"):
            file.unlink()
            file.parent.rmdir()
        dry = scopectl("cap", "half", "--remove", "--dry-run")
        assert (dry.status, has(cgroup, "memory.max")) == (0, str(100 * MIB)), dry
        done = scopectl("cap", "half", "--remove")
        assert (done.status, done.err, has(cgroup, "memory.max")) == (0, "", "max"), done
        (row,) = [text for name, text in done.rows if name == "app-gnome-half-11.scope"]
        assert row.startswith("released: MemoryMax 100M -> infinity, "), done
        assert scopectl("cap", "half", "--remove").status == 4


@pytest.mark.guest(suite="trixie")
@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to any folder")
def test_a_file_that_cannot_be_written_leaves_no_half_cap() -> None:
    closed = FOLDER / "app-KDE-whole-.scope.d"
    closed.mkdir(parents=True)
    closed.chmod(0o500)
    with started("app-whole-1.scope", command=GROWS) as cgroup:
        try:
            done = scopectl("cap", "whole", "--mem", "30M")
        finally:
            closed.chmod(0o700)
        assert (done.status, done.out, [*FOLDER.glob(f"*whole*/{FILE}")]) == (1, "", []), done
        assert done.err.startswith(f"scopectl: cannot write {closed}/{FILE}: "), done
        assert scopectl("cap", "whole", "--mem", "200M").status == 0
        assert has(cgroup, "memory.max") == str(200 * MIB), "nothing was set to hold it"


@pytest.mark.guest(suite="trixie")
def test_what_a_person_has_set_counts_more_and_is_said() -> None:
    unit = "app-gnome-set-11.scope"
    with started(unit, command=GROWS) as cgroup:
        assert scopectl("set", unit, "--mem", "300M").status == 0
        waits = scopectl("cap", "set", "--mem", "30M")
        assert waits.status == 0
        assert "(also with --force: it has limits by another file or scopectl set, which count more)" in waits.out
        assert f"{unit} (has other limits)" in scopectl("cap", "--list").out
        done = scopectl("cap", "set", "--mem", "200M")
        assert (done.status, has(cgroup, "memory.max")) == (1, str(300 * MIB)), done
        assert "not fully capped: MemoryMax stays 300M" in done.out
        assert "MemoryMax=200M is not in force, because another file or scopectl set counts more" in done.out
        assert scopectl("set", unit, "--mem", "200M").status == 0
        removed = scopectl("cap", "set", "--remove")
        assert (removed.status, has(cgroup, "memory.max")) == (1, str(200 * MIB)), removed
        assert "MemoryMax=200M is still in force, by another file or scopectl set" in removed.out


def test_a_limit_that_this_systemd_does_not_know_changes_nothing() -> None:
    with started("app-known-1.scope") as scope:
        assert scopectl("cap", "known", "--mem", "100M").status == 0
        done = scopectl("cap", "known", "--zswap", "10M")
        (cap,) = scopectl("cap", "--list", "--json").json
        if "MemoryZSwapMax" in systemctl("show", "-p", "MemoryZSwapMax", "--", "-.slice"):  # since 253
            assert cap["limits"] == ["MemoryZSwapMax=10485760"], done
        else:
            assert done.err == "scopectl: this systemd has no MemoryZSwapMax= (scopectl doctor has its version)\n"
            assert cap["limits"] == ["MemoryMax=104857600", "MemorySwapMax=0"]
            assert has(scope, "memory.max") == str(100 * MIB)
