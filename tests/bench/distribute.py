"""One large blob to one, three, six and twelve hosts over shaped links: by each of our ways, scp, ansible, pyinfra."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from support.sending import BLOBS, Sending

from appliance.lab import host as hosts
from appliance.lab import lab as labs
from appliance.lab import network, registry
from appliance.lab.spec import HostSpec, LabSpec
from bench import ansible, pypi
from bench.result import Result, Target, at_least, at_most
from bench.sides import Side, interleaved
from bench.sites import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.image.blobs import Blob
    from appliance.lab.registry import Lab
    from bench.material import Material
    from bench.sides import Series

MIB = 1 << 20
SIZE = int(os.environ.get("APPLIANCE_BENCH_SEND_MIB", "64")) * MIB
RATE = int(os.environ.get("APPLIANCE_BENCH_SEND_MBIT", "50")) * 1_000_000
ON_THE_WIRE = 1.046
"""Bytes on the wire for a byte of payload: headers of Ethernet, IP and TCP at an MTU of 1500."""
ONE = 1
"""Host, for our unicast and scp alone."""
COUNTS = (3, 6)
"""Of hosts, for all sides."""
MOST = 12
"""Of hosts, for the chain and the swarm alone: whether they stay flat."""
ROUNDS = 3
PYINFRA_VERSION = "3.10.0"
_OPERATOR = 100
_PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {src: SOURCE, dest: /var/tmp/peer, mode: "0444"}
"""


def measure(material: Material) -> Result:
    """The sides in turns, all out of the operator's own namespace, which is shaped like the hosts'."""
    series: list[Series] = []
    wire: dict[str, list[float]] = {}
    idle: dict[str, list[float]] = {}
    for count in (ONE, *COUNTS, MOST):
        with _site(material, count) as site:
            sides = [side for side in site.sides(wire, idle) if side.name in SIDES.get(count, (side.name,))]
            took = interleaved(sides, rounds=ROUNDS)
            site.note(wire, idle)
            series += [dataclasses.replace(each, name=f"{each.name}, {_hosts(count)}") for each in took.values()]
    seconds = {each.name: each.seconds for each in series}
    limit = SIZE * ON_THE_WIRE * 8 / RATE
    few, many = COUNTS
    chain_few, chain, chain_most = (seconds[f"{CHAIN}, {count} hosts"] for count in (few, many, MOST))
    return Result(
        "distribute",
        f"{SIZE // MIB} MiB to {ONE}, {few}, {many}, {MOST} hosts, links of {RATE // 10**6} Mbit/s, the operator's too",
        tuple(series),
        (
            at_most(f"{many} hosts: ≤ 1.15 × one link's limit", chain / limit, 1.15),
            at_most(f"flat: {MOST} hosts ≤ 1.15 × {few}", chain_most / chain_few, 1.15),
            at_least(f"{many} hosts: ≥ 5 × parallel scp", seconds[f"{SCP}, {many} hosts"] / chain, 5),
            *(_beside(peer, seconds, chain, many) for peer in (ANSIBLE, PYINFRA)),
            at_most("1 host: unicast ≤ 1.05 × scp", seconds[f"{UNICAST}, 1 host"] / seconds[f"{SCP}, 1 host"], 1.05),
        ),
        (
            f"one link's limit for the bytes on the wire: {limit:.2f} s",
            *(f"{name}: the operator sent {_span(sent)} copies" for name, sent in wire.items()),
            *(f"{name}: processors idle {_span([100 * each for each in free])} %" for name, free in idle.items()),
            "ours is a whole run: worker, leases, keys and certificates, hashes on both sides, sync, journal",
            "the swarm's libtorrent is on the hosts before; it would be 8.7 MB more by the chain",
        ),
    )


CHAIN, UNICAST, SWARM = "appliance, chain", "appliance, unicast", "appliance, swarm"
SCP, ANSIBLE, PYINFRA = "scp in parallel", "ansible copy", "pyinfra put"
SIDES = {ONE: (UNICAST, SCP), MOST: (CHAIN, SWARM)}
"""Those of a number of hosts that has not all of them."""


def _hosts(count: int) -> str:
    return f"{count} host" if count == 1 else f"{count} hosts"


def _beside(peer: str, seconds: dict[str, float], chain: float, many: int) -> Target:
    theirs = seconds.get(f"{peer}, {many} hosts")
    what = f"{many} hosts: faster than {peer}"
    return Target(what, "", None) if theirs is None else at_least(what, theirs / chain, 1)


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


class Wire:
    """Counts what the operator's link carried, and how idle the processors were, between two looks."""

    def __init__(self, link: str) -> None:
        self._counter = Path(f"/sys/class/net/{link}/statistics/rx_bytes")
        self._sent, self._idle, self._all = self._look()

    def _look(self) -> tuple[int, int, int]:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
        ticks = [int(field) for field in first]
        return int(self._counter.read_text(encoding="ascii")), ticks[3] + ticks[4], sum(ticks)

    def since(self) -> tuple[float, float]:
        """Copies of the blob that left the operator, and the share of processor time that nobody used."""
        before = (self._sent, self._idle, self._all)
        self._sent, self._idle, self._all = self._look()
        ticks = max(self._all - before[2], 1)
        return (self._sent - before[0]) / (SIZE * ON_THE_WIRE), (self._idle - before[1]) / ticks


