"""The service that is the site's registry on a host: its unit, its settings, its certificate. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from appliance.errors import PlanError
from appliance.plan import footprint
from appliance.plan.steps import PutText, SecretRef
from appliance.runtimes.parts import registrystorage
from appliance.runtimes.parts.services import Service

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost
    from appliance.runtimes.parts.registrystorage import Contents

AUTHORITY = "registry-ca"
UNIT = "appliance-registry.service"
SETTINGS = "/etc/appliance/registry"
AUTHORITY_FILE = f"{SETTINGS}/ca.crt"

_UNIT = """[Unit]
Description=Container images of cluster {cluster}
Documentation=https://distribution.github.io/distribution/
StartLimitIntervalSec=0

[Service]
ExecStart={programs}/bin/docker-registry serve {settings}/config.json
Environment=OTEL_TRACES_EXPORTER=none
Restart=always
RestartSec=1s
LimitNOFILE=65536
# It belongs to root, to whom its files belong, but has none of root's powers and sees nothing besides them.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
TemporaryFileSystem=/etc:ro /run:ro /var:ro
BindReadOnlyPaths={settings} {storage} -/etc/ld.so.cache
InaccessiblePaths=-/boot -/media -/mnt -/srv
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6
RestrictNamespaces=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


def service(site: Site, host: SiteHost, held: Contents) -> Service:
    """Distribution on `host`, with the storage that `held` becomes."""
    leaf = leaf_name(host)
    programs = footprint.programs(site.cluster, site.image)
    storage = registrystorage.STORAGE
    return Service(
        UNIT,
        _UNIT.format(cluster=site.cluster, programs=programs, settings=SETTINGS, storage=storage),
        files=(
            PutText(f"{SETTINGS}/config.json", (_config(site, held),)),
            PutText(f"{SETTINGS}/registry.crt", (_public(site, f"{leaf}.crt"),)),
            PutText(f"{SETTINGS}/registry.key", (SecretRef(f"{leaf}.key"),), mode=0o600),
        ),
    )


def _config(site: Site, held: Contents) -> str:
    """Distribution's configuration, in YAML that is JSON."""
    document = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": held.root},
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
        "http": {
            "addr": f":{site.registry.port}",
            "secret": "of no use: nothing is uploaded",  # or it warns that several registries should share one
            "tls": {
                "certificate": f"{SETTINGS}/registry.crt",
                "key": f"{SETTINGS}/registry.key",
                "minimumtls": "tls1.2",
            },
        },
    }
    return json.dumps(document, indent=1) + "\n"


def leaf_name(host: SiteHost) -> str:
    """The secret that is the host's certificate."""
    return f"registry@{host.name}"


def authority(site: Site) -> PutText:
    """The certificate that vouches for the registry."""
    return PutText(AUTHORITY_FILE, (_public(site, f"{AUTHORITY}.crt"),))


def _public(site: Site, name: str) -> str:
    if name not in site.public:
        raise PlanError(f"{name} was not issued before the plan was made")
    return site.public[name]
