"""A haproxy on a host, in front of the API servers: clients on the host talk to one that is well, by a local address.

TLS goes through untouched. A server is asked for ``/readyz`` every two seconds; when it is lost, connections to it are
closed, so that clients with long watches come back by another one. In the same way it leads to the site's registry,
where there is one: containerd waits half a minute for each answer of a machine that is off.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from appliance.plan.steps import PutText
from appliance.runtimes.parts.services import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 6444
ADDRESS = f"127.0.0.1:{PORT}"
REGISTRY_PORT = 6445
REGISTRY_ADDRESS = f"127.0.0.1:{REGISTRY_PORT}"
UNIT = "api-balancer.service"
_CONFIG = "/etc/appliance/api-balancer.cfg"

_TEXT = """\
[Unit]
Description=The way to the API servers of {cluster}
Documentation=https://docs.haproxy.org/
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
Restart=always
RestartSec=1s
DynamicUser=yes
ExecStart={programs}/bin/haproxy -Ws -f {config}
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
LimitNOFILE=65536
PrivateDevices=yes
ProtectHome=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

_SETTINGS = """\
global
    log stdout format raw daemon notice
    maxconn 8000

defaults
    mode tcp
    log global
    option dontlognull
    option clitcpka
    option srvtcpka
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout tunnel 24h

frontend local
    bind {address}
    default_backend servers

backend servers
    balance leastconn
    option httpchk GET /readyz
    http-check expect rstatus ^(200|401|403)$
    default-server check check-ssl verify none inter 2s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"""

_REGISTRY = """
frontend images
    bind {address}
    default_backend registries

backend registries
    option httpchk GET /v2/
    http-check expect status 200
    default-server check check-ssl verify none inter 2s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"""


def service(
    cluster: str, programs: str, servers: Mapping[str, str], *, registries: Mapping[str, str] = MappingProxyType({})
) -> Service:
    """The balancer in front of `servers` and, if there are any, of `registries`: ``ADDRESS:PORT`` by name.

    An answer of 401 or 403 counts as well: such a server lives, and tells strangers nothing. Of the registries, those
    after the first are asked while all before them are lost.
    """
    lines = "".join(f"    server {name} {place}\n" for name, place in servers.items())
    text = _SETTINGS.format(address=ADDRESS, servers=lines)
    if registries:
        first, *others = (f"    server {name} {place}" for name, place in registries.items())
        lines = "".join((f"{first}\n", *(f"{other} backup\n" for other in others)))
        text += _REGISTRY.format(address=REGISTRY_ADDRESS, servers=lines)
    return Service(
        UNIT,
        _TEXT.format(cluster=cluster, programs=programs, config=_CONFIG),
        files=(PutText(_CONFIG, (text,)),),
    )
