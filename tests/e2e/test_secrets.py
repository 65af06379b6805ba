"""Whole journeys with marked secrets; then everything that could have kept one is searched for them.

What each secret may be found in is listed; anywhere else is a leak: arguments and environments of processes (sampled
all the time, on the operator's side and on the hosts), journals, logs, reports, saved plans, state, output, files.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.keeper import Delivery, appliance, clusterfile, deliver
from support.lab import lab_of
from support.searching import Needles, Watch
from support.sshd import keygen

from appliance.lab import cgroups
from appliance.lab import host as machines
from appliance.lab.spec import HostSpec, LabUser, Sudo
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.lab.registry import Lab, LabHost

pytestmark = pytest.mark.hosts


def marked(what: str) -> str:
    """A secret that nothing else could be, with characters that shells, URLs and JSON write otherwise."""
    return f'{what} $"{secrets.token_hex(8)}"& ü'


LOGIN, ROOTS, PHRASE, FIRST, SECOND = (marked(what) for what in ("login", "sudo", "phrase", "token", "other"))


@dataclass(slots=True)
class Site:
    """A host entered with passwords, one entered with a protected key; both ask for root's password in sudo."""

    lab: Lab
    delivery: Delivery
    home: Path
    folder: Path
    key: Path
    said: list[str] = field(default_factory=list)

    @property
    def password_files(self) -> tuple[str, ...]:
        return (
            "--ssh-password-file",
            str(self.folder / "login"),
            "--become-password-file",
            str(self.folder / "root"),
            "--host-keys",
            str(self.lab.known_hosts),
        )

    def run(
        self, *words: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None, code: int = 0
    ) -> str:
        """Run a command, keep what it says, and expect it to end with `code`."""
        done = appliance(*words, home=self.home, stdin=stdin, environment=environment)
        self.said += [done.stdout, done.stderr]
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def bundle(self, command: str, *words: str | Path) -> tuple[str | Path, ...]:
        return (command, self.delivery.bundle, "--trust", self.delivery.root, *words)

    def needles(self) -> Needles:
        """All secrets: those that people know, and those that were made."""
        made: dict[str, str] = {}
        for name in ("site-a", "site-b"):
            key = self.home / "keys" / f"{name}.key"
            vault = Vault.open(self.home / "clusters" / name / "vault", key)
            made |= {f"{name}:{each}": vault.get(each).decode() for each in vault.names()}
        known = set(PEOPLES.values())
        return Needles.of(PEOPLES | {name: text for name, text in made.items() if text not in known})


PEOPLES = {"login": LOGIN, "sudo": ROOTS, "passphrase": PHRASE, "first token": FIRST, "second token": SECOND}


