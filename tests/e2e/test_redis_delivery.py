"""A redis with sentinels on three hosts: the primary is lost, another one takes its place, and nobody is called.

What redis and the sentinels write down of that is their own affair: no drift that an `apply` would undo.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import OPS, lab_of
from support.operators import Operator, deliver, write_clusterfile
from support.traces import differences, trace

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[2] / "bundles" / "redis"
NAMES = ("one", "two", "three")
PASSWORD = "a-password.of~the/site+1="
FOLLOWED = "[ $(/etc/redis/redis-cli info replication | grep -c state=online) = 2 ]"
FASTER = {"downAfterMilliseconds": 1000, "failoverTimeoutMilliseconds": 10000}


@pytest.fixture(scope="module")
def site(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator with the delivery, a Clusterfile of three hosts with all roles, and a password in a file."""
    folder = tmp_path_factory.mktemp("redis")
    bundle, root = deliver(folder, RECIPE)
    (folder / "password").write_text(PASSWORD)
    with lab_of(*(HostSpec(name, users=(OPS,)) for name in NAMES)) as lab:
        hosts = [{"addresses": [lab.host(name).address for name in NAMES], "roles": ["redis", "sentinel"]}]
        file = write_clusterfile(folder / "cluster.yaml", (), "", hosts=hosts, parameters=FASTER, ssh={"user": "ops"})
        yield Operator(lab, folder / "operator", bundle, root, file)


@pytest.fixture(scope="module")
def before(site: Operator) -> dict[str, dict[str, frozenset[str]]]:
    """The hosts as they were before anything was installed."""
    return {name: trace(site.lab.host(name)) for name in NAMES}


def inside(site: Operator, name: str, script: str) -> str:
    """What a shell line says on a host; it may say nothing for a minute."""
    return machines.run_inside(site.lab.host(name), ("sh", "-c", script), seconds=120).stdout


def redis(site: Operator, name: str, words: str, *, at: str = "") -> str:
    """Ask redis from a host: the primary, or the server of the host `at`."""
    there = f"REDIS_HOST={site.lab.host(at).address} " if at else ""
    return inside(site, name, f"{there}/etc/redis/redis-cli --raw {words}").strip()


def primary(site: Operator, name: str) -> str:
    """The host that most sentinels call the primary, as a host's script finds out."""
    script = ". /etc/redis/cluster; REDISCLI_AUTH=$(cat /etc/redis/password) $programs/bin/redis-primary"
    address = inside(site, name, script).strip()
    return next((host for host in NAMES if site.lab.host(host).address == address), "")


def until(site: Operator, name: str, condition: str) -> None:
    """Wait on a host until a shell line is so, for a minute."""
    inside(site, name, f"for i in $(seq 120); do {condition} && exit; sleep 0.5; done; exit 1")


def others(name: str) -> list[str]:
    return [other for other in NAMES if other != name]


def test_one_command_makes_a_primary_two_replicas_and_three_sentinels(
    site: Operator, before: dict[str, dict[str, frozenset[str]]]
) -> None:
    assert set(before) == set(NAMES)
    done = site.appliance("apply", "--set-file", f"password={site.home.parent / 'password'}")
    assert done.returncode == 0, done.stderr
    assert primary(site, "two") == "one"
    assert redis(site, "three", "info replication").count("state=online") == 2
    assert redis(site, "one", "set key 'carried in on a stick'") == "OK"
    assert redis(site, "one", "wait 2 5000") == "2"
    assert redis(site, "two", "get key", at="three") == "carried in on a stick"


def test_strangers_get_nothing_and_nothing_travels_in_the_clear(site: Operator) -> None:
    address = site.lab.host("one").address
    asked = f". /etc/redis/cluster; unset REDISCLI_AUTH; cli -h {address} -p PORT ping 2>&1 || true"
    for port in ("6379", "26379"):
        assert "NOAUTH" in inside(site, "two", asked.replace("PORT", port))
        plain = f"LD_LIBRARY_PATH=$programs/lib $programs/bin/redis-cli -h {address} -p {port} ping 2>&1"
        assert "PONG" not in inside(site, "two", f". /etc/redis/cluster; {plain} || true")


