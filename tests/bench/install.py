"""Kubernetes on three hosts that have nothing: by the bundle, and by kubeadm's commands typed at them."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.events import StepFinished, StepStarted
from appliance.execute import journal
from appliance.state import Home
from bench.result import Result, at_most
from bench.sides import Sample, Series
from bench.sites import CLUSTER, KUBERNETES_IN_LABS, lab_site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.material import Material
    from bench.sites import BenchSite

TREE = Path(__file__).parents[2]
REFERENCE = "kubernetes:1.20.2"
ROLES = ("control-plane", "worker", "worker")
ROUNDS = 3
OURS, BY_HAND = "appliance apply, all of it", "by hand, all of it"
OUR_CLUSTER, THEIR_CLUSTER = "appliance, from kubeadm init to Ready", "by hand, from kubeadm init to Ready"


def measure(material: Material) -> Result:
    """`appliance apply` of the bundle, which carries and verifies all, beside a script of ssh, tar and kubeadm."""
    parts = Path(_output(TREE / "scripts/kubernetes-parts").strip())
    recipe = TREE / "bundles/kubernetes/from-debian/Kubefile"
    material.run(*material.build(parts, REFERENCE), "-f", recipe)
    material.run(*material.bundle_command(REFERENCE, material.folder / "kubernetes"))
    (bundle,) = (material.folder / "kubernetes").glob("*.run")
    took: dict[str, list[Sample]] = {name: [] for name in (OURS, BY_HAND, OUR_CLUSTER, THEIR_CLUSTER)}
    for number in range(1, ROUNDS + 1):
        with lab_site(material, *ROLES, containers=True) as site:
            material.say(f"{number}/{ROUNDS} {OURS}")
            took[OURS].append(_timed(site.apply(material, bundle))[0])
            took[OUR_CLUSTER].append(Sample(_from_init_to_ready(site), 0.0))
        with lab_site(material, *ROLES, containers=True) as site:
            material.say(f"{number}/{ROUNDS} {BY_HAND}")
            sample, said = _timed(_by_hand(site, parts))
            took[BY_HAND].append(sample)
            took[THEIR_CLUSTER].append(Sample(float(said.split()[-1]), 0.0))
    series = {name: Series(name, name, tuple(samples)) for name, samples in took.items()}
    return Result(
        "install",
        f"Kubernetes 1.20.2 on {len(ROLES)} lab hosts, one control plane, until all nodes are ready",
        tuple(series.values()),
        (
            at_most("init to Ready ≤ 1.2 × by hand", series[OUR_CLUSTER].seconds / series[THEIR_CLUSTER].seconds, 1.2),
            at_most("all of it, against by hand", series[OURS].seconds / series[BY_HAND].seconds, 1.2),
        ),
        (
            "by hand: tar over ssh to all hosts at once, archives of images imported, kubeadm's own etcd; no registry,",
            "no TLS of its own, no verification, no preflight, and nothing that a second run could go on with",
        ),
    )


def _by_hand(site: BenchSite, parts: Path) -> tuple[str, ...]:
    script = str(Path(__file__).with_name("kubeadm-by-hand.sh"))
    access = (str(site.lab.key), str(site.lab.known_hosts))
    return (script, str(parts), str(KUBERNETES_IN_LABS), *access, *(host.address for host in site.lab.hosts))


def _from_init_to_ready(site: BenchSite) -> float:
    """Seconds from the beginning of ``kubeadm init`` until the last node was seen ready, by the run's journal."""
    run = Home(site.home).cluster(CLUSTER).list_runs()[0]
    events = list(journal.read(run.journal))
    began = [each.at for each in events if isinstance(each.event, StepStarted) and "/kubeadm:" in each.event.step]
    ready = [each.at for each in events if isinstance(each.event, StepFinished) and each.event.step.endswith("/ready")]
    return (max(ready) - min(began)).total_seconds()


def _timed(argv: Sequence[str]) -> tuple[Sample, str]:
    before, started = _processor_seconds(), time.monotonic()
    said = _output(*argv)
    return Sample(time.monotonic() - started, _processor_seconds() - before), said


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _output(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}\nended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout
