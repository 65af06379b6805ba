"""etcd on a control plane: a service that is there before the first API server, and outlives all of them.

Members of a new cluster are started one after the other, and meet. Where a cluster answers already, a member is added
to it first; one whose data was lost takes the place of the one that it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan.steps import Run, Step
from appliance.runtimes.kubernetes import secrets
from appliance.runtimes.kubernetes.members import members, place
from appliance.runtimes.parts.services import Service
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

UNIT = "etcd.service"
DATA = "/var/lib/etcd"
_FOLDER = "/etc/etcd"
_MEMBERSHIP = f"{DATA}/membership.env"
_CLIENT_PORT, _PEER_PORT = 2379, 2380

_UNIT_TEXT = """\
[Unit]
Description=etcd member {name} of {cluster}
Documentation=https://etcd.io/docs/
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
# A member that waits for its peers is starting, however long that takes.
TimeoutStartSec=infinity
Restart=always
RestartSec=1s
EnvironmentFile={membership}
ExecStart={programs}/bin/etcd \\
    --name={name} \\
    --data-dir={data}/data \\
    --listen-client-urls=https://{client},https://127.0.0.1:{client_port} \\
    --advertise-client-urls=https://{client} \\
    --listen-peer-urls=https://{peer} \\
    --initial-advertise-peer-urls=https://{peer} \\
    --initial-cluster-token={cluster} \\
    --client-cert-auth \\
    --trusted-ca-file={folder}/ca.crt \\
    --cert-file={folder}/member.crt \\
    --key-file={folder}/member.key \\
    --peer-client-cert-auth \\
    --peer-trusted-ca-file={folder}/ca.crt \\
    --peer-cert-file={folder}/member.crt \\
    --peer-key-file={folder}/member.key \\
    --snapshot-count=10000 \\
    --logger=zap
LimitNOFILE=65536
NoNewPrivileges=yes
PrivateDevices=yes
ProtectHome=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

# `member list` says: ID, status, name, peer URLs, client URLs, learner. A member that never ran has no client URLs.
_JOIN = Path(__file__).with_name("etcd_membership.sh").read_text(encoding="utf-8")


def service(site: Site, host: SiteHost, programs: str) -> Service:
    """The member on `host`."""
    text = _UNIT_TEXT.format(
        name=host.name,
        cluster=site.cluster,
        programs=programs,
        folder=_FOLDER,
        data=DATA,
        membership=_MEMBERSHIP,
        client=place(host, _CLIENT_PORT),
        client_port=_CLIENT_PORT,
        peer=place(host, _PEER_PORT),
    )
    return Service(UNIT, text, files=secrets.etcd_files(site, host, _FOLDER))


def membership(site: Site, host: SiteHost, programs: str) -> Step:
    """Find out whether `host` begins a cluster with the others or is a new member of one, once; then be one."""
    others = [other for other in members(site).control_planes if other is not host]
    everyone = ",".join(_named(each) for each in members(site).control_planes)
    clients = ",".join(f"https://{place(other, _CLIENT_PORT)}" for other in others)
    arguments = (programs, _FOLDER, _MEMBERSHIP, host.name, _peer(host), clients, everyone)
    return Step(
        id=f"{host.name}/etcd-membership",
        title=f"Make {host.name} a member of etcd",
        host=host.name,
        action=Run(Command.shell(_JOIN, *arguments)),
        unless=Command(("test", "-e", _MEMBERSHIP)),
    )


def _named(host: SiteHost) -> str:
    return f"{host.name}={_peer(host)}"


def _peer(host: SiteHost) -> str:
    return f"https://{place(host, _PEER_PORT)}"
