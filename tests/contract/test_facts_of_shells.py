"""The question about facts, asked of real shells and tools on this machine, busybox alone among them."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.inventory.facts import NEEDED_COMMANDS, facts_command, parse_facts

if TYPE_CHECKING:
    from appliance.inventory.facts import Facts


def ask(shell: list[str], path: str) -> Facts:
    argv = [*shell, *facts_command(("/", "/no/such/folder")).argv[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, env={"PATH": path}, check=True)
    assert done.stderr == ""
    return parse_facts(done.stdout, at=datetime.now(UTC))


@pytest.mark.parametrize("shell", ["dash", "bash", "mksh", "yash", "busybox"])
def test_any_posix_shell_answers(shell: str) -> None:
    facts = ask(["busybox", "sh"] if shell == "busybox" else [shell], "/usr/sbin:/usr/bin:/sbin:/bin")
    assert facts.hostname == os.uname().nodename
    assert facts.kernel == os.uname().release
    assert facts.cpus == len(os.sched_getaffinity(0))
    assert facts.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts.root is (os.geteuid() == 0)
    assert facts.commands == NEEDED_COMMANDS
    assert abs(facts.clock_skew) < 60
    root, missing = facts.disks[:2]
    assert (root.path, missing.path) == ("/", "/no/such/folder")
    assert root.total == missing.total == os.statvfs("/").f_blocks * os.statvfs("/").f_frsize
    assert root.device == missing.device == str(Path("/").stat().st_dev)


def test_busybox_alone_answers_the_same(tmp_path: Path) -> None:
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (tmp_path / applet).symlink_to("/bin/busybox")
    bare, full = ask(["busybox", "sh"], str(tmp_path)), ask(["sh"], "/usr/sbin:/usr/bin:/sbin:/bin")
    assert bare.commands == tuple(name for name in NEEDED_COMMANDS if name != "systemctl")
    for name in ("machine_id", "architecture", "kernel", "os_name", "cpus", "memory", "addresses", "root"):
        assert getattr(bare, name) == getattr(full, name)
    assert [(disk.path, disk.total, disk.device) for disk in bare.disks] == [
        (disk.path, disk.total, disk.device) for disk in full.disks
    ]
