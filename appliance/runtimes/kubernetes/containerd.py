"""containerd on a host: its configuration, its unit, and crictl's way to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from appliance.errors import RecipeError
from appliance.plan.steps import PutText
from appliance.runtimes.kubernetes import configuration, machine
from appliance.runtimes.kubernetes.versions import version_of
from appliance.runtimes.parts.services import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.plan.runtime import Site, SiteHost

UNIT = "containerd.service"
CERTS_D = "/etc/containerd/certs.d"
NETWORK_CONFIGS = "/etc/cni/net.d"
_CONFIG = "/etc/containerd/config.toml"
_DATA = "/var/lib/containerd"
_KEPT_AND_UNPACKED = 3
_PARAMETER = "containerd"
_KNOWN: Mapping[str, type] = {"snapshotter": str, "restrictOomScoreAdj": bool}

_UNIT_TEXT = """\
[Unit]
Description=containerd of {cluster}
Documentation=https://containerd.io
After=network.target local-fs.target
StartLimitIntervalSec=0

[Service]
Type=notify
Environment=PATH={programs}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart={programs}/bin/containerd --config {config}
# Containers live on while containerd is started again.
KillMode=process
Delegate=yes
Restart=always
RestartSec=2s
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=1048576
TasksMax=infinity
{oom}
[Install]
WantedBy=multi-user.target
"""

_OOM = "OOMScoreAdjust=-999\n"
"""Not where the kernel lets nobody say so, which is what ``restrictOomScoreAdj`` is for."""

_CONFIG_TEXT = """\
version = 2

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {pause}
  restrict_oom_score_adj = {restrict}

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {plugins}
    conf_dir = {networks}

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {certs_d}

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = {snapshotter}

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = {systemd}
"""


def service(site: Site, host: SiteHost, programs: str) -> Service:
    """The service as `host` runs it; bundle parameters under ``containerd`` say what is not as usual.

    `RecipeError` for a parameter that means nothing here.
    """
    given = _parameters(site)
    restricted = given.get("restrictOomScoreAdj", False)
    config = _CONFIG_TEXT.format(
        pause=_toml(pause_image(site, host)),
        restrict=_toml(restricted),
        plugins=_toml(machine.PLUGINS),
        networks=_toml(NETWORK_CONFIGS),
        certs_d=_toml(CERTS_D),
        snapshotter=_toml(given.get("snapshotter", "overlayfs")),
        systemd=_toml(configuration.cgroup_driver(site) == "systemd"),
    )
    return Service(
        UNIT,
        _UNIT_TEXT.format(cluster=site.cluster, programs=programs, config=_CONFIG, oom="" if restricted else _OOM),
        files=(PutText(_CONFIG, (config,)),),
    )


def room(site: Site, host: SiteHost) -> dict[str, int]:
    """Bytes by folder that containers' images take on `host`, if it needs all of them.

    containerd keeps each layer as it came, and unpacked it takes about twice as much as packed.
    """
    part = site.parts.get(host.facts.architecture)
    blobs = {blob.digest: blob.size for image in part.carried for blob in image.blobs} if part else {}
    return {_DATA: _KEPT_AND_UNPACKED * sum(blobs.values())} if blobs else {}


def crictl() -> PutText:
    """The file by which crictl finds containerd."""
    return PutText("/etc/crictl.yaml", (f"runtime-endpoint: {configuration.SOCKET}\n",))


def pause_image(site: Site, host: SiteHost) -> str:
    """The image of the process that holds a pod: of those that travel, that of this version, else any, else its name.

    Patch versions of Kubernetes differ in where they say that it comes from.
    """
    part = site.parts.get(host.facts.architecture)
    carried = [image.reference for image in part.carried] if part else []
    found = [reference for reference in carried if reference.rpartition(":")[0].endswith("/pause")]
    wanted = version_of(site.config.spec).release.pause
    named = f"{configuration.image_repository(site)}/pause:{wanted}"
    same = [reference for reference in found if reference.endswith(f":{wanted}")]
    return named if named in found else next(iter((*same, *found)), named)


def _parameters(site: Site) -> Mapping[str, Any]:
    where = f"parameters.{_PARAMETER}"
    given = site.parameters.get(_PARAMETER, {})
    if not isinstance(given, dict):
        raise RecipeError("this is not an object", where=where, hint=f"it has {', '.join(_KNOWN)}")
    for name, value in given.items():
        if name not in _KNOWN:
            raise RecipeError(f"there is no {name!r}", where=where, hint=f"there are {', '.join(_KNOWN)}")
        if not isinstance(value, _KNOWN[name]):
            kind = "true or false" if _KNOWN[name] is bool else "a text"
            raise RecipeError(f"{name} is {kind}", where=where)
    return given


def _toml(value: object) -> str:
    """A text or a truth value, which TOML writes as JSON does."""
    return json.dumps(value)
