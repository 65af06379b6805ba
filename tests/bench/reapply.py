"""The same command again: with nothing to do, and after one layer of the image changed."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.events import StepProgress
from appliance.execute import journal
from appliance.files import read_bounded
from appliance.plan.document import LIMIT, plan_from_json
from appliance.plan.steps import Receive
from appliance.state import Home
from bench import ansible
from bench.result import Result, Target, at_least, at_most
from bench.sides import Series, Side, interleaved
from bench.sites import CLUSTER, lab_site

if TYPE_CHECKING:
    from bench.material import Material
    from bench.sites import BenchSite

RECIPE = Path(__file__).parents[2] / "bundles" / "etcd"
ROLES = ("etcd",) * 3 + ("client",) * 3
ROUNDS = 5
ROUNDS_OF_CHANGES = 3
OURS, OURS_CHANGED = "appliance apply, nothing to do", "appliance apply, one layer changed"
THEIRS, THEIRS_CHANGED = "ansible-playbook, nothing to do", "ansible-playbook, one file changed"


def measure(material: Material) -> Result:
    """`appliance apply` again beside a playbook that asserts the same files and units, on the same six hosts."""
    delivery = Delivery(material, material.folder / "etcd")
    delivery.make()
    with lab_site(material, *ROLES) as site:
        argv = site.apply(material, delivery.bundle)
        material.say("installing for the first time")
        material.run(*argv)
        again, changed = [Side(OURS, argv)], [Side(OURS_CHANGED, argv, delivery.change)]
        if program := ansible.program():
            playbook = ansible.playbook_of(site.lab, material.folder / "playbook", program=program)
            again.append(playbook.side(THEIRS))
            changed.append(playbook.side(THEIRS_CHANGED, functools.partial(playbook.change, "# changed\n")))
            material.run("env", f"ANSIBLE_CONFIG={playbook.folder}/ansible.cfg", *again[-1].argv)
        took = interleaved(again, rounds=ROUNDS) | interleaved(changed, rounds=ROUNDS_OF_CHANGES)
        travelled = _travelled(site)
    return Result(
        "reapply",
        f"the etcd bundle on {len(ROLES)} lab hosts (three members, three clients), applied again",
        tuple(took.values()),
        (
            at_most("nothing to do ≤ 2 s", took[OURS].seconds, 2, "s"),
            _only_its_bytes(delivery, travelled),
            *_beside(took),
        ),
        (
            "ours also checks the bundle's signatures, and the programs; another layer restarts both services",
            *(_THEIRS if program else ("ansible cannot be installed here",)),
        ),
    )


_THEIRS = (
    f"ansible: core {ansible.VERSION}, forks={ansible.FORKS}, pipelining, ControlPersist, no facts; it asserts copies",
    "of the same files under another name, and units that sleep in place of etcd and haproxy",
)


class Delivery:
    """The etcd recipe in a folder of its own, and its bundle, always at the same place."""

    def __init__(self, material: Material, folder: Path) -> None:
        self._material = material
        self._folder = folder
        self._changes = 0
        self.bundle = folder / "etcd.run"
        self.new_layers: dict[str, int] = {}
        self.all_bytes = 0

    def make(self) -> None:
        """Copy the recipe and bundle it."""
        shutil.copytree(RECIPE, self._folder / "recipe")
        self._make()

    def change(self) -> None:
        """Append a line to a template, so that the layer of ``services/`` is another one, and bundle again."""
        self._changes += 1
        with (self._folder / "recipe/services/all/etc/haproxy/haproxy.cfg.j2").open("a", encoding="utf-8") as out:
            out.write(f"# change {self._changes}\n")
        self._make()

    def _make(self) -> None:
        reference, out = "bench-etcd:1.0.0", self._folder / "out"
        build = (*self._material.build(self._folder / "recipe", reference), "-o", "json")
        built = json.loads(subprocess.run(build, check=True, capture_output=True).stdout)
        self.new_layers = {layer["digest"]: layer["size"] for layer in built["layers"] if not layer["cached"]}
        self.all_bytes = sum(layer["size"] for layer in built["layers"])
        self._material.run(*self._material.bundle_command(reference, out))
        (path,) = out.glob("*.run")
        path.rename(self.bundle)
        shutil.rmtree(out)


def _travelled(site: BenchSite) -> dict[str, int]:
    """What the newest run sent to each host, by its journal: the last count of bytes, less what the host had."""
    run = Home(site.home).cluster(CLUSTER).list_runs()[0]
    stages = plan_from_json(read_bounded(run.plan, LIMIT)).stages
    receives = {step.id for stage in stages for step in stage.steps if isinstance(step.action, Receive)}
    counts: dict[str, list[int]] = {}
    for event in (stamped.event for stamped in journal.read(run.journal)):
        if isinstance(event, StepProgress) and event.step in receives:
            counts.setdefault(event.host, []).append(event.done)
    return {host: done[-1] - done[0] for host, done in counts.items()}


def _only_its_bytes(delivery: Delivery, travelled: dict[str, int]) -> Target:
    wanted = sum(delivery.new_layers.values())
    sent = sorted(set(travelled.values()))
    measured = f"{' or '.join(map(str, sent))} of {delivery.all_bytes} B"
    return Target(f"one layer of {wanted} B: only its bytes", measured, sent == [wanted])


def _beside(took: dict[str, Series]) -> tuple[Target, ...]:
    if THEIRS not in took:
        return (Target("beside ansible", "", None),)
    nothing = took[THEIRS].seconds / took[OURS].seconds
    changed = took[THEIRS_CHANGED].seconds / took[OURS_CHANGED].seconds
    return (
        at_least("nothing to do: faster than ansible", nothing, 1),
        at_least("one change: faster than ansible", changed, 1),
    )