@pytest.fixture(scope="module")
def site(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("secrets")
    key = keygen(folder / "key", passphrase=PHRASE)
    public = key.with_name("key.pub").read_text().strip()
    users = (
        LabUser("deputy", password=LOGIN, sudo=Sudo.PASSWORD, lab_key=False),
        LabUser("holder", sudo=Sudo.PASSWORD, authorized_keys=(public,), lab_key=False),
    )
    settings = "chpasswd && echo 'Defaults rootpw' >/etc/sudoers.d/rootpw && chmod 440 /etc/sudoers.d/rootpw"
    with lab_of(HostSpec("one", users=users), HostSpec("two", users=users)) as lab:
        for host in lab.hosts:
            machines.run_inside(host, ("sh", "-c", settings), stdin=f"root:{ROOTS}\n")
        made = Site(lab, deliver(folder), folder / "home", folder / "files", key)
        made.folder.mkdir()
        for name, text in (("login", LOGIN), ("root", ROOTS), ("token", FIRST)):
            (made.folder / name).write_text(f"{text}\n")
        yield made


@pytest.fixture(scope="module")
def watch(site: Site) -> Iterator[Watch]:
    """Looks at all processes from before the first journey until after the last."""
    with Watch(Needles.of(PEOPLES)) as watching:
        yield watching


def test_passwords_from_files_and_a_secret_parameter_from_a_file(site: Site, watch: Watch) -> None:
    one = site.lab.host("one").address
    path = site.folder / "a.yaml"
    path.write_text(clusterfile([one], ssh={"user": "deputy"}))
    options = ("-f", path, "--set-file", f"token={site.folder / 'token'}", *site.password_files)
    site.run(*site.bundle("preflight", *options))
    plan = site.folder / "plan.json"
    assert "parameter/token" in site.run(*site.bundle("plan", *options, "-O", plan, "-o", "json"))
    assert "keeper is told" in site.run(*site.bundle("apply", *options, "--plan", plan, "--yes", "-v", "-o", "jsonl"))
    assert FIRST in machines.run_inside(site.lab.host("one"), ("cat", "/etc/keeper/token")).stdout


def test_what_was_applied_is_remembered_without_the_secret_and_the_vault_knows_it(site: Site, watch: Watch) -> None:
    path = site.folder / "a.yaml"
    assert "nothing to do" in site.run(*site.bundle("apply", "-f", path, "--yes", *site.password_files))
    site.run("status", "site-a", *site.password_files)
    site.run("report", "latest", "--name", "site-a", "--html", site.folder / "report.html")


def test_secrets_that_stand_in_the_clusterfile_are_warned_of_and_kept_in_the_vault(site: Site, watch: Watch) -> None:
    one = site.lab.host("one").address
    written = site.folder / "clear" / "b.yaml"
    written.parent.mkdir()
    ssh = {"user": "deputy", "password": LOGIN, "becomePassword": ROOTS}
    written.write_text(clusterfile([one], ssh=ssh, parameters={"token": SECOND}))
    known = ("--host-keys", site.lab.known_hosts)
    plan = json.loads(site.run(*site.bundle("plan", "-f", written, "-o", "json", *known)))
    changed = {step["id"] for stage in plan["plan"]["stages"] for step in stage["steps"] if "write:" in step["id"]}
    assert {step.partition("write:")[2] for step in changed} == {"/etc/keeper/token"}
    site.run(*site.bundle("apply", "-f", written, "--yes", *known))
    warned = [line for line in site.said[-1].splitlines() if "stands here in clear text" in line]
    assert len(warned) == 3
    assert SECOND in machines.run_inside(site.lab.host("one"), ("cat", "/etc/keeper/token")).stdout
    site.run("status", "site-a", *known)  # entered by what the vault holds


def test_a_protected_key_passwords_from_variables_and_a_secret_on_stdin(site: Site, watch: Watch) -> None:
    two = site.lab.host("two").address
    known = ("--host-keys", site.lab.known_hosts, "--key", site.key, "--user", "holder", "--name", "site-b")
    words = site.bundle("run", "--hosts", f"keeper={two}", *known, "--yes", "--set-file", "token=-")
    protected = ("--key-passphrase-file", "-", "--become-password-file", "-")
    site.run(*words, *protected, stdin=f"{PHRASE}\n{ROOTS}\n{FIRST}\n")
    assert f"token={FIRST}\n" in machines.run_inside(site.lab.host("two"), ("cat", "/etc/keeper/token")).stdout


def test_a_secret_as_an_argument_is_refused(site: Site, watch: Watch) -> None:
    path = site.folder / "a.yaml"
    site.run(*site.bundle("plan", "-f", path, "--set", "token=12345678", *site.password_files), code=2)
    assert "--set-file token=FILE" in site.said[-1]


def test_no_process_had_a_secret_in_its_arguments_or_environment(site: Site, watch: Watch) -> None:
    watch.stop()
    assert watch.rounds > 50
    assert {"sudo", "sh"} <= {program.rpartition("/")[2] for program in watch.programs}
    assert watch.found == set()


def test_variables_do_not_reach_the_process_that_carries_the_run_out(site: Site) -> None:
    machines.run_inside(site.lab.host("two"), ("systemctl", "stop", "keeper"))
    given = {"APPLIANCE_KEY_PASSPHRASE": PHRASE, "APPLIANCE_BECOME_PASSWORD": ROOTS}
    path = site.folder / "b.yaml"
    path.write_text(
        clusterfile([site.lab.host("two").address], name="site-b", ssh={"user": "holder", "key": str(site.key)})
    )
    with Watch(Needles.of({"sudo": ROOTS, "passphrase": PHRASE})) as watch:
        site.run(*site.bundle("apply", "-f", path, "--yes"), environment=given)
    with_variables = {(what, "run-worker" in program) for _, what, program in watch.found}
    assert with_variables == {("environ", False)}
    assert any("python" in program for program in watch.programs)


def test_nothing_that_was_said_holds_a_secret(site: Site) -> None:
    needles = site.needles()
    assert len(needles.forms) > len(PEOPLES) + 4
    assert [needles.found(text.encode()) for text in site.said if needles.found(text.encode())] == []
    assert any("‹secret›" in text for text in site.said)


def test_nothing_that_the_operator_keeps_holds_a_secret(site: Site) -> None:
    assert site.needles().in_files(site.home) == set()
    clear = {(secret, "/clear/b.yaml") for secret in ("login", "sudo", "second token")}
    given = {("login", "/login"), ("sudo", "/root"), ("first token", "/token")}
    assert site.needles().in_files(site.folder) == given | clear
    logs = [path.read_text() for path in site.home.glob("clusters/site-a/runs/*/hosts/*.log")]
    assert any("‹secret›" in text for text in logs)  # what the health check printed


@pytest.mark.parametrize(
    ("name", "cluster", "token"), [("one", "site-a", "second token"), ("two", "site-b", "first token")]
)
def test_on_a_host_secrets_stand_where_the_recipe_puts_them_and_nowhere_else(
    site: Site, name: str, cluster: str, token: str
) -> None:
    host = site.lab.host(name)
    found = site.needles().in_files(*_written(host))
    assert found == {
        (token, "/etc/keeper/token"),
        (f"{cluster}:shared", "/etc/keeper/token"),
        (f"{cluster}:door@keeper-1.key", "/etc/keeper/door.key"),
        (token, "/credentials/keeper.service/token"),
        (f"{cluster}:shared", "/credentials/keeper.service/token"),
    }
    modes = machines.run_inside(host, ("stat", "-c", "%a %U", "/etc/keeper/token", "/etc/keeper/door.key")).stdout
    assert set(modes.splitlines()) == {"600 root"}


@pytest.mark.parametrize("name", ["one", "two"])
def test_no_journal_of_a_host_holds_a_secret(site: Site, name: str) -> None:
    argv = ("journalctl", "-q", "--no-pager", "-o", "export")
    said = machines.run_inside(site.lab.host(name), argv).stdout
    assert "sudo" in said
    assert site.needles().found(said.encode()) == set()


def test_after_a_reset_no_secret_is_left_on_the_host(site: Site) -> None:
    site.run("reset", "site-a", "--yes", *site.password_files)
    assert site.needles().in_files(*_written(site.lab.host("one"))) == set()


def _written(host: LabHost) -> tuple[Path, ...]:
    """Whatever was written on a host since it was made: its own layer, its data, and what lies in memory."""
    leader = cgroups.leader(host.lab, host.name)
    inside = [f"/proc/{leader}/root{place}" for place in ("/run", "/tmp", "/dev/shm")]
    return (host.storage / "upper", host.storage / "data", *map(Path, inside))
