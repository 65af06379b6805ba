"""Scripts of the Kubernetes runtime that decide something: run on files, with what programs of a host would answer."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.kubesites import document, kube_site

from appliance.plan.steps import Run, Step
from appliance.recipe import yamltext
from appliance.recipe.networking import Network
from appliance.runtimes.kubernetes import applications_steps as steps
from appliance.runtimes.kubernetes import etcd, joining, machine, nodes, renewal
from appliance.runtimes.kubernetes.joining import ADMIN

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from appliance.plan.runtime import Site
    from appliance.transport.base import Command

ROOT_DISK = "UUID=0e1b /  ext4 defaults 0 1\n"
SWAPS = "/swapfile none swap sw 0 0\nUUID=77aa\tnone\tswap\n"
THEIRS = "# /old none swap sw 0 0\n/srv/swap /mnt ext4 defaults 0 2\n"
PEER = "https://10.0.0.12:2380"
FIRST = "8e9e05c52164694d, started, control-plane-1, https://10.0.0.11:2380, https://10.0.0.11:2379, false\n"


class Programs:
    """A folder of programs that say what they are told to, and write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        (folder / "bin").mkdir()
        self.calls.touch()

    def add(self, name: str, script: str = "") -> None:
        program = self.folder / "bin" / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>{self.calls}\n{script}')
        program.chmod(0o755)

    def run(self, command: Command, **places: str) -> bool:
        argv = [places.get(word, word) for word in command.argv]
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        ended = subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=False)
        assert not ended.stderr
        return ended.returncode == 0


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def swap_step() -> Step:
    site = kube_site(1, 0)
    return next(step for step in machine.prepare(site, site.hosts[0], "/opt/x") if step.id.endswith("/no-swap"))


def test_swap_goes_out_of_fstab_and_comes_back_as_it_was(programs: Programs) -> None:
    fstab = programs.folder / "fstab"
    fstab.write_text(ROOT_DISK + SWAPS + THEIRS)
    fstab.chmod(0o640)
    programs.add("swapoff")
    programs.add("swapon")
    off, on = swap_step(), machine.put_back("control-plane-1", "site-a")[-1]
    assert isinstance(off.action, Run)
    assert isinstance(on.action, Run)
    assert on.unless

    assert programs.run(off.action.command, **{"/etc/fstab": str(fstab)})
    commented = "".join(f"# of cluster site-a: no swap: {line}\n" for line in SWAPS.splitlines())
    assert fstab.read_text() == ROOT_DISK + commented + THEIRS
    assert not programs.run(on.unless, **{"/etc/fstab": str(fstab)})

    assert programs.run(on.action.command, **{"/etc/fstab": str(fstab)})
    assert fstab.read_text() == ROOT_DISK + SWAPS + THEIRS
    assert fstab.stat().st_mode & 0o777 == 0o640
    assert programs.run(on.unless, **{"/etc/fstab": str(fstab)})
    assert programs.calls.read_text() == "swapoff -a\nswapon -a\n"


def become_member(programs: Programs, answer: str) -> tuple[dict[str, str], list[str]]:
    """What control-plane-2 writes down, and what it asks, when `answer` is what others say of the members."""
    programs.add("etcdctl", f"case \"$*\" in *'member list'*) {answer} ;; esac\n")
    site = kube_site(2, 0)
    step = etcd.membership(site, site.hosts[1], str(programs.folder))
    assert isinstance(step.action, Run)
    written = programs.folder / "data/membership.env"
    assert programs.run(step.action.command, **{"/var/lib/etcd/membership.env": str(written)})
    asked = [line.partition("member.key ")[2] for line in programs.calls.read_text().splitlines()]
    return dict(line.split("=", 1) for line in written.read_text().splitlines()), asked


def said(*lines: str) -> str:
    return f"printf '{''.join(lines)}'".replace("\n", "\\n")


