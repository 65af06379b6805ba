"""Blobs sent to lab hosts by real runs: a worker process, sshd, the real host runtime, and shaped links.

sending = Sending(lab, tmp_path)           # installs the host runtime on all hosts
run = sending.start("chain", blobs)        # a run whose one stage sends `blobs` to each host
sending.underway(run, "two", 1 << 20)      # returns when host two has so many bytes
result = sending.ending(run)               # how the run ended; `result.failed` names hosts
sending.stored("two")                      # {hexadecimal digest} of the blobs there, each hashed on the host
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import install_script
from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.events import RunFinished, StepProgress
from appliance.execute import journal, launch
from appliance.execute.order import RunSecrets, make_order, write_order
from appliance.files import put_blob, write_bytes
from appliance.image.blobs import Blob, LayerBlob
from appliance.lab import host as hosts
from appliance.plan.document import plan_to_json
from appliance.plan.steps import Plan, Receive, Stage, Step
from appliance.recipe.clusterfile import Distribution
from appliance.state import Home
from appliance.transport.base import Command, Credential, Endpoint
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from appliance.events import Stamped
    from appliance.lab.registry import Lab
    from appliance.state import RunDir
    from appliance.transport.base import Transport

NODE = "/var/lib/appliance/node"
BLOBS = f"{NODE}/blobs/sha256"
PORT = 4647


class Sending:
    """An operator with blobs, and a lab whose hosts have the host runtime."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        *,
        runtime: Digest | None = None,
        addresses: Mapping[str, str] | None = None,
        swarm: LayerBlob | None = None,
    ) -> None:
        """`runtime` is that of a host runtime which the hosts have already; `addresses` are others than the lab's own.

        None installs it on all. `swarm` is what they swarm with and have already, too.

        `jump`, when it is set, names the host through which runs enter all others.
        """
        self.lab = lab
        self.jump = ""
        self.home = Home.of(folder / "home")
        self.addresses = dict(addresses or {host.name: host.address for host in lab.hosts})
        if runtime is None:
            from support.travelling import real_pythons  # noqa: PLC0415  (a measured run has its runtime)

            self._python = real_pythons().host
            runtime = self._python.digest
            for name in self.addresses:
                self.install(name)
        self.runtime = runtime
        self._swarm = swarm

    def install(self, name: str) -> None:
        """Put the host runtime onto a host."""
        digest = self._python.digest.hex
        tar = f"{BLOBS}/{digest}"
        with self.line(name) as line, self._python.path.open("rb") as source:
            line.put(source, tar)
            done = line.run(Command.shell(install_script(), tar, digest, f"{NODE}/runtime/{digest}"))
        assert done.ok, done.stderr

    def swarm_part(self) -> LayerBlob:
        """What hosts swarm with; put onto all of them the first time."""
        if self._swarm is None:
            from support.travelling import real_swarm_part  # noqa: PLC0415  (only a swarm needs it)

            part = real_swarm_part()
            self._swarm = LayerBlob(Blob(part.digest, part.size), part.file_list)
            for name in self.addresses:
                with self.line(name) as line, part.path.open("rb") as source:
                    line.put(source, f"{BLOBS}/{part.digest.hex}", mode=0o444)
        return self._swarm

    def endpoint(self, name: str) -> Endpoint:
        """How a host is entered."""
        jumps = (self.endpoint(self.jump),) if self.jump not in ("", name) else ()
        return Endpoint(self.addresses[name], 22, "root", Credential(key=self.lab.key, agent=False), jumps)

    def line(self, name: str) -> AbstractContextManager[Transport]:
        """A connection to a host."""
        return connector(HostKeys(self.lab.known_hosts))(self.endpoint(name))

    @property
    def site_packages(self) -> str:
        """Where our own modules lie on a host: to patch a peer."""
        return f"{NODE}/runtime/{self.runtime.hex}/site/appliance/distribute"

    def blob(self, size: int) -> Blob:
        """New random bytes in the operator's store."""
        content = os.urandom(size)
        digest = Digest.of(content)
        put_blob(self.home.blobs, io.BytesIO(content), digest, size=size)
        return Blob(digest, size)

    def plan(self, wanted: Mapping[str, Iterable[Blob]], method: str) -> Plan:
        """A stage that sends each host its blobs; no host is needed for the others to go on."""
        swarm = self.swarm_part() if method == "swarm" else None
        steps = tuple(
            Step(f"{name}/image", "Send", name, Receive(tuple(blobs), self.runtime, swarm))
            for name, blobs in wanted.items()
        )
        return Plan("site", "sha256:0", (Stage("Send", steps, needs=()),))

    def start(self, method: str, blobs: Iterable[Blob] | Mapping[str, Iterable[Blob]], *, bandwidth: int = 0) -> RunDir:
        """Start a run that sends `blobs` to every host, or to each host its own."""
        wanted = blobs if isinstance(blobs, dict) else dict.fromkeys(self.addresses, tuple(blobs))
        return self.begin(method, self.plan(wanted, method), bandwidth=bandwidth)

    def begin(self, method: str, plan: Plan, *, bandwidth: int = 0) -> RunDir:
        """Start a run of any plan."""
        wanted = dict.fromkeys(step.host for stage in plan.stages for step in stage.steps)
        cluster = self.home.cluster("site")
        Vault.open(cluster.vault, cluster.vault_key)
        shutil.copyfile(self.lab.known_hosts, cluster.known_hosts)
        endpoints = {name: self.endpoint(name) for name in wanted}
        run = cluster.new_run("apply", now=datetime.now(UTC))
        order = make_order(
            self.home,
            cluster,
            run=run.name,
            operation="apply",
            operator="ann@desk",
            endpoints=endpoints,
            distribution=Distribution(method, bandwidth, PORT),
        )
        write_order(run.path / "run.json", order)
        write_bytes(run.plan, plan_to_json(plan))
        launch.start(run, RunSecrets.of(endpoints))
        return run

    def events(self, run: RunDir) -> Iterator[Stamped]:
        """The run's events, to its end."""
        return journal.follow(run.journal, alive=lambda: launch.alive(run), clock=SystemClock(), interval=0.05)

    def underway(self, run: RunDir, name: str, size: int) -> None:
        """Return when the host `name` has `size` bytes; fail when the run ends before."""
        for stamped in self.events(run):
            match stamped.event:
                case StepProgress(host=host, done=done) if host == name and done >= size:
                    return
                case _:
                    pass
        raise AssertionError("the run ended before")

    def ending(self, run: RunDir) -> RunFinished:
        """How the run ended."""
        event = list(self.events(run))[-1].event
        assert isinstance(event, RunFinished), (run.path / "worker.log").read_text()
        return event

    def report(self, run: RunDir) -> str:
        """What people read of a run that ends, once the worker has written it; its words one space apart."""
        while launch.alive(run):
            SystemClock().sleep(0.02)
        return " ".join((run.path / "report.txt").read_text().split())

    def said(self, run: RunDir, name: str) -> str:
        """What the host's log of the run has."""
        path = run.log(name)
        return path.read_text() if path.exists() else ""

    def done(self, run: RunDir, name: str) -> int:
        """The bytes that a host has by now."""
        events = (stamped.event for stamped in journal.read(run.journal))
        return max((e.done for e in events if isinstance(e, StepProgress) and e.host == name), default=0)

    def in_order(self, run: RunDir) -> list[str]:
        """The hosts that had all, in the order in which they did."""
        events = (stamped.event for stamped in journal.read(run.journal))
        return list(dict.fromkeys(e.host for e in events if isinstance(e, StepProgress) and e.done == e.total))

    def given(self, run: RunDir, name: str) -> int:
        """The bytes that the operator itself sent to a host, by its own count; 0 when there was nothing to send."""
        found = re.search(r"\((\d+) bytes of them from the operator\)", self.said(run, name))
        return int(found[1]) if found else 0

    def patch(self, name: str, module: str, old: str, new: str) -> None:
        """Change our program on a host."""
        path = f"{self.site_packages}/{module}"
        with self.line(name) as line:
            text = line.get(path, limit=1 << 20).decode()
            assert text.count(old) == 1
            line.put(text.replace(old, new).encode(), path, mode=0o644)
            compiled = f"{self.site_packages}/__pycache__/{module.removesuffix('.py')}.cpython-*.pyc"
            line.run(Command.shell(f"rm {compiled}"))

    def kill(self, run: RunDir) -> None:
        """End the worker as by kill -9."""
        os.kill(json.loads((run.path / "worker.json").read_text())["pid"], signal.SIGKILL)

    def stored(self, name: str) -> set[str]:
        """The blobs of a host that are what their names say, but for the runtime's; anything else fails."""
        said = hosts.run_inside(self.lab.host(name), ["sh", "-c", f"cd {BLOBS} && sha256sum *"], seconds=120).stdout
        sums = dict(reversed(line.split()) for line in said.splitlines())
        assert all(name == digest for name, digest in sums.items())
        return set(sums) - {self.runtime.hex}

    def helpers(self, name: str) -> str:
        """Processes of our helper that run on a host."""
        return hosts.run_inside(self.lab.host(name), ["sh", "-c", "ps -eo args | grep '[h]ostside' || :"]).stdout
