"""A whole installation on twelve hosts as sites have them: three Debians, with and without Python, a door for each."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import lab_of
from support.operators import Operator, deliver

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec, LabUser, Sudo

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "beacon"
NOISE_BYTES = 24 << 20
RATE = 200_000_000
ASKED, STRICTER = "asked-pa55", "stricter-pa55"
ROOTS = "root's own $ecret"
USERS = (
    LabUser("ops", sudo=Sudo.NOPASSWD),
    LabUser("tied", sudo=Sudo.NOPASSWD),
    LabUser("tieder", password=STRICTER, sudo=Sudo.PASSWORD),
    LabUser("asked", password=ASKED, sudo=Sudo.PASSWORD, lab_key=False),
    LabUser("plain"),
)
SETTINGS = """
printf 'Match User asked\\n PasswordAuthentication no\\n KbdInteractiveAuthentication yes\\n' >>/etc/ssh/sshd_config
sed -i 's/^ChallengeResponseAuthentication no/ChallengeResponseAuthentication yes/' /etc/ssh/sshd_config
printf 'Defaults:tied requiretty\\nDefaults:tieder requiretty\\n' >/etc/sudoers.d/terminals
chmod 440 /etc/sudoers.d/*
chpasswd
visudo -cq && sshd -t && systemctl reload ssh
"""
DOORS = {
    "root": {"user": "root"},
    "sudo": {"user": "ops"},
    "tty": {"user": "tied"},
    "tty-and-password": {"user": "tieder", "becomePassword": STRICTER},
    "su": {"user": "plain", "become": "su", "becomePassword": ROOTS},
    "questions": {"user": "asked", "password": ASKED, "becomePassword": ASKED},
}


@dataclass(frozen=True, slots=True)
class Door:
    """A host: its Debian, whether it has a Python, and how it is entered."""

    suite: str
    door: str
    python: bool = True


HOSTS = (
    Door("bookworm", "root"),
    Door("bullseye", "su", python=False),
    Door("trixie", "tty"),
    Door("bookworm", "tty-and-password"),
    Door("bullseye", "tty"),
    Door("trixie", "su"),
    Door("bookworm", "questions", python=False),
    Door("bullseye", "sudo"),
    Door("trixie", "tty-and-password"),
    Door("bookworm", "su"),
    Door("bullseye", "questions"),
    Door("trixie", "sudo", python=False),
)


@pytest.fixture(scope="module")
def ann(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("doors")
    recipe = shutil.copytree(RECIPE, folder / "recipe")
    (recipe / "noise").write_bytes(os.urandom(NOISE_BYTES))
    (recipe / "zeros").write_text("zeros")
    bundle, root = deliver(folder, recipe)
    specs = (
        HostSpec(f"h{number}", suite=each.suite, python=each.python, users=USERS, bandwidth=RATE)
        for number, each in enumerate(HOSTS)
    )
    with lab_of(*specs) as lab:
        groups = []
        for host, each in zip(lab.hosts, HOSTS, strict=True):
            machines.run_inside(host, ("sh", "-c", SETTINGS), stdin=f"root:{ROOTS}\n")
            groups.append({"addresses": [host.address], "roles": ["beacon"], "ssh": DOORS[each.door]})
        document = {
            "apiVersion": "appliance/v1",
            "kind": "Cluster",
            "metadata": {"name": "site"},
            "spec": {"hosts": groups, "distribution": {"method": "chain"}},
        }
        (folder / "cluster.yaml").write_text(json.dumps(document))
        yield Operator(lab, folder / "ann", bundle, root, folder / "cluster.yaml")


def everywhere(ann: Operator, script: str) -> set[str]:
    return {machines.run_inside(host, ("sh", "-c", script)).stdout for host in ann.lab.hosts}


def test_behind_every_door_on_every_debian_it_is_installed_and_one_copy_is_sent(ann: Operator) -> None:
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stderr
    assert everywhere(ann, "systemctl is-active beacon") == {"active\n"}
    logs = [path.read_text() for path in (ann.runs[0].path / "hosts").iterdir()]
    assert len(logs) == len(HOSTS)
    sums = everywhere(ann, "cat /opt/appliance/site/*/data/noise | sha256sum")
    assert len(sums) == 1
    given = [int(size) for log in logs for size in re.findall(r"\((\d+) bytes of them from the operator\)", log)]
    assert NOISE_BYTES <= sum(given) < 3 * NOISE_BYTES
    assert sum("takes from beacon-" in log for log in logs) >= len(HOSTS) - 2


def test_a_second_apply_has_nothing_to_do(ann: Operator) -> None:
    done = ann.appliance("apply")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout


def test_a_reset_leaves_nothing_behind_any_door(ann: Operator) -> None:
    done = ann.appliance("reset")
    assert done.returncode == 0, done.stderr
    assert everywhere(
        ann, "ls -d /opt/appliance /var/lib/appliance/node /etc/appliance/node.json 2>/dev/null || :"
    ) == {""}
