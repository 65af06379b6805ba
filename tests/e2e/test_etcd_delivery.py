"""The main job, end to end and in order: a packager's folder becomes an etcd cluster on three hosts without a network.

The operator's machine is a lab host without Python; it starts the `.run` as a person would.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.lab import OPS, lab_of

from appliance.lab import host as machines
from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts

MEMBERS = ("etcd-a", "etcd-b", "etcd-c")
ETCDCTL = "/etc/etcd/etcdctl"
RECIPE = Path(__file__).parents[2] / "bundles" / "etcd"


@dataclass(frozen=True, slots=True)
class Site:
    """A lab with an operator's machine, and the delivery that lies on it."""

    lab: Lab
    out: Path
    bundle: Path
    root: Path

    def operator(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a shell line on the operator's machine, entered by SSH without a terminal."""
        return subprocess.run(
            (*labs.ssh_command(self.lab, "operator"), line), capture_output=True, text=True, timeout=300, check=False
        )

    def run(self, arguments: str) -> subprocess.CompletedProcess[str]:
        """Start the bundle on the operator's machine."""
        return self.operator(f"sh /media/{self.bundle.name} {arguments}")

    def install(self, more: str = "") -> subprocess.CompletedProcess[str]:
        """The one-liner."""
        addresses = ",".join(self.lab.host(name).address for name in MEMBERS)
        return self.run(f"run --hosts etcd={addresses} --user ops --trust root.pem --host-keys known_hosts {more}")

    def etcdctl(self, name: str, *arguments: str) -> str:
        """Ask etcd on a member, through the haproxy there."""
        return machines.run_inside(self.lab.host(name), (ETCDCTL, *arguments)).stdout

    def trace(self, name: str) -> dict[str, str]:
        """What an installation could leave on a host."""
        questions = {
            "files": "find /etc /opt /usr/local /var/lib /run/appliance ~root/[!.]* -xdev ! -path '*/.cache*'"
            " ! -path '/var/lib/systemd/*' ! -path '/var/lib/dbus/*' ! -path '/etc/machine-id'"
            " -printf '%p %m %u %s\\n' 2>/dev/null | sort",
            "units": "systemctl list-unit-files --no-legend --no-pager | awk '{print $1, $2}'",
            "failed": "systemctl list-units --failed --no-legend --no-pager",
            "users": "cat /etc/passwd /etc/group",
            "mounts": "awk '$2 !~ \"^/run/user/\" {print $2}' /proc/mounts | sort",
            "sockets": "ss -Hltn | awk '{print $4}' | sort",
        }
        found = {
            question: machines.run_inside(self.lab.host(name), ("sh", "-c", command)).stdout
            for question, command in questions.items()
        }
        return {**found, "files": "\n".join(line for line in found["files"].splitlines() if not _varies(line))}


def _varies(line: str) -> bool:
    """Folders whose size or time systemd changes by itself."""
    return line.split(maxsplit=1)[0] in {"/etc", "/etc/systemd/system", "/var/lib", "/opt", "/root"}


def appliance(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a packager or an officer does."""
    return subprocess.run(
        (sys.executable, "-m", "appliance", "--home", home, *arguments),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The delivery built by the command line, and carried to an operator's machine."""
    folder = tmp_path_factory.mktemp("delivery")
    home, keys, out = folder / "home", folder / "keys", folder / "out"
    for arguments in (
        ("build", "-t", "etcd-cluster:1.0.0", RECIPE),
        ("key", "generate", "-O", keys, "--name", "Test Vendor"),
        ("bundle", "etcd-cluster:1.0.0", "-O", out, "--key", keys / "signer-key.pem", "--lock-or-latest"),
    ):
        done = appliance("--store", folder / "store", *arguments, home=home)
        assert done.returncode == 0, done.stderr
    (bundle,) = out.glob("*.run")
    members = (HostSpec(name, users=(OPS,)) for name in MEMBERS)
    with lab_of(*members, HostSpec("operator", python=False)) as lab:
        made = Site(lab, out, bundle, keys / "root.pem")
        operator = lab.host("operator")
        for source, name in (
            (bundle, f"media/{bundle.name}"),
            (made.root, "root/root.pem"),
            (lab.known_hosts, "root/known_hosts"),
        ):
            (operator.root / name).write_bytes(source.read_bytes())
        made.operator("mkdir -p -m 700 .ssh")
        (operator.root / "root/.ssh/id_ed25519").write_bytes(lab.key.read_bytes())
        (operator.root / "root/.ssh/id_ed25519").chmod(0o600)
        yield made


@pytest.fixture(scope="module")
def before(site: Site) -> dict[str, dict[str, str]]:
    """The hosts as they were before anything was installed."""
    return {name: site.trace(name) for name in MEMBERS}


def test_our_own_verification_says_what_was_checked(site: Site, tmp_path: Path) -> None:
    done = appliance("verify", site.bundle, "--trust", site.root, "-o", "json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verified"]
    assert report["checked"]["bytes"] == site.bundle.stat().st_size
    assert all(signer["trusted"] for signer in report["signers"])
    assert sorted(signer["format"] for signer in report["signers"]) == ["cms", "cosign", "raw", "sshsig"]


def test_stock_tools_verify_the_whole_delivery(site: Site) -> None:
    (sums,) = site.out.glob("*.SHA256SUMS")
    openssl = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", "/dev/null"]
    files = ["-in", f"{sums}.p7s", "-content", str(sums), "-CAfile", str(site.root)]
    subprocess.run([*openssl, *files], check=True, capture_output=True)
    checked = subprocess.run(["sha256sum", "-c", sums.name], cwd=site.out, check=True, capture_output=True, text=True)
    assert f"{site.bundle.name}: OK" in checked.stdout


def test_a_stranger_is_not_verified(site: Site, tmp_path: Path) -> None:
    made = appliance("key", "generate", "-O", tmp_path / "keys", home=tmp_path)
    assert made.returncode == 0
    done = appliance("verify", site.bundle, "--trust", tmp_path / "keys" / "root.pem", home=tmp_path)
    assert done.returncode == 3
    assert "not verified" in done.stdout


def test_the_operators_machine_has_no_python(site: Site) -> None:
    assert site.operator("command -v python3").returncode != 0


def test_without_an_anchor_nothing_is_installed(site: Site, before: dict[str, dict[str, str]]) -> None:
    done = site.run(f"run --hosts etcd={site.lab.host('etcd-a').address} --user ops --accept-new-host-keys")
    assert done.returncode == 3
    assert "--trust" in done.stderr
    assert site.trace("etcd-a") == before["etcd-a"]


def test_an_unknown_host_key_is_not_believed(site: Site) -> None:
    addresses = site.lab.host("etcd-a").address
    done = site.run(f"run --hosts etcd={addresses} --user ops --trust root.pem")
    assert done.returncode == 7
    assert "SHA256:" in done.stderr


def test_one_command_installs_on_all_hosts(site: Site, before: dict[str, dict[str, str]]) -> None:
    assert set(before) == set(MEMBERS)
    done = site.install()
    assert done.returncode == 0, done.stderr
    assert "done, 3 of 3 hosts" in done.stdout


def test_what_is_written_through_one_member_is_read_through_another(site: Site) -> None:
    site.etcdctl("etcd-a", "put", "key", "carried in on a stick")
    assert site.etcdctl("etcd-b", "get", "--print-value-only", "key") == "carried in on a stick\n"


def test_etcd_refuses_clients_without_a_certificate(site: Site) -> None:
    address = site.lab.host("etcd-a").address
    refused = machines.run_inside(
        site.lab.host("etcd-b"), ("curl", "-sk", f"https://{address}:2379/health"), check=False
    )
    assert refused.returncode != 0


def test_two_of_three_members_are_enough(site: Site) -> None:
    machines.run_inside(site.lab.host("etcd-c"), ("systemctl", "stop", "etcd"))
    site.etcdctl("etcd-a", "put", "key", "two are enough")
    assert site.etcdctl("etcd-c", "get", "--print-value-only", "key") == "two are enough\n"


def test_a_stopped_unit_and_an_edited_file_are_all_that_the_next_plan_holds(site: Site) -> None:
    machines.run_inside(site.lab.host("etcd-b"), ("sh", "-c", "echo '# edited' >> /etc/haproxy/haproxy.cfg"))
    addresses = ",".join(site.lab.host(name).address for name in MEMBERS)
    clusterfile = json.dumps(
        {
            "apiVersion": "appliance/v1",
            "kind": "Cluster",
            "metadata": {"name": "etcd-cluster"},
            "spec": {"ssh": {"user": "ops"}, "hosts": [{"addresses": addresses.split(","), "roles": ["etcd"]}]},
        }
    )
    site.operator(f"printf %s {shlex.quote(clusterfile)} > cluster.yaml")
    done = site.run("plan -f cluster.yaml --trust root.pem -o json")
    assert done.returncode == 0, done.stderr
    steps = {step["id"] for stage in json.loads(done.stdout)["plan"]["stages"] for step in stage["steps"]}
    assert {step for step in steps if step.startswith("etcd-1/")} == set()
    assert {step for step in steps if step.startswith("etcd-2/")} == {
        "etcd-2/write:/etc/haproxy/haproxy.cfg",
        "etcd-2/start:haproxy.service",
        "etcd-2/active:haproxy.service",
        "etcd-2/health:etcd through haproxy",
    }
    assert {step for step in steps if step.startswith("etcd-3/")} == {
        "etcd-3/start:etcd.service",
        "etcd-3/active:etcd.service",
        "etcd-3/health:etcd through haproxy",
    }


def test_apply_repairs_the_drift_and_then_has_nothing_to_do(site: Site) -> None:
    done = site.run("apply -f cluster.yaml --trust root.pem --yes")
    assert done.returncode == 0, done.stderr
    assert len(site.etcdctl("etcd-c", "member", "list").splitlines()) == 3
    again = site.run("apply -f cluster.yaml --trust root.pem --yes")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout


def test_a_rebooted_host_comes_back_by_itself(site: Site) -> None:
    machines.reboot(site.lab.host("etcd-a"))
    machines.run_inside(
        site.lab.host("etcd-a"),
        ("sh", "-c", f"for i in $(seq 60); do {ETCDCTL} endpoint health && exit; sleep 1; done; exit 1"),
        seconds=120,
    )
    again = site.run("apply -f cluster.yaml --trust root.pem --yes")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout


def test_status_and_report_tell_what_was_done(site: Site) -> None:
    status = site.run("status -o json")
    assert status.returncode == 0, status.stdout
    hosts = json.loads(status.stdout)["hosts"]
    assert [dict(host["units"])["etcd.service"] for host in hosts] == ["active"] * 3
    runs = json.loads(site.run("runs -o json").stdout)["runs"]
    assert {run["outcome"] for run in runs} == {"ok"}
    report = site.run("report latest")
    assert all(name in report.stdout for name in ("etcd-1", "etcd-2", "etcd-3"))


def test_no_secret_is_left_in_what_the_operator_keeps(site: Site) -> None:
    key = machines.run_inside(site.lab.host("etcd-a"), ("cat", "/etc/etcd/server.key")).stdout
    line = key.splitlines()[1]
    found = site.operator(f"grep -rlF {shlex.quote(line)} /var/lib/appliance /root /var/tmp /tmp || true")
    assert found.stdout == ""


def test_a_flipped_byte_in_the_payload_is_refused(site: Site, tmp_path: Path) -> None:
    damaged = tmp_path / site.bundle.name
    data = bytearray(site.bundle.read_bytes())
    data[-(8 << 20)] ^= 1
    damaged.write_bytes(data)
    done = appliance("verify", damaged, "--trust", site.root, home=tmp_path)
    assert done.returncode == 3
    assert "chunk" in done.stdout


def test_reset_leaves_the_hosts_as_they_were(site: Site, before: dict[str, dict[str, str]]) -> None:
    done = site.run("reset etcd-cluster --yes")
    assert done.returncode == 0, done.stderr
    for name in MEMBERS:
        after = site.trace(name)
        for question, answer in before[name].items():
            then, now = set(answer.splitlines()), set(after[question].splitlines())
            assert (now - then, then - now) == (set(), set()), f"{question} of {name}: more, and less, than before"
