"""The lab's own promises: real hosts, no way out, and nothing left behind whatever happened to the maker."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import DEPUTY, DEPUTY_PASSWORD, GUEST, GUEST_PASSWORD, OPS, MakeLab

from appliance.errors import ApplianceError, RecipeError, StateError
from appliance.events import Event, Outcome, TaskFinished, TaskProgress, TaskStarted
from appliance.inventory.providers import HostRequest
from appliance.lab import cgroups, host, registry
from appliance.lab import lab as labs
from appliance.lab.provider import LabProvider
from appliance.lab.spec import HostSpec, LabSpec, LabUser

if TYPE_CHECKING:
    from appliance.lab.registry import Lab, LabHost

pytestmark = pytest.mark.hosts

MIB = 1 << 20
RUN_FOLDERS = ("appliance-lab", "netns", "systemd/nspawn", "systemd/nspawn/*", "systemd/machines", "lock")


def ssh(lab: Lab, name: str, *command: str, user: str = "root", stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = [*labs.ssh_command(lab, name, user=user), *command]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)


def traces(name: str, bridge: str) -> list[str]:
    """Everything on this machine that belongs to the lab of that name."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    links = [line.split(":")[1].strip() for line in _output("ip", "-o", "link").splitlines()]
    links = [link for link in links if link.split("@")[0].split("h")[0] == bridge]
    loops = [line for line in _output("losetup", "-a").splitlines() if name in line]
    groups = [str(folder) for each in cgroups.hierarchies() for folder in each.glob(f"appliance-lab/{name}")]
    files = [str(path) for folder in RUN_FOLDERS for path in Path("/run").glob(f"{folder}/*{name}*")]
    disks = [str(path) for path in labs.default_cache().glob(f"hosts/{name}")]
    return [*mounts, *links, *loops, *groups, *files, *disks, *_processes(name)]


