"""ansible as a peer, with what makes it fast switched on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench import pypi
from bench.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from appliance.lab.registry import Lab, LabHost

VERSION = "2.19.14"
FORKS = 6
_FOLDERS = ("etc/etcd", "etc/haproxy")
_UNIT = """\
[Unit]
Description=stands for {name}
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
_PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        src: "{{ inventory_hostname }}/{{ item.name }}"
        dest: "/etc/peer-{{ item.name }}"
        mode: "{{ item.mode }}"
        owner: root
        group: root
      loop: "{{ peer_files }}"
      notify: restart
    - ansible.builtin.copy:
        src: "{{ inventory_hostname }}/{{ item }}"
        dest: "/etc/systemd/system/{{ item }}"
        mode: "0644"
      loop: "{{ peer_units }}"
      register: units
    - ansible.builtin.systemd:
        name: "{{ item }}"
        enabled: true
        state: started
        daemon_reload: "{{ units is changed }}"
      loop: "{{ peer_units }}"
  handlers:
    - name: restart
      ansible.builtin.systemd: {name: peer-haproxy.service, state: restarted}
"""


def program() -> Path | None:
    """``ansible-playbook`` of `VERSION`; None where it is not to be had."""
    return pypi.program("ansible-playbook", package="ansible-core", version=VERSION)


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook in `folder` that asserts what stands on each host: copies of its files, and as many units."""

    folder: Path
    program: Path

    def side(self, name: str, prepare: Callable[[], None] = lambda: None) -> Side:
        """Running it."""
        argv = (str(self.program), str(self.folder / "site.yml"))
        return Side(name, argv, prepare, env={"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")})

    def change(self, text: str) -> None:
        """Append `text` to one file of every host."""
        for path in self.folder.glob("*/haproxy.cfg"):
            with path.open("a", encoding="utf-8") as out:
                out.write(text)


def playbook_of(lab: Lab, folder: Path, *, program: Path) -> Playbook:
    """A playbook for the files that an installation put on the hosts of `lab`, under names of its own."""
    folder.mkdir()
    settle(lab, folder, {host.address: _host(host, folder / host.address) for host in lab.hosts})
    (folder / "site.yml").write_text(_PLAYBOOK, encoding="utf-8")
    return Playbook(folder, program)


def settle(
    lab: Lab,
    folder: Path,
    hosts: Mapping[str, Mapping[str, object]],
    *,
    groups: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write an inventory of `hosts` (variables by address) and `groups` of them to `folder`, and how to enter them."""
    login = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    children: dict[str, object] = {
        name: {"hosts": {address: {} for address in addresses}} for name, addresses in groups.items()
    }
    inventory = {"all": {"vars": login, "hosts": hosts, "children": children}}
    (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    trusted = f"-F none -o UserKnownHostsFile={lab.known_hosts} -o GlobalKnownHostsFile=/dev/null"
    settings = f"forks = {FORKS}\ninventory = {folder}/hosts.json\npipelining = True\n"
    (folder / "ansible.cfg").write_text(
        f"[defaults]\n{settings}[ssh_connection]\nssh_common_args = {trusted}\n"
        "ssh_args = -o ControlMaster=auto -o ControlPersist=60s\n",
        encoding="utf-8",
    )


def _host(host: LabHost, folder: Path) -> dict[str, object]:
    """Copy the host's files to `folder`; the variables by which the playbook knows them."""
    folder.mkdir()
    found = [path for below in _FOLDERS for path in sorted((host.root / below).glob("*")) if path.is_file()]
    for path in found:
        (folder / path.name).write_bytes(path.read_bytes())
    units = ["peer-haproxy.service"] + ["peer-etcd.service"] * any(path.name == "server.key" for path in found)
    for unit in units:
        (folder / unit).write_text(_UNIT.format(name=unit), encoding="utf-8")
    files = [{"name": path.name, "mode": f"{path.stat().st_mode & 0o777:04o}"} for path in found]
    return {"peer_files": files, "peer_units": units}
