"""From empty hosts to what a bundle brings: the etcd bundle and Kubernetes, beside ansible and the shell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import ansible, install_etcd, install_kubernetes
from bench.result import Result

if TYPE_CHECKING:
    from bench.material import Material

ROUNDS = int(os.environ.get("APPLIANCE_BENCH_INSTALL_ROUNDS", "3"))


def measure(material: Material) -> Result:
    """All sides in turns, each of them on hosts as they were before."""
    playbook = ansible.program()
    etcd = install_etcd.measure(material, playbook=playbook, rounds=ROUNDS)
    kubernetes = install_kubernetes.measure(material, playbook=playbook, rounds=ROUNDS)
    return Result(
        "install",
        f"{install_etcd.WORK}; {install_kubernetes.WORK}",
        (*etcd.series, *kubernetes.series),
        (*etcd.targets, *kubernetes.targets),
        (*etcd.notes, *kubernetes.notes, *(() if playbook else ("ansible cannot be installed here",))),
    )
