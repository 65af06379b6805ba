"""Facts out of recorded answers, and the stamp as text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.inventory.facts import (
    NEEDED_COMMANDS,
    Facts,
    NodeStamp,
    Receipt,
    parse_facts,
    stamp_from_text,
    stamp_to_text,
)

RECORDED = Path(__file__).parents[1] / "data" / "facts"
STAMP = NodeStamp(
    cluster="site-a",
    product="etcd",
    machine_id="dd08afe8d96b4f65856967dd048401e5",
    roles=("etcd", "ä"),
    image="sha256:" + "a" * 64,
    version="1.0.0",
    epoch=3,
    runtime="systemd",
    receipt=Receipt(files=("/etc/etcd/etcd.conf",), units=("etcd.service",), trees=("/opt/appliance/site-a",)),
)
AT = datetime.fromtimestamp(1795416025, UTC)


def recorded(release: int, *more: str) -> Facts:
    text = (RECORDED / f"debian-{release}.txt").read_text()
    return parse_facts(text.replace("@end", "\n".join((*more, "@end"))), at=AT)


@pytest.mark.parametrize(
    ("release", "name", "systemd", "address"),
    [(11, "bullseye", 247, "10.210.0.11"), (12, "bookworm", 252, "10.210.0.12"), (13, "trixie", 257, "10.210.0.13")],
)
def test_facts_of_bare_debian_releases(release: int, name: str, systemd: int, address: str) -> None:
    facts = recorded(release)
    assert (facts.hostname, facts.os_id, facts.os_version) == (name, "debian", str(release))
    assert facts.os_name == f"Debian GNU/Linux {release} ({name})"
    assert (facts.architecture, facts.kernel) == ("amd64", "6.18.44-fc-v669")
    assert (facts.cpus, facts.memory, facts.root, facts.systemd) == (2, 24684084 * 1024, True, systemd)
    assert facts.listening_ports == (22,)
    assert facts.addresses == (address,)
    assert facts.commands == NEEDED_COMMANDS
    assert (facts.stamp, facts.stamp_error, facts.lease) == (None, "", "")
    assert len(facts.machine_id) == 32


def test_room_is_told_once_for_each_folder_and_mount() -> None:
    facts = recorded(13)
    paths = [disk.path for disk in facts.disks]
    assert paths[:4] == ["/", "/etc", "/opt", "/var/lib/appliance"]
    assert len(paths) == len(set(paths))
    root = facts.disks[0]
    assert (root.free, root.total) == (18915615 * 4096, 66053021 * 4096)
    assert (root.free_inodes, root.filesystem, root.device) == (16284756, "overlayfs", "43")


def test_the_clock_is_compared_with_the_operators() -> None:
    assert recorded(13).clock_skew == pytest.approx(0.261)


@pytest.mark.parametrize(
    ("date", "skew"), [("1795416030.500000000", 5.5), ("1795416000", -24.5), ("1795416000.%N", -24.5), ("", 0.0)]
)
def test_clocks_with_and_without_fractions(date: str, skew: float) -> None:
    text = f"@date\n {date}\n@end"
    assert parse_facts(text, at=AT).clock_skew == skew


def test_room_without_stat_is_told_by_df_and_without_either_not_at_all() -> None:
    df = "@df\n Filesystem 1024-blocks Used Available Capacity Mounted on\n /dev/vda 1000 400 600 40% /"
    text = f"@disk\n /a\n@device\n 7\n@space\n{df}\n@disk\n /b\n@device\n@space\n@df\n@end"
    (disk,) = parse_facts(text, at=AT).disks
    assert (disk.path, disk.free, disk.total, disk.free_inodes) == ("/a", 600 * 1024, 1000 * 1024, -1)


def test_a_file_system_that_makes_inodes_as_needed_has_no_number_of_them() -> None:
    text = "@disk\n /\n@device\n 7\n@space\n 4096 10 20 0 0 btrfs\n@df\n@end"
    (disk,) = parse_facts(text, at=AT).disks
    assert (disk.free_inodes, disk.filesystem) == (-1, "btrfs")


def test_addresses_are_those_of_the_machine_on_its_networks() -> None:
    text = (
        "@inet\n    |-- 127.0.0.1\n       /32 host LOCAL\n    |-- 192.0.2.7\n       /32 host LOCAL\n"
        "@inet6\n fd000000000000000000000000000002 04 40 00 82 eth0\n"
        " fe800000000000000000000000000001 04 40 20 80 eth0\n@end"
    )
    assert parse_facts(text, at=AT).addresses == ("192.0.2.7", "fd00::2")


def test_a_host_that_answers_nothing_is_a_host_of_which_nothing_is_known() -> None:
    facts = parse_facts("@end\n", at=AT)
    assert (facts.hostname, facts.cpus, facts.root, facts.disks) == ("", 0, False, ())


@pytest.mark.parametrize("text", ["", "Welcome!", "@date\n 1", "@end\n@date\n", "@end\n x"])
def test_an_answer_that_breaks_off_is_no_answer(text: str) -> None:
    with pytest.raises(ValueError, match="breaks off"):
        parse_facts(text, at=AT)


def test_a_stamp_and_a_lease_are_found() -> None:
    lease = '{"cluster":"site-a","operator":"eva","run":"r1","started":"2026-01-31T10:00:00.000Z"}'
    facts = recorded(12, f"@stamp\n {stamp_to_text(STAMP)}", f"@lease\n {lease}")
    assert facts.stamp == STAMP
    text = (RECORDED / "debian-12.txt").read_text().replace("@lease\n", f"@lease\n {lease}\n")
    assert parse_facts(text, at=AT).lease == lease


def test_a_stamp_that_cannot_be_read_is_reported() -> None:
    facts = recorded(12, "@stamp", " {")
    assert facts.stamp is None
    assert "Expecting property name" in facts.stamp_error


def test_a_stamp_is_the_same_after_a_round_trip_and_always_the_same_text() -> None:
    text = stamp_to_text(STAMP)
    assert stamp_from_text(text) == STAMP
    assert stamp_to_text(stamp_from_text(text)) == text
    assert list(json.loads(text)) == sorted(json.loads(text))


def document(**changes: object) -> str:
    return json.dumps(json.loads(stamp_to_text(STAMP)) | changes)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "an object with a format is expected"),
        ("{}", "an object with a format is expected"),
        (document(format=2), "format 2 is not known here, only 1"),
        (document(format="1"), "format '1' is not known"),
        (document(more=1), "must have exactly the fields"),
        (document(receipt={}), "the receipt must have exactly"),
        (document(receipt=None), "the receipt must have exactly"),
        (document(cluster=None), "cluster must be text"),
        (document(roles="etcd"), "roles must be a list of texts"),
        (document(roles=[1]), "roles must be a list of texts"),
        (document(epoch="3"), "epoch must be a whole number"),
        (document(epoch=True), "epoch must be a whole number"),
        (document(epoch=-1), "epoch must be a whole number"),
        (document(epoch=1.5), "number that is not an integer"),
        ('{"format":1,"format":1}', "duplicate key"),
        ("[" * 100_000, "nested deeper"),
        (document(version="x" * (1 << 18)), "at most 262144 are allowed"),
    ],
)
def test_anything_else_is_not_a_stamp(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        stamp_from_text(text)


def test_a_stamp_that_no_host_could_give_back_is_not_written() -> None:
    with pytest.raises(ValueError, match="at most 262144"):
        stamp_to_text(replace(STAMP, receipt=Receipt(files=("/x" * (1 << 17),))))