class Site:
    """A lab, the operator's namespace on its network, and the blob."""

    def __init__(self, material: Material, lab: Lab, netns: Path) -> None:
        self._material = material
        self._lab = lab
        self._netns = netns
        self._folder = material.folder / lab.name
        self._sending = Sending(lab, self._folder)
        self._blob: Blob = self._sending.blob(SIZE)
        self._path = self._sending.home.blobs / self._blob.digest.hex
        self._wire = Wire(lab.network.link(_OPERATOR))
        self._running = ""

    def sides(self, wire: dict[str, list[float]], idle: dict[str, list[float]]) -> list[Side]:
        """All sides; before each, what the one before it used is noted, and its files go."""
        ours = (self._material.python, "-m", "bench.sending")
        swarm = self._sending.swarm_part()
        part = (swarm.blob.digest.hex, str(swarm.blob.size), swarm.diff_id.hex)
        blob = (self._lab.name, str(self._folder), self._sending.runtime.hex, self._blob.digest.hex, str(SIZE), *part)
        found = [
            (CHAIN, (*ours, "chain", *blob)),
            (SWARM, (*ours, "swarm", *blob)),
            (UNICAST, (*ours, "unicast", *blob)),
            (SCP, self._scp()),
        ]
        if program := ansible.program():
            found.append((ANSIBLE, self._ansible(program)))
        if program := pypi.program("pyinfra", package="pyinfra", version=PYINFRA_VERSION):
            found.append((PYINFRA, self._pyinfra(program)))

        def side(name: str, argv: tuple[str, ...]) -> Side:
            def prepare() -> None:
                self.note(wire, idle)
                self._clear()
                self._running = f"{name}, {_hosts(len(self._lab.hosts))}"
                self._wire.since()

            env = {"ANSIBLE_CONFIG": f"{self._folder}/ansible.cfg"}
            return Side(name, ("nsenter", f"--net={self._netns}", *argv), prepare, env)

        return [side(name, argv) for name, argv in found]

    def note(self, wire: dict[str, list[float]], idle: dict[str, list[float]]) -> None:
        """Write down what the side that ran last used."""
        sent, free = self._wire.since()
        if self._running:
            wire.setdefault(self._running, []).append(sent)
            idle.setdefault(self._running, []).append(free)

    def _clear(self) -> None:
        for each in self._lab.hosts:
            script = f"rm -f /var/tmp/peer {BLOBS}/{self._blob.digest.hex}; sync"
            hosts.run_inside(each, ["sh", "-c", script])

    def _options(self) -> str:
        lab = self._lab
        return f"-F none -i {lab.key} -o UserKnownHostsFile={lab.known_hosts} -o GlobalKnownHostsFile=/dev/null"

    def _scp(self) -> tuple[str, ...]:
        lines = [
            f"scp -q {self._options()} {self._path} root@{each.address}:/var/tmp/peer &" for each in self._lab.hosts
        ]
        return ("bash", "-euo", "pipefail", "-c", "\n".join([*lines, "for job in $(jobs -p); do wait $job; done"]))

    def _ansible(self, program: Path) -> tuple[str, ...]:
        folder = self._folder
        login = {"ansible_user": "root", "ansible_ssh_private_key_file": str(self._lab.key)}
        inventory = {"all": {"vars": login, "hosts": {each.address: {} for each in self._lab.hosts}}}
        (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
        (folder / "site.yml").write_text(_PLAYBOOK.replace("SOURCE", str(self._path)), encoding="utf-8")
        settings = f"forks = {max(COUNTS)}\ninventory = {folder}/hosts.json\npipelining = True\n"
        trusted = f"[ssh_connection]\nssh_common_args = {self._options()}\n"
        (folder / "ansible.cfg").write_text(f"[defaults]\n{settings}{trusted}", encoding="utf-8")
        return (str(program), str(folder / "site.yml"))

    def _pyinfra(self, program: Path) -> tuple[str, ...]:
        folder, lab = self._folder, self._lab
        entry = {"ssh_user": "root", "ssh_key": str(lab.key), "ssh_known_hosts_file": str(lab.known_hosts)}
        inventory = [(each.address, entry) for each in lab.hosts]
        put = f'files.put(src={str(self._path)!r}, dest="/var/tmp/peer", mode="444")'
        (folder / "inventory.py").write_text(f"site = {inventory!r}\n", encoding="utf-8")
        (folder / "deploy.py").write_text(f"from pyinfra.operations import files\n\n{put}\n", encoding="utf-8")
        return (str(program), "-y", "--parallel", f"{max(COUNTS)}", f"{folder}/inventory.py", f"{folder}/deploy.py")


@contextlib.contextmanager
def _site(material: Material, count: int) -> Iterator[Site]:
    """A lab of `count` shaped hosts, and a shaped operator; all goes with the block."""
    labs.sweep(PREFIX)
    material.say(f"booting {count} lab hosts")
    specs = tuple(HostSpec(f"host-{n}", packages=("python3",), bandwidth=RATE) for n in range(1, count + 1))
    lab = labs.up(LabSpec(f"{PREFIX}{os.getpid()}", specs, tied=True))
    try:
        netns = registry.RUN / lab.name / "operator" / "net"
        netns.parent.mkdir()
        network.attach(lab.network, _OPERATOR, netns=netns, bandwidth=RATE)
        yield Site(material, lab, netns)
    finally:
        labs.down(lab.name)
        shutil.rmtree(material.folder / lab.name, ignore_errors=True)