@pytest.mark.parametrize(
    ("answer", "state", "changes"),
    [
        ("exit 1", "new", []),
        (said(FIRST), "existing", [f"member add control-plane-2 --peer-urls={PEER}"]),
        (said(FIRST, f"ba0fd5dc, unstarted, , {PEER}, , false\n"), "existing", []),
        (
            said(FIRST, f"ba0fd5dc, started, control-plane-2, {PEER}, https://10.0.0.12:2379, false\n"),
            "existing",
            ["member remove ba0fd5dc", f"member add control-plane-2 --peer-urls={PEER}"],
        ),
    ],
    ids=["nobody answers", "never a member", "a member that never ran", "a member whose data is gone"],
)
def test_a_member_of_etcd_begins_as_the_others_say(
    programs: Programs, answer: str, state: str, changes: list[str]
) -> None:
    written, asked = become_member(programs, answer)
    assert written["ETCD_INITIAL_CLUSTER_STATE"] == state
    assert set(written["ETCD_INITIAL_CLUSTER"].split(",")) == {
        "control-plane-1=https://10.0.0.11:2380",
        f"control-plane-2={PEER}",
    }
    assert asked == ["member list", *changes]


def admit(programs: Programs, *, ready: str) -> tuple[bool, list[str]]:
    """Let worker-1 join where kubectl says by and by what stands in the lines of `ready`; what was called."""
    answers = programs.folder / "answers"
    answers.write_text(ready)
    programs.add("kubectl", f"head -n 1 {answers}; sed -i 1d {answers}\n")
    programs.add("kubeadm")
    programs.add("sleep")
    step = joining.admit(kube_site(1, 1), str(programs.folder))
    assert isinstance(step.action, Run)
    done = programs.run(step.action.command)
    words = [line.split(" ")[0] for line in programs.calls.read_text().splitlines()]
    return done, [word for word in words if word in ("kubeadm", "kubectl", "sleep")]


def test_a_new_machine_waits_until_the_cluster_has_lost_the_node_that_it_is_to_be(programs: Programs) -> None:
    ready = "control-plane-1 worker-1\n" * 2 + "control-plane-1 worker-10\n"
    assert admit(programs, ready=ready) == (True, ["kubeadm", "kubectl", "sleep", "kubectl", "sleep", "kubectl"])


def test_a_machine_of_a_new_name_need_not_wait(programs: Programs) -> None:
    assert admit(programs, ready="control-plane-1\n") == (True, ["kubeadm", "kubectl"])


ADMIN_CONF = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: QVVUSA==
    server: https://127.0.0.1:6444
  name: site-a