def test_the_password_is_in_no_argument_no_journal_and_no_file_that_others_may_read(site: Operator) -> None:
    for name in NAMES:
        assert PASSWORD not in inside(site, name, "ps -eo args=; journalctl --no-pager --quiet; systemctl show redis")
        readable = f"grep -rlF -- {PASSWORD!r} /etc /opt /var/lib --include='*' 2>/dev/null | xargs -r stat -c '%a %n'"
        assert all(line.startswith("600 ") for line in inside(site, name, readable).splitlines())
    kept = [path for path in site.home.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert kept == []


def test_another_primary_is_promoted_when_the_host_of_the_first_one_is_lost(site: Operator) -> None:
    machines.cut(site.lab.host("one"))
    machines.power_off(site.lab.host("one"))
    until(site, "two", "/etc/redis/redis-cli set key 'written after the loss' | grep OK")
    new = primary(site, "three")
    assert new in others("one")
    assert redis(site, new, "get key") == "written after the loss"
    assert redis(site, others(new)[-1], "wait 1 5000") == "1"


def test_the_old_primary_returns_as_a_replica_with_what_was_written_meanwhile(site: Operator) -> None:
    machines.mend(site.lab.host("one"))
    machines.power_on(site.lab.host("one"))
    machines.wait(site.lab.host("one"))
    until(site, "one", 'systemctl is-active -q redis && [ "$(REDIS_HOST=$(. /etc/redis/cluster; echo $self) '
          "/etc/redis/redis-cli --raw get key)\" = 'written after the loss' ]")  # fmt: skip
    assert primary(site, "one") in others("one")
    until(site, "one", FOLLOWED)


def test_what_redis_has_written_down_of_it_is_no_drift(site: Operator) -> None:
    for name in NAMES:
        assert "sentinel current-epoch 1" in inside(site, name, "cat /var/lib/redis-sentinel-site/sentinel.conf")
    assert site.plan() == []
    done = site.appliance("apply")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert primary(site, "one") in others("one")


def test_a_killed_process_is_back_before_anybody_is_promoted_or_else_follows_who_was(site: Operator) -> None:
    last = primary(site, "one")
    inside(site, last, "systemctl kill --signal=KILL redis")
    until(site, last, "systemctl is-active -q redis && /etc/redis/redis-cli set key again | grep OK")
    now = primary(site, last)
    assert redis(site, now, "role").splitlines()[0] == "master"
    until(site, now, FOLLOWED)


def test_other_values_of_parameters_restart_servers_and_change_no_role_and_no_data(site: Operator) -> None:
    leader = primary(site, "one")
    for words, bound, log in ((("maxMemoryMebibytes=64", "appendOnly=false"), 64 << 20, "no"), ((), 0, "yes")):
        done = site.appliance("apply", *(part for word in words for part in ("--set", word)))
        assert done.returncode == 0, done.stderr
        until(site, "one", "/etc/redis/redis-cli set other value | grep OK")
        assert redis(site, "one", "config get maxmemory").splitlines()[-1] == str(bound)
        assert redis(site, "one", "config get appendonly").splitlines()[-1] == log
        assert primary(site, "one") == leader
        assert redis(site, "one", "get key") == "again"


def test_a_snapshot_is_gone_back_to_as_the_readme_says(site: Operator) -> None:
    leader = primary(site, "one")
    readme = (RECIPE / "README.md").read_text()
    (line,) = (line for line in readme.splitlines() if line.startswith("cd /var/lib/private/redis-"))
    redis(site, leader, "--rdb /root/kept.rdb")
    redis(site, leader, "set key lost")
    for name in NAMES:
        inside(site, name, "systemctl stop redis-sentinel redis")
    inside(site, leader, line.replace("CLUSTER", "site").replace("FILE", "/root/kept.rdb") + " && rm /root/kept.rdb")
    for name in NAMES:
        inside(site, name, "systemctl start --no-block redis redis-sentinel")
    until(site, leader, FOLLOWED)
    assert {redis(site, "one", "get key", at=name) for name in NAMES} == {"again"}
    assert site.plan() == []


def test_reset_leaves_the_hosts_as_they_were(site: Operator, before: dict[str, dict[str, frozenset[str]]]) -> None:
    done = site.appliance("reset")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        found = differences(before[name], trace(site.lab.host(name)))
        assert [line for line in found if "/systemd-private-" not in line] == []  # of the boot of a host's own services
