"""Kubernetes on three hosts that have nothing: by the bundle, by kubeadm's commands typed at them, and by ansible."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.events import StepFinished, StepStarted
from appliance.execute import journal
from appliance.state import Home
from bench import ansible
from bench.result import Target, at_least, at_most
from bench.rounds import Part, Rounds, timed
from bench.sides import Sample
from bench.sites import CLUSTER, KUBERNETES_IN_LABS, lab_site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.material import Material
    from bench.sides import Series
    from bench.sites import BenchSite

TREE = Path(__file__).parents[2]
HERE = Path(__file__).parent
REFERENCE = "kubernetes:1.20.2"
ROLES = ("control-plane", "worker", "worker")
WORK = f"Kubernetes 1.20.2 on {len(ROLES)} lab hosts, one control plane, until all nodes are ready"
ALL, CLUSTER_ONLY = "Kubernetes, all of it", "Kubernetes, init to Ready"
_SIDES = ("appliance", "by hand", "ansible")
_TARRED = ("bin", "lib", "libexec", "manifests", "images")
_CLOCK = re.compile(r"(began|ended) (\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class _Given:
    """What the sides install: the bundle, and the parts that it was built from, as a folder and as a tar."""

    bundle: Path
    parts: Path
    tar: Path


def measure(material: Material, *, playbook: Path | None, rounds: int) -> Part:
    """`appliance apply` of the bundle, which carries and verifies all; a script of ssh, tar and kubeadm; a playbook."""
    given = _given(material)
    took = Rounds()
    for number in range(1, rounds + 1):
        for side in _SIDES:
            if side == "ansible" and playbook is None:
                continue
            with lab_site(material, *ROLES, containers=True) as site:
                material.say(f"{number}/{rounds} Kubernetes by {side}")
                whole, cluster = _install(side, material, site, given, playbook)
            took.add(f"{ALL}: {side}", whole)
            took.add(f"{CLUSTER_ONLY}: {side}", cluster)
    series = took.series()
    return Part(tuple(series.values()), tuple(_targets(series)), _NOTES)


_NOTES = (
    "Kubernetes by hand and by ansible: to all hosts at once, by tar over ssh and by unarchive; archives of images are",
    "imported, etcd is kubeadm's own; no registry, no verification, no preflight, and no second run that goes on",
)


def _given(material: Material) -> _Given:
    _, said = timed((TREE / "scripts/kubernetes-parts",))
    parts = Path(said.strip())
    material.run(*material.build(parts, REFERENCE), "-f", TREE / "bundles/kubernetes/from-debian/Kubefile")
    material.run(*material.bundle_command(REFERENCE, material.folder / "kubernetes"))
    (bundle,) = (material.folder / "kubernetes").glob("*.run")
    tar = material.folder / "parts.tar"
    material.run("tar", "-C", parts, "-cf", tar, *_TARRED)
    return _Given(bundle, parts, tar)


def _install(
    side: str, material: Material, site: BenchSite, given: _Given, playbook: Path | None
) -> tuple[Sample, Sample]:
    """What all of it took, and from kubeadm's beginning until all nodes were ready."""
    match side:
        case "appliance":
            whole, _ = timed(site.apply(material, given.bundle))
            cluster = _from_init_to_ready(site)
        case "by hand":
            whole, said = timed(_by_hand(site, given.parts))
            cluster = float(said.split()[-1])
        case _:
            whole, said = timed((str(playbook), HERE / "kubeadm-by-ansible.yml"), env=_playing(site, given))
            clock = dict(_CLOCK.findall(said))
            cluster = float(clock["ended"]) - float(clock["began"])
    return whole, Sample(cluster, 0.0)


def _by_hand(site: BenchSite, parts: Path) -> tuple[str, ...]:
    access = (str(site.lab.key), str(site.lab.known_hosts))
    hosts = (host.address for host in site.lab.hosts)
    return (str(HERE / "kubeadm-by-hand.sh"), str(parts), str(KUBERNETES_IN_LABS), *access, *hosts)


def _playing(site: BenchSite, given: _Given) -> Mapping[str, str]:
    """The environment in which ansible finds the hosts and what to bring."""
    folder = site.home.parent / "playbook"
    folder.mkdir()
    first, *others = (host.address for host in site.lab.hosts)
    known = {"parts": str(given.tar), "lab": str(KUBERNETES_IN_LABS)}
    hosts = dict.fromkeys((first, *others), known)
    ansible.settle(site.lab, folder, hosts, groups={"first": [first], "others": others})
    return {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}


def _from_init_to_ready(site: BenchSite) -> float:
    """Seconds from the beginning of ``kubeadm init`` until the last node was seen ready, by the run's journal."""
    run = Home(site.home).cluster(CLUSTER).list_runs()[0]
    events = list(journal.read(run.journal))
    began = [each.at for each in events if isinstance(each.event, StepStarted) and "/kubeadm:" in each.event.step]
    ready = [each.at for each in events if isinstance(each.event, StepFinished) and each.event.step.endswith("/ready")]
    return (max(ready) - min(began)).total_seconds()


def _targets(series: Mapping[str, Series]) -> list[Target]:
    ours, by_hand, theirs = (f"{ALL}: {side}" for side in _SIDES)
    ours_only, by_hand_only, _ = (f"{CLUSTER_ONLY}: {side}" for side in _SIDES)
    found = [
        at_most("init to Ready ≤ 1.2 × by hand", series[ours_only].seconds / series[by_hand_only].seconds, 1.2),
        at_most("Kubernetes, all of it, against by hand", series[ours].seconds / series[by_hand].seconds, 1.2),
    ]
    if theirs in series:
        ratio = series[theirs].seconds / series[ours].seconds
        found.append(at_least("Kubernetes, all of it: faster than ansible", ratio, 1))
    return found