def _processes(name: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            told = command + (folder / "cgroup").read_text()
        except OSError:
            continue
        if f"/{name}/" in told and command:  # without a command line it has ended, and init has yet to hear of it
            found.append(f"process {folder.name}: {told[:200]!r}")
    return found


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


HEAD = """
import os, signal, subprocess, sys
from appliance.lab import lab
from appliance.lab.spec import *
"""


def maker(program: str) -> subprocess.Popen[str]:
    """Another process that runs `program` with the lab's names imported."""
    argv = [sys.executable, "-c", HEAD + textwrap.dedent(program)]
    environment = {**os.environ, "PYTHONPATH": str(Path(labs.__file__).parents[2])}
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def status_of(program: str) -> int:
    """How another process that runs `program` ends."""
    with maker(program) as process:
        process.communicate(timeout=60)
        return process.returncode


# --- hosts are real ---


def test_root_enters_with_the_labs_key_and_the_hosts_pinned_key(lab: Lab) -> None:
    for each in lab.hosts:
        assert ssh(lab, each.name, "hostname").stdout == f"{each.name}\n"
        assert each.fingerprint in _output("ssh-keygen", "-l", "-F", each.address, "-f", str(lab.known_hosts))


def test_systemd_has_come_up_whole(lab: Lab) -> None:
    assert ssh(lab, "one", "systemctl", "is-system-running", "--wait").stdout == "running\n"


def test_each_host_is_somebody(lab: Lab) -> None:
    identities = {host.run_inside(each, ["cat", "/etc/machine-id"]).stdout for each in lab.hosts}
    assert len(identities) == len({each.fingerprint for each in lab.hosts}) == len(lab.hosts)


def test_users_have_the_sudo_they_were_given(lab: Lab) -> None:
    assert ssh(lab, "1", "sudo", "-n", "id", "-u", user=OPS.name).stdout == "0\n"
    assert ssh(lab, "1", "sudo", "-n", "id", "-u", user=DEPUTY.name).returncode != 0
    asked = ssh(lab, "1", "sudo", "-S", "id", "-u", user=DEPUTY.name, stdin=f"{DEPUTY_PASSWORD}\n")
    assert asked.stdout == "0\n"
    refused = ssh(lab, "1", "sudo", "-S", "id", "-u", user=GUEST.name, stdin=f"{GUEST_PASSWORD}\n")
    assert "not in the sudoers file" in refused.stderr


def test_a_user_enters_with_a_password(lab: Lab, tmp_path: Path) -> None:
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{GUEST_PASSWORD}'\n")
    askpass.chmod(0o700)
    options = ["-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no"]
    argv = [*labs.ssh_command(lab, "two", user=GUEST.name), *options, "id", "-un"]
    environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert done.stdout == f"{GUEST.name}\n"


def test_hosts_reach_each_other_and_the_machine_but_nothing_beyond(lab: Lab) -> None:
    def reached(address: str) -> bool:
        return host.run_inside(lab.hosts[0], ["ping", "-c1", "-W1", address], check=False).returncode == 0

    assert reached(lab.hosts[1].address)
    assert reached(lab.gateway)
    assert not reached("198.51.100.1")
    assert Path(f"/proc/sys/net/ipv4/conf/{lab.network.bridge}/forwarding").read_text() == "0\n"


def test_container_engines_find_writable_control_groups_and_the_settings_they_expect(lab: Lab) -> None:
    probe = "for g in /sys/fs/cgroup/*/; do mkdir $g/probe && rmdir $g/probe || exit; done; cat /proc/sys/kernel/panic"
    assert host.run_inside(lab.hosts[0], ["sh", "-c", probe]).stdout == "10\n"


def test_a_host_for_containers_has_control_groups_of_version_1_whole_and_its_own(make_lab: MakeLab) -> None:
    (made,) = make_lab(HostSpec("engine", containers=True)).hosts
    kept = registry.read(made.lab)
    assert kept
    assert kept.host("engine").containers
    script = """
    for each in cpu cpuset memory pids; do
        mkdir /sys/fs/cgroup/$each/mine && cat /sys/fs/cgroup/$each/mine/cgroup.procs || exit
        rmdir /sys/fs/cgroup/$each/mine
    done
    stat -f -c %T /sys/fs/cgroup
    systemctl show --property=TimeoutStopUSec --value user@0
    """
    assert host.run_inside(made, ("sh", "-c", script)).stdout.split() == ["tmpfs", "1s"]


def test_state_lies_outside_of_the_overlay(lab: Lab) -> None:
    kind = "stat --file-system --format %T"
    assert _inside(lab.hosts[0], f"{kind} /") == "overlayfs\n"
    for name in ("appliance", "containerd", "etcd", "kubelet", "private"):
        assert _inside(lab.hosts[0], f"{kind} /var/lib/{name}") != "overlayfs\n"


# --- hosts as tests want them ---


def test_a_host_without_python_has_none_and_a_small_disk_gets_full(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("bare", python=False, data_disk=16 * MIB, bandwidth=200_000_000))
    bare = mine.hosts[0]
    assert host.run_inside(bare, ["sh", "-c", "ls /usr/bin/python* || ls /usr/lib/python*"], check=False).stdout == ""
    fill = host.run_inside(bare, ["dd", "if=/dev/zero", "of=/var/lib/appliance/x", "bs=1M", "count=17"], check=False)
    assert "No space left on device" in fill.stderr
    for shaped in (_output("tc", "qdisc", "show", "dev", bare.link), _inside(bare, "tc qdisc show dev eth0")):
        assert "rate 200Mbit" in shaped


def _inside(one: LabHost, command: str) -> str:
    return host.run_inside(one, command.split()).stdout


def test_power_reboot_and_cable(make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("one"), HostSpec("two"))
    one, two = mine.hosts
    started = _inside(one, "cat /proc/sys/kernel/random/boot_id")
    _inside(one, "touch /root/kept /run/lost")

    host.reboot(one)
    assert _inside(one, "cat /proc/sys/kernel/random/boot_id") != started
    assert host.run_inside(one, ["ls", "/root", "/run/lost"], check=False).stdout == "/root:\nkept\n"

    host.power_off(one)
    assert not host.is_on(one)
    with pytest.raises(ApplianceError, match="one: the host is off"):
        host.run_inside(one, ["true"])
    host.power_on(one)
    host.wait(one)
    assert ssh(mine, "one", "ls", "/root").stdout == "kept\n"

    host.cut(two)
    assert host.run_inside(one, ["ping", "-c1", "-W1", two.address], check=False).returncode != 0
    host.mend(two)
    assert _inside(one, f"ping -c1 -W5 {two.address}")


# --- labs beside each other ---


def test_two_processes_make_labs_at_once_and_never_meet() -> None:
    programs = [
        f"""
        made = lab.up(LabSpec("beside-{os.getpid()}-{number}", (HostSpec("one"), HostSpec("two")), tied=True))
        print(made.name, made.network.bridge, made.network.subnet, flush=True)
        sys.stdin.read()
        lab.down(made.name)
        """
        for number in range(2)
    ]
    makers = [maker(program) for program in programs]
    said = [(each.stdout.readline().split() if each.stdout else []) for each in makers]
    reachable = [labs.find(name).hosts[1] for name, _, _ in said]
    assert [host.run_inside(each, ["hostname"]).stdout for each in reachable] == ["two\n", "two\n"]
    assert len({bridge for _, bridge, _ in said}) == len({subnet for _, _, subnet in said}) == 2
    for each in makers:
        each.communicate()
    assert [traces(name, bridge) for name, bridge, _ in said] == [[], []]


def test_a_name_is_taken_while_its_lab_stands(lab: Lab) -> None:
    with pytest.raises(StateError, match=f"lab {lab.name} is up already"):
        labs.up(LabSpec(lab.name, (HostSpec("one"),)))
    assert labs.find(lab.name) == lab
    assert lab in labs.labs()


def test_an_unknown_lab_or_host_is_answered_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(StateError) as unknown:
        labs.find("no-such-lab")
    assert lab.name in unknown.value.hint
    with pytest.raises(ApplianceError) as missing:
        labs.ssh_command(lab, "four")
    assert missing.value.hint == "it has one, two, three"
    assert labs.down("no-such-lab") is False


def test_the_provider_gives_the_same_hosts_again_and_takes_down_its_own() -> None:
    cluster = f"provided-{os.getpid()}"
    provider = LabProvider()
    try:
        hosts = provider.hosts(HostRequest(cluster, count=2))
        assert [each.name for each in hosts] == ["host-1", "host-2"]
        assert provider.hosts(HostRequest(cluster, count=2)) == hosts
        with pytest.raises(StateError, match="stands with other hosts"):
            provider.hosts(HostRequest(cluster, count=3))
        bridge = labs.find(cluster).network.bridge
    finally:
        provider.release(cluster)
    assert traces(cluster, bridge) == []


# --- nothing stays ---


def test_progress_is_told_and_nothing_stays() -> None:
    name = f"told-{os.getpid()}"
    events: list[Event] = []
    users = (LabUser("ops", password="secret in memory only"),)
    try:
        made = labs.up(LabSpec(name, (HostSpec("one", users=users, data_disk=16 * MIB),)), sink=events.append)
        assert traces(name, made.network.bridge)
        assert "secret" not in (registry.RUN / name / "lab.json").read_text() + repr(users)
    finally:
        assert labs.down(name)
    task = f"lab-{name}"
    assert [event for event in events if getattr(event, "task", "") == task] == [
        TaskStarted(task, f"Boot lab {name}", total=1, unit="hosts"),
        TaskProgress(task, 1, "one"),
        TaskFinished(task, Outcome.OK),
    ]
    assert traces(name, made.network.bridge) == []


CRASH = """
    calls = 0
    really = subprocess.Popen.__init__
    def counted(*args, **options):
        global calls
        calls += 1
        if calls == {calls}:
            os.kill(os.getpid(), signal.SIGKILL)
        really(*args, **options)
    subprocess.Popen.__init__ = counted
    hosts = (HostSpec("one", data_disk=16 << 20, users=(LabUser("ops"),)), HostSpec("two"))
    lab.up(LabSpec({name!r}, hosts))
    lab.down({name!r})
"""


# The maker starts 21 programs on the way up and 7 on the way down; it dies instead of starting this one.
@pytest.mark.parametrize("calls", [2, 4, 8, 10, 13, 16, 18, 21, 23, 26])
def test_a_maker_killed_at_any_moment_leaves_what_a_sweep_removes(calls: int) -> None:
    name = f"crash-{os.getpid()}-{calls}"
    assert status_of(CRASH.format(calls=calls, name=name)) == -9
    left = registry.read(name)
    bridge = left.network.bridge if left else "none"
    assert traces(name, bridge)
    assert labs.sweep(name) == (name,)
    assert traces(name, bridge) == []


def test_the_next_lab_of_a_crashed_ones_name_comes_up() -> None:
    name = f"again-{os.getpid()}"
    assert status_of(CRASH.format(calls=20, name=name)) == -9
    try:
        made = labs.up(LabSpec(name, (HostSpec("one"),)))
        assert ssh(made, "one", "hostname").stdout == "one\n"
        assert [each.name for each in made.hosts] == ["one"]
    finally:
        labs.down(name)
    assert traces(name, made.network.bridge) == []


def test_a_sweep_takes_a_tied_lab_whose_maker_is_gone_and_no_other(lab: Lab) -> None:
    program = """
        for name, tied in (({0!r}, True), ({1!r}, False)):
            lab.up(LabSpec(name, (HostSpec("one"),), tied=tied))
    """
    tied, free = f"leave-{os.getpid()}-tied", f"leave-{os.getpid()}-free"
    try:
        assert status_of(program.format(tied, free)) == 0
        assert labs.sweep(f"leave-{os.getpid()}") == (tied,)
        assert labs.sweep(lab.name) == ()
        assert ssh(labs.find(free), "one", "hostname").stdout == "one\n"
    finally:
        labs.down(tied)
        labs.down(free)


def test_a_host_that_cannot_boot_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"broken-{os.getpid()}"
    really = labs.identity.give

    def broken(root: Path, spec: HostSpec, *, address: str, key: str) -> None:
        really(root, spec, address=address, key=key)
        if spec.name == "two":
            (root / "usr/lib/systemd/systemd").unlink()
            (root / "sbin/init").unlink()

    monkeypatch.setattr(labs.identity, "give", broken)
    with pytest.raises(ApplianceError, match="two: the host went off while it booted") as error:
        labs.up(LabSpec(name, (HostSpec("one"), HostSpec("two"))))
    assert error.value.hint.startswith("its console's last line: ")
    assert traces(name, "none") == []


# --- what is asked for ---


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (LabSpec("Not-a-name", (HostSpec("one"),)), "name"),
        (LabSpec("../escape", (HostSpec("one"),)), "name"),
        (LabSpec("empty", ()), "hosts"),
        (LabSpec("twice", (HostSpec("one"), HostSpec("one"))), "hosts"),
        (LabSpec("suite", (HostSpec("one", suite="sid"),)), "one"),
        (LabSpec("option", (HostSpec("one", packages=("--force",)),)), "one"),
        (LabSpec("user", (HostSpec("one", users=(LabUser("ops:x"),)),)), "one"),
        (LabSpec("line", (HostSpec("one", users=(LabUser("ops", password="a\nroot:b"),)),)), "one"),
        (LabSpec("slow", (HostSpec("one", bandwidth=0),)), "one"),
        (LabSpec("tiny", (HostSpec("one", data_disk=4096),)), "one"),
    ],
)
def test_a_lab_that_cannot_be_is_refused_before_anything_is_made(spec: LabSpec, where: str) -> None:
    with pytest.raises(RecipeError) as error:
        labs.up(spec)
    assert error.value.where == where


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in ("ip", "tc", "ssh-keygen"):
        (tmp_path / program).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(labs.programs, "_ADMINISTRATORS_FOLDERS", "")
    with pytest.raises(ApplianceError, match="lacks .*mmdebstrap") as error:
        labs.up(LabSpec("bare-machine", (HostSpec("one"),)))
    assert error.value.hint.startswith("apt-get install ")
    assert "mmdebstrap" in error.value.hint
    assert "iproute2" not in error.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bullseye", "trixie"])
def test_hosts_of_other_debian_releases_boot(suite: str, make_lab: MakeLab) -> None:
    mine = make_lab(HostSpec("one", suite=suite), HostSpec("bare", suite=suite, python=False))
    assert f"VERSION_CODENAME={suite}" in ssh(mine, "one", "cat", "/etc/os-release").stdout
    assert ssh(mine, "bare", "systemctl", "is-system-running", "--wait").stdout == "running\n"


@pytest.mark.slow
def test_a_root_with_an_unknown_package_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    spec = LabSpec("unknown", (HostSpec("one", packages=("no-such-package",)),), cache=tmp_path)
    with pytest.raises(ApplianceError, match="mmdebstrap could not make a bookworm root: E: .*no-such-package"):
        labs.up(spec)
    assert [path for path in (tmp_path / "roots").iterdir() if path.suffix != ".lock"] == []
    assert traces("unknown", "none") == []