users:
- name: kubernetes-admin
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
"""


def kubeconfig(programs: Programs, site: Site) -> tuple[dict[str, str], Path]:
    """The address to which each context of the operator's kubeconfig leads, and where it lies."""
    admin, made = programs.folder / "admin.conf", programs.folder / "made/kubeconfig"
    admin.write_text(ADMIN_CONF)
    step = nodes.way_in(site)[0]
    assert isinstance(step.action, Run)
    assert step.unless
    places = {ADMIN: str(admin), "/var/lib/appliance/node/clusters/site-a/kubeconfig": str(made)}
    assert not programs.run(step.unless, **places)
    assert programs.run(step.action.command, **places)
    assert programs.run(step.unless, **places)
    (found,) = yamltext.load_documents(made.read_text(), source="kubeconfig")
    document: dict[str, Any] = found.value
    servers = {each["name"]: each["cluster"]["server"] for each in document["clusters"]}
    contexts = {each["name"]: servers[each["context"]["cluster"]] for each in document["contexts"]}
    assert document["current-context"] == next(iter(contexts)) == "kubernetes-admin@site-a"
    assert {each["cluster"]["certificate-authority-data"] for each in document["clusters"]} == {"QVVUSA=="}
    key = {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"}
    assert document["users"] == [{"name": "kubernetes-admin", "user": key}]
    return contexts, made


def test_the_operator_s_kubeconfig_leads_to_each_api_server(programs: Programs) -> None:
    contexts, made = kubeconfig(programs, kube_site(3, 1))
    assert contexts == {
        "kubernetes-admin@site-a": "https://10.0.0.11:6443",
        "control-plane-2@site-a": "https://10.0.0.12:6443",
        "control-plane-3@site-a": "https://10.0.0.13:6443",
    }
    assert made.stat().st_mode & 0o777 == 0o600


def test_the_operator_s_kubeconfig_leads_to_the_endpoint_where_there_is_one(programs: Programs) -> None:
    site = replace(kube_site(3, 1), network=Network(endpoint="api.example:443"))
    assert kubeconfig(programs, site)[0] == {"kubernetes-admin@site-a": "https://api.example:443"}


CERTIFICATES = """\
CERTIFICATE                         EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
admin.conf                          Nov 23, 2027 20:54 UTC   {admin: <15} ca                      no
apiserver                           Nov 23, 2027 20:54 UTC   {server: <15} ca                      no
!MISSING! scheduler.conf

CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
ca                      Nov 20, 2027 20:54 UTC   1d              no
"""


def needs_no_renewal(programs: Programs, *, admin: str = "364d", server: str = "364d", validity: str = "") -> bool:
    """Whether a control plane is left alone on which kubeadm says that so much is left of two certificates."""
    said = programs.folder / "said"
    said.write_text(CERTIFICATES.format(admin=admin, server=server))
    programs.add("kubeadm", f"cat {said}\n")
    given = (document("ClusterConfiguration", certificateValidityPeriod=validity),) if validity else ()
    site = kube_site(1, 0, version="1.31.4", documents=given)
    step = renewal.renew(site, site.hosts[0], str(programs.folder))
    assert step.unless
    places = {ADMIN: str(programs.folder / "admin.conf"), "/etc/kubernetes/renewing": str(programs.folder / "mark")}
    return programs.run(step.unless, **places)


@pytest.mark.parametrize(
    ("left", "well"),
    [("9y", True), ("364d", True), ("60d", True), ("59d", False), ("23h", False), ("0s", False), ("<invalid>", False)],
)
@pytest.mark.parametrize("which", ["admin", "server"])
def test_a_certificate_is_renewed_in_its_last_60_days(programs: Programs, which: str, left: str, well: bool) -> None:
    (programs.folder / "admin.conf").touch()
    assert needs_no_renewal(programs, **{which: left}) is well
    asked = programs.calls.read_text()
    assert asked == "kubeadm certs check-expiration --config=/etc/kubernetes/kubeadm-init.yaml\n"


@pytest.mark.parametrize(("left", "well"), [("29d", True), ("10d", True), ("9d", False)])
def test_one_that_lasts_for_less_is_renewed_in_its_last_third(programs: Programs, left: str, well: bool) -> None:
    (programs.folder / "admin.conf").touch()
    assert needs_no_renewal(programs, admin=left, validity="720h0m0s") is well


def test_a_machine_that_is_no_control_plane_yet_has_nothing_to_renew(programs: Programs) -> None:
    assert needs_no_renewal(programs, admin="1d")
    assert not programs.calls.read_text()


def test_what_was_begun_and_not_ended_is_done_again(programs: Programs) -> None:
    (programs.folder / "admin.conf").touch()
    (programs.folder / "mark").touch()
    assert not needs_no_renewal(programs)


def test_a_mark_that_is_left_where_no_control_plane_is_any_more_holds_nobody_up(programs: Programs) -> None:
    (programs.folder / "mark").touch()
    assert needs_no_renewal(programs)


CONTAINERS = """\
CONTAINER      IMAGE          CREATED      STATE    NAME                     ATTEMPT  POD ID         POD
0a1b2c3d4e5f6  a0eed15eed449  2 days ago   Running  kube-apiserver           0        5e6f7a8b9c0d1  kube-apiserver-one
1a1b2c3d4e5f6  45f3f2a1c0cd8  2 days ago   Running  kube-scheduler           0        6e6f7a8b9c0d1  kube-scheduler-one
2a1b2c3d4e5f6  bb5e0dde9054c  2 days ago   Running  coredns                  0        7e6f7a8b9c0d1  kube-apiserver-x
3a1b2c3d4e5f6  55f13c92defb1  2 days ago   Running  kube-controller-manager  1        8e6f7a8b9c0d1  one
"""
OF_A_STAND_IN = """\
0a1b2c3d4e5f6 CONTAINER_RUNNING kube-apiserver 0 sha256:a0
1a1b2c3d4e5f6 CONTAINER_RUNNING kube-scheduler 0 sha256:45
2a1b2c3d4e5f6 CONTAINER_RUNNING coredns 0 sha256:bb
3a1b2c3d4e5f6 CONTAINER_RUNNING kube-controller-manager 1 sha256:55
"""


@pytest.mark.parametrize("containers", [CONTAINERS, OF_A_STAND_IN], ids=["crictl", "a stand-in"])
def test_renewing_starts_anew_what_read_the_old_certificates_and_nothing_else(
    programs: Programs, containers: str
) -> None:
    listed, answers, mark = programs.folder / "containers", programs.folder / "answers", programs.folder / "mark"
    listed.write_text(containers)
    answers.write_text("exit 1\nexit 0\n")
    programs.add("crictl", f'case "$*" in *ps) cat {listed} ;; esac\n')
    programs.add("kubeadm", f"[ -e {mark} ]\n")
    programs.add("kubectl", f"now=$(head -n 1 {answers}); sed -i 1d {answers}; $now\n")
    programs.add("systemctl")
    programs.add("sleep")
    site = kube_site(1, 0)
    step = renewal.renew(site, site.hosts[0], str(programs.folder))
    assert isinstance(step.action, Run)
    assert programs.run(step.action.command, **{"/etc/kubernetes/renewing": str(mark)})
    calls = programs.calls.read_text()
    assert calls.startswith(
        "systemctl is-active --quiet kubelet\nkubeadm certs renew all --config=/etc/kubernetes/kubeadm-init.yaml\n"
    )
    assert [line.split()[-1] for line in calls.splitlines() if " stop " in line] == [
        "0a1b2c3d4e5f6",
        "3a1b2c3d4e5f6",
        "1a1b2c3d4e5f6",
    ]
    assert calls.count("--server=https://10.0.0.11:6443") == 2
    assert not mark.exists()


def renewed(programs: Programs, **env: str) -> subprocess.CompletedProcess[str]:
    site = kube_site(1, 0)
    step = renewal.renew(site, site.hosts[0], str(programs.folder))
    assert isinstance(step.action, Run)
    places = {"/etc/kubernetes/renewing": str(programs.folder / "mark")}
    argv = [places.get(word, word) for word in step.action.command.argv]
    path = f"{programs.folder}/bin:{os.environ['PATH']}"
    return subprocess.run(argv, env={"PATH": path, **env}, capture_output=True, text=True, check=False)


def test_nothing_is_renewed_or_stopped_where_no_kubelet_would_start_it_again(programs: Programs) -> None:
    programs.add("systemctl", "exit 3\n")
    for name in ("kubeadm", "crictl", "kubectl"):
        programs.add(name)
    ended = renewed(programs)
    assert ended.returncode == 1
    assert "kubelet does not run" in ended.stderr
    assert programs.calls.read_text() == "systemctl is-active --quiet kubelet\n"
    assert not (programs.folder / "mark").exists()


def test_the_api_server_is_asked_past_the_proxy_that_a_login_sets(programs: Programs) -> None:
    for name in ("systemctl", "kubeadm"):
        programs.add(name)
    programs.add("crictl", 'case "$*" in *ps) echo "1 kube-controller-manager"; echo "2 kube-scheduler" ;; esac\n')
    programs.add("kubectl", "env | grep -qi '_proxy=' && exit 1\nexit 0\n")
    programs.add("sleep", "kill $PPID\n")
    ended = renewed(programs, https_proxy="http://proxy:3128", HTTPS_PROXY="http://proxy:3128")
    assert ended.returncode == 0


OURS = ("name", "key", "folder", "copy", "programs", "exports", "kubeconfig", "log", "line", "shell", "status")
AWKWARD = {
    **dict.fromkeys(OURS, "theirs"),
    "KUBECONFIG": "/theirs",
    "HOME": "/theirs",
    "PATH": "/their/programs",
    "TEXT": "it's $(false)\nand more",
}


def test_an_environment_reaches_the_lines_and_nothing_else_of_the_script(programs: Programs, tmp_path: Path) -> None:
    place = steps.Place("one", f"{tmp_path}/home", f"{tmp_path}/bin", f"{tmp_path}/tree", "a-key")
    (tmp_path / "home" / "rootfs").mkdir(parents=True)
    (tmp_path / "home" / "launched").mkdir()
    script = 'env -0 >env; tool "$name" "$TEXT"'
    programs.add("tool")
    step = steps.plugin_step(place, "ours", "Try it", script, {**AWKWARD, "my.name": "of the image"}, after=())
    assert isinstance(step.action, Run)
    assert programs.run(step.action.command)
    assert step.unless is not None
    assert programs.run(step.unless)
    assert programs.calls.read_text() == f"tool theirs {AWKWARD['TEXT']}\n"
    words = (tmp_path / "home" / "rootfs" / "env").read_text().split("\0")
    found = dict(word.split("=", 1) for word in words if word)
    ours = {"HOME": f"{place.marks}/home", "PATH": found["PATH"]}
    assert {name: found[name] for name in AWKWARD} == {**AWKWARD, **ours}
    assert (found["PATH"].split(":")[0], found["PATH"].split(":")[-1]) == (place.programs, "/their/programs")
    assert "my.name" not in found
