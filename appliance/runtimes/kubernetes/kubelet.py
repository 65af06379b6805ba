"""kubelet on a host: its unit, and the drop-in by which kubeadm tells it what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.plan.steps import PutText
from appliance.runtimes.kubernetes import containerd
from appliance.runtimes.parts.services import UNIT_FOLDER, Service

if TYPE_CHECKING:
    from appliance.plan.runtime import Site

UNIT = "kubelet.service"

_UNIT_TEXT = """\
[Unit]
Description=kubelet of {cluster}
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target {containerd}
# kubeadm writes it, and starts kubelet.
ConditionPathExists=/var/lib/kubelet/config.yaml
StartLimitIntervalSec=0

[Service]
Environment=PATH={programs}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart={programs}/bin/kubelet
Restart=always
RestartSec=5s
CPUAccounting=true
MemoryAccounting=true

[Install]
WantedBy=multi-user.target
"""

_DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
EnvironmentFile=-/etc/sysconfig/kubelet
ExecStart=
ExecStart={programs}/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""


def service(site: Site, programs: str) -> Service:
    """The service as every node runs it."""
    return Service(
        UNIT,
        _UNIT_TEXT.format(cluster=site.cluster, programs=programs, containerd=containerd.UNIT),
        extends=(PutText(f"{UNIT_FOLDER}/{UNIT}.d/10-kubeadm.conf", (_DROP_IN.format(programs=programs),)),),
    )
