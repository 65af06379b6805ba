"""The etcd bundle on hosts that have nothing, beside a playbook and a shell loop that bring the same files there.

What all of them bring is what a first installation by the bundle put there, byte for byte. The same commands, run on
all hosts side by side with everything lying there, are what is left of an installation when nobody is in between; what
a side takes beyond that is its overhead.
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from appliance.lab import host as machines
from bench import ansible
from bench.result import Target, at_most
from bench.rounds import Part, Rounds, timed
from bench.sides import Sample
from bench.sites import CLUSTER, lab_site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.lab.registry import LabHost
    from bench.material import Material
    from bench.sides import Series
    from bench.sites import BenchSite

RECIPE = Path(__file__).parents[2] / "bundles/etcd"
COUNTS = (3, 6)
MEMBERS = 3
WORK = "the etcd bundle on 3 lab hosts (members) and on 6 (three members, three clients), until all ask it"
OURS, ANSIBLE, LOOP, BARE = "appliance", "ansible", "a shell loop, host after host", "the bare commands"
_PROGRAMS = (f"opt/appliance/{CLUSTER}",)
_FILES = ("etc/etcd", "etc/haproxy")
_UNITS = ("etcd.service", "haproxy.service")
_UNIT_FOLDER = "etc/systemd/system"

_UNPACK = "tar -xzf /var/tmp/programs.tar.gz -C / && tar -xf /var/tmp/files.tar -C /"
_START = f"""
systemctl daemon-reload
for unit in {" ".join(_UNITS)}; do
    [ ! -e "/{_UNIT_FOLDER}/$unit" ] || {{ systemctl enable -q "$unit" && systemctl start --no-block "$unit"; }}
