"""Who answers by SSH in a /22 where six hosts live; the others' addresses are nobody's."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.result import Result, Target, at_most
from bench.sides import Side, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.material import Material

HOSTS = 6
ROUNDS = 5
NETWORK = "198.18.0.0/22"  # for benchmarks (RFC 2544)
_SSHD = """
Port 22
PidFile none
UsePAM no
HostKey {folder}/host_ed25519
HostKey {folder}/host_ecdsa
HostKey {folder}/host_rsa
"""


def measure(material: Material) -> Result:
    """`appliance scan` beside nmap, which finds the open port, and beside nmap that fetches host keys as we do."""
    if not shutil.which("nmap"):
        sys.exit("nmap is not here: apt-get install nmap")
    with _network(material) as inside:
        program = (*inside, material.appliance, "scan", NETWORK)
        nmap = (*inside, "nmap", "-n", "-p22")
        found = subprocess.run([*program, "--quiet"], capture_output=True, text=True, check=True).stdout
        took = interleaved(
            [
                Side("appliance scan", program),
                Side("nmap -p22", (*nmap, "--open", NETWORK)),
                Side("nmap -Pn -p22", (*nmap, "-Pn", "--open", NETWORK)),
                Side("nmap with host keys", (*nmap, "--open", "--script", "ssh-hostkey", NETWORK)),
            ],
            rounds=ROUNDS,
        )
    ours, keys = took["appliance scan"].seconds, found.count("SHA256:")
    return Result(
        "scan",
        f"{NETWORK} with {HOSTS} hosts, each with three host keys",
        tuple(took.values()),
        (
            Target("keys found", f"{keys} of {3 * HOSTS}", keys == 3 * HOSTS),
            at_most("scan ≤ 1.2 × nmap -p22", ours / took["nmap -p22"].seconds, 1.2),
            at_most("… ≤ 1.2 × nmap with host keys", ours / took["nmap with host keys"].seconds, 1.2),
        ),
        (
            "nmap as root asks by ARP who is there before it knocks; with -Pn it knocks everywhere",
            "ours includes the start of Python and three key exchanges a host",
        ),
    )


@contextlib.contextmanager
def _network(material: Material) -> Iterator[tuple[str, ...]]:
    """Two network namespaces with a wire between them, hosts in the one; what runs a command in the other."""
    here, there = (f"bench-scan-{os.getpid()}-{side}" for side in ("here", "there"))
    folder = material.folder / "scan"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        for name in (here, there):
            material.run("ip", "netns", "add", name)
            stack.callback(material.run, "ip", "netns", "del", name)
        _wire(material, here, there)
        stack.enter_context(_sshd(material, there, folder))
        yield ("ip", "netns", "exec", here)


def _wire(material: Material, here: str, there: str) -> None:
    material.run("ip", "link", "add", "wire", "netns", here, "type", "veth", "peer", "wire", "netns", there)
    material.run("ip", "-n", here, "addr", "add", "198.18.0.1/22", "dev", "wire")
    for number in range(HOSTS):
        material.run("ip", "-n", there, "addr", "add", f"198.18.{number % 4}.{11 + number}/22", "dev", "wire")
    for name in (here, there):
        for link in ("lo", "wire"):
            material.run("ip", "-n", name, "link", "set", link, "up")


@contextlib.contextmanager
def _sshd(material: Material, namespace: str, folder: Path) -> Iterator[None]:
    for kind in ("ed25519", "ecdsa", "rsa"):
        material.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / f"host_{kind}")
    config = folder / "sshd_config"
    config.write_text(_SSHD.format(folder=folder), encoding="utf-8")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    argv = ["ip", "netns", "exec", namespace, "/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            if process.stderr is None or not any("listening" in line for line in process.stderr):
                sys.exit("sshd did not start")
            yield
        finally:
            process.terminate()
