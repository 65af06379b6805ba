"""Kubernetes end to end and in order: one `.run` makes a cluster of three hosts without a network, a second one adds an
application, and a reset leaves the hosts as they were.

The operator's machine is a lab host without Python.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from support import kubernetes
from support.kubernetes import kubectl, lines
from support.lab import OPS, lab_of
from support.traces import trace

from appliance.clock import SystemClock
from appliance.lab import host as machines
from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.lab.registry import Lab, LabHost

pytestmark = pytest.mark.hosts

NODES = ("one", "two", "three")
GREETING = "carried in on a stick"
ACCESS = "--trust root.pem --host-keys known_hosts --user ops"


@dataclass(frozen=True, slots=True)
class Site:
    """A lab with an operator's machine, and two deliveries that lie on it."""

    lab: Lab
    delivery: kubernetes.Delivery

    @property
    def first(self) -> LabHost:
        """The control plane."""
        return self.lab.host("one")

    def operator(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a shell line on the operator's machine, entered by SSH without a terminal."""
        argv = (*labs.ssh_command(self.lab, "operator"), line)
        return subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)

    def cluster(self, arguments: str) -> subprocess.CompletedProcess[str]:
        """Start the cluster's bundle on the operator's machine."""
        return self.operator(f"sh /media/{self.delivery.cluster.name} {arguments}")

    def carry(self) -> None:
        """Bring deliveries, keys and the Clusterfile to the operator's machine."""
        root = self.lab.host("operator").root
        (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        for bundle in (self.delivery.cluster, self.delivery.application):
            (root / "media" / bundle.name).write_bytes(bundle.read_bytes())
        (root / "root/root.pem").write_bytes(self.delivery.root.read_bytes())
        (root / "root/known_hosts").write_bytes(self.lab.known_hosts.read_bytes())
        (root / "root/.ssh/id_ed25519").write_bytes(self.lab.key.read_bytes())
        (root / "root/.ssh/id_ed25519").chmod(0o600)
        text = kubernetes.clusterfile(self.lab, control_planes=NODES[:1], workers=NODES[1:])
        (root / "root/cluster.yaml").write_text(text)


@pytest.fixture(scope="module")
def site(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The deliveries, built by the command line and carried to an operator's machine, and three hosts to be."""
    delivery = kubernetes.deliver(tmp_path_factory.mktemp("kubernetes"))
    nodes = (HostSpec(name, users=(OPS,), containers=True) for name in NODES)
    with lab_of(*nodes, HostSpec("operator", python=False)) as lab:
        made = Site(lab, delivery)
        made.carry()
        yield made


@pytest.fixture(scope="module", autouse=True)
def before(site: Site) -> dict[str, dict[str, frozenset[str]]]:
    """The hosts as they were before anything was installed."""
    return {name: trace(site.lab.host(name)) for name in NODES}


def test_one_command_makes_a_cluster_of_three_hosts(site: Site) -> None:
    done = site.cluster(f"apply -f cluster.yaml {ACCESS} --yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done, 3 of 3 hosts" in done.stdout
    nodes = lines(site.first, "get", "nodes", template="{.metadata.name} {.status.conditions[-1:].type}")
    assert nodes == [["control-plane-1", "Ready"], ["worker-1", "Ready"], ["worker-2", "Ready"]]


def test_the_second_apply_has_nothing_to_do(site: Site) -> None:
    again = site.cluster(f"apply -f cluster.yaml {ACCESS} --yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to do" in again.stdout


def test_certificates_that_end_soon_are_renewed_and_reach_the_operator(site: Site) -> None:
    pki = site.first.root / "etc/kubernetes/pki"
    ends_soon(pki / "apiserver.crt", issuer=pki / "ca")
    done = site.cluster(f"apply -f cluster.yaml {ACCESS} --yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Renew certificates" in done.stdout
    renewed = x509.load_pem_x509_certificate((pki / "apiserver.crt").read_bytes())
    assert renewed.not_valid_after_utc > SystemClock().now() + timedelta(days=300)
    served = ssl.get_server_certificate((site.first.address, 6443))
    assert x509.load_pem_x509_certificate(served.encode()) == renewed
    kept = "/var/lib/appliance/clusters/site/kubeconfig"
    mode, ours = site.operator(f"stat -c %a {kept}; cat {kept}").stdout.split("\n", 1)
    assert mode == "600"
    (certificate,) = re.findall(r"client-certificate-data: (\S+),", ours)
    assert certificate in (site.first.root / "etc/kubernetes/admin.conf").read_text()
    assert "nothing to do" in site.cluster(f"apply -f cluster.yaml {ACCESS} --yes").stdout


def ends_soon(path: Path, *, issuer: Path) -> None:
    """Put another certificate in the place of one: the same, but it ends in ten days."""
    old = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(issuer.with_suffix(".key").read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    now = SystemClock().now()
    new = (
        x509.CertificateBuilder()
        .issuer_name(old.issuer)
        .subject_name(old.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=355))
        .not_valid_after(now + timedelta(days=10))
    )
    for extension in old.extensions:
        new = new.add_extension(extension.value, critical=extension.critical)
    path.write_bytes(new.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def test_an_image_that_was_not_carried_fails_at_once_and_is_named(site: Site) -> None:
    pull = ("crictl", "pull", "docker.io/library/nginx:1.25")
    refused = kubernetes.program(site.lab.host("two"), *pull, check=False, seconds=30)
    assert refused.returncode != 0
    assert "docker.io/library/nginx:1.25: not found" in refused.stderr


def test_a_second_bundle_adds_an_application_by_its_chart(site: Site) -> None:
    bundle = site.delivery.application.name
    done = site.operator(
        f"sh /media/{bundle} run --name site --set replicas=4 --set greeting='{GREETING}' {ACCESS} --yes"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pods = lines(site.first, "-n", "hello", "get", "pods", template="{.spec.nodeName} {.status.phase}")
    assert sorted(pods) == [["worker-1", "Running"]] * 2 + [["worker-2", "Running"]] * 2


def test_its_image_was_pulled_always_and_by_its_own_name(site: Site) -> None:
    events = kubectl(site.first, "-n", "hello", "get", "events", "--field-selector", "reason=Pulled", "-o", "json")
    said = [event["message"] for event in json.loads(events)["items"]]
    assert len(said) >= 4
    assert all(f'Successfully pulled image "{kubernetes.BUSYBOX}"' in message for message in said)


def test_pods_reach_each_other_across_hosts_the_service_by_address_and_by_name(site: Site) -> None:
    pods = lines(site.first, "-n", "hello", "get", "pods", template="{.status.podIP}")
    address = kubectl(site.first, "-n", "hello", "get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
    places = [*(f"{pod}:8080" for (pod,) in pods), address, "hello", "hello.hello.svc.cluster.local"]
    answers = kubernetes.ask_everybody(site.first, places, namespace="hello", app="hello")
    assert list(answers.values()) == [[GREETING] * len(places)] * 4


def test_status_says_that_all_hosts_are_well(site: Site) -> None:
    status = site.cluster("status -o json")
    assert status.returncode == 0, status.stdout + status.stderr
    hosts = json.loads(status.stdout)["hosts"]
    assert [dict(host["units"])["kubelet.service"] for host in hosts] == ["active"] * 3


def test_reset_leaves_the_hosts_as_they_were(site: Site, before: dict[str, dict[str, frozenset[str]]]) -> None:
    done = site.cluster("reset site --yes")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NODES:
        assert kubernetes.left_behind(site.lab.host(name), before[name]) == [], name
        links = machines.run_inside(site.lab.host(name), ("ip", "-brief", "link")).stdout.splitlines()
        assert [line.split("@")[0].split()[0] for line in links] == ["lo", "eth0"]