done
"""
_HEALTHY = "until /etc/etcd/etcdctl endpoint health >/dev/null 2>&1; do sleep 0.1; done"
_CLEAN = f"""
systemctl disable -q --now {" ".join(_UNITS)} 2>/dev/null
rm -rf /{" /".join((*_PROGRAMS, *_FILES))} /var/lib/etcd-{CLUSTER} /var/lib/private/etcd-{CLUSTER} /var/tmp/*.tar*
cd /{_UNIT_FOLDER} && rm -f {" ".join(_UNITS)}
systemctl daemon-reload
"""
_ONE_AFTER_THE_OTHER = f"""
folder=$1 key=$2 known_hosts=$3; shift 3
on() {{
    host=$1; shift
    ssh -F none -i "$key" -o "UserKnownHostsFile=$known_hosts" -o LogLevel=ERROR "root@$host" "$@"
}}
for host; do
    on "$host" 'tar -xzf - -C /' <"$folder/programs.tar.gz"
    on "$host" 'tar -xf - -C /' <"$folder/$host/files.tar"
    on "$host" sh -s <<'START'
{_START}
START
done
for host; do on "$host" '{_HEALTHY}'; done
"""
_PLAYBOOK = f"""\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.unarchive: {{src: programs.tar.gz, dest: /}}
    - ansible.builtin.copy: {{src: "{{{{ inventory_hostname }}}}/root/", dest: /, mode: preserve}}
    - ansible.builtin.systemd:
        name: "{{{{ item }}}}"
        enabled: true
        state: started
        daemon_reload: true
        no_block: true
      loop: "{{{{ units }}}}"
    - ansible.builtin.shell: {_HEALTHY}
"""


def measure(material: Material, *, playbook: Path | None, rounds: int) -> Part:
    """All sides on the same hosts, which are cleared between them."""
    material.run(*material.build(RECIPE, "bench-etcd:1.0.0"))
    material.run(*material.bundle_command("bench-etcd:1.0.0", material.folder / "etcd-bundle"))
    (bundle,) = (material.folder / "etcd-bundle").glob("*.run")
    took = Rounds()
    for count in COUNTS:
        roles = ("etcd",) * MEMBERS + ("client",) * (count - MEMBERS)
        with lab_site(material, *roles) as site:
            _measure_on(site, material, bundle, took, playbook=playbook, rounds=rounds)
    series = took.series()
    targets = (target for count in COUNTS for target in _targets(count, series))
    return Part(tuple(series.values()), tuple(targets), _NOTES)


_NOTES = (
    "etcd: all sides bring the same files; ours makes its secrets, verifies the bundle, asks whether hosts are fit,",
    "and leaves a receipt, too; overhead is what a side takes beyond the bare commands, run on all hosts at once",
)


def _measure_on(
    site: BenchSite, material: Material, bundle: Path, took: Rounds, *, playbook: Path | None, rounds: int
) -> None:
    payload: _Payload | None = None
    for number in range(1, rounds + 1):
        material.say(f"{number}/{rounds} etcd on {len(site.lab.hosts)} hosts")

        def note(side: str, sample: Sample) -> None:
            took.add(_name(len(site.lab.hosts), side), sample)

        note(OURS, timed(site.apply(material, bundle))[0])
        payload = payload or _payload(site, site.home.parent / "payload")
        material.run(*site.reset(material))
        if playbook:
            note(ANSIBLE, timed((playbook, payload.folder / "site.yml"), env=payload.playing())[0])
            _everywhere(site.lab.hosts, _CLEAN)
        note(LOOP, timed(payload.loop(site))[0])
        _everywhere(site.lab.hosts, _CLEAN)
        payload.lay(site.lab.hosts)
        note(BARE, _everywhere(site.lab.hosts, f"set -e\n{_UNPACK}\n{_START}\n{_HEALTHY}"))
        _everywhere(site.lab.hosts, _CLEAN)


def _name(count: int, side: str) -> str:
    return f"etcd on {count} hosts: {side}"


@dataclass(frozen=True, slots=True)
class _Payload:
    """What an installation put on hosts, in `folder`: a tar of programs for all, files of each by its address."""

    folder: Path

    def playing(self) -> Mapping[str, str]:
        """The environment of a playbook that brings it to hosts."""
        return {**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")}

    def loop(self, site: BenchSite) -> tuple[str, ...]:
        """The command that brings it to one host after the other."""
        access = (str(self.folder), str(site.lab.key), str(site.lab.known_hosts))
        return ("sh", "-euc", _ONE_AFTER_THE_OTHER, "sh", *access, *(host.address for host in site.lab.hosts))

    def lay(self, hosts: Sequence[LabHost]) -> None:
        """Put it on the hosts' disks, past their networks."""
        for host in hosts:
            target = host.root / "var/tmp"
            (target / "programs.tar.gz").write_bytes((self.folder / "programs.tar.gz").read_bytes())
            (target / "files.tar").write_bytes((self.folder / host.address / "files.tar").read_bytes())


def _payload(site: BenchSite, folder: Path) -> _Payload:
    """Take what stands on the hosts of `site` now."""
    folder.mkdir()
    timed(("tar", "-C", site.lab.hosts[0].root, "-czf", folder / "programs.tar.gz", *_PROGRAMS))
    units = {host.address: _take(host, folder / host.address) for host in site.lab.hosts}
    ansible.settle(site.lab, folder, {address: {"units": names} for address, names in units.items()})
    (folder / "site.yml").write_text(_PLAYBOOK, encoding="utf-8")
    return _Payload(folder)


def _take(host: LabHost, folder: Path) -> list[str]:
    """The files of a host, as a tar and as a tree; the names of its units."""
    folder.mkdir()
    (folder / "root").mkdir()
    names = [unit for unit in _UNITS if (host.root / _UNIT_FOLDER / unit).is_file()]
    paths = [*(path for path in _FILES if (host.root / path).is_dir()), *(f"{_UNIT_FOLDER}/{unit}" for unit in names)]
    timed(("tar", "-C", host.root, "-cf", folder / "files.tar", *paths))
    timed(("tar", "-C", folder / "root", "-xf", folder / "files.tar"))
    return names


def _everywhere(hosts: Sequence[LabHost], script: str) -> Sample:
    """Run a shell script on all hosts at once, not by way of their networks."""
    ask = functools.partial(machines.run_inside, argv=("sh", "-c", script), seconds=300.0)
    started = monotonic()
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        list(pool.map(ask, hosts))
    return Sample(monotonic() - started, 0.0)


def _targets(count: int, series: Mapping[str, Series]) -> tuple[Target, ...]:
    what = f"etcd on {count}: overhead ≤ ⅓ of ansible's"
    found = {side: series[_name(count, side)] for side in (OURS, ANSIBLE, LOOP, BARE) if _name(count, side) in series}
    if ANSIBLE not in found:
        return (Target(what, "", None),)
    ours, theirs = (found[side].seconds - found[BARE].seconds for side in (OURS, ANSIBLE))
    return (
        at_most(what, ours / theirs, 1 / 3),
        at_most(f"etcd on {count}: against the shell loop", found[OURS].seconds / found[LOOP].seconds, 1),
    )
