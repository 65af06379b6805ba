"""What a worker is told, on disk and over its socket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.errors import StateError
from appliance.execute.order import HostSecrets, RunSecrets, identity, make_order, read_order, write_order
from appliance.state import Home
from appliance.transport.base import Become, Credential, Endpoint

PASSWORDS = Credential(
    key=Path("/keys/ops"),
    key_passphrase="PASS-A",
    password="PASS-B",
    agent=False,
    become=Become.SUDO,
    become_password="PASS-C",
)
ENDPOINTS = {"a": Endpoint("10.0.0.1", 22, "ops", PASSWORDS), "b": Endpoint("", 0, "root")}


def write(tmp_path: Path) -> Path:
    home = Home.of(tmp_path / "home")
    order = make_order(
        home,
        home.cluster("site"),
        run="r",
        operation="apply",
        operator="ann",
        endpoints=ENDPOINTS,
        at_once=7,
        take_over=True,
    )
    path = tmp_path / "run.json"
    write_order(path, order)
    assert read_order(path) == order
    return path


def test_an_order_is_read_as_written_and_holds_no_password(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "PASS-" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    order = read_order(path)
    assert order.endpoints["a"].credential == Credential(key=Path("/keys/ops"), agent=False, become=Become.SUDO)
    assert (order.at_once, order.take_over) == (7, True)


def test_secrets_come_back_to_their_endpoints_and_show_nowhere(tmp_path: Path) -> None:
    secrets = RunSecrets.from_json(json.loads(json.dumps(RunSecrets.of(ENDPOINTS).to_json())))
    assert secrets.into(read_order(write(tmp_path)).endpoints) == ENDPOINTS
    assert sorted(secrets.values()) == ["PASS-A", "PASS-B", "PASS-C"]
    assert "PASS-" not in repr(secrets) + repr(secrets.hosts) + repr(HostSecrets("PASS-A"))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"format": 2}', "of format 2"),
        ('{"format": 1, "run": "r"}', "cannot be read"),
    ],
)
def test_what_is_no_order_is_refused(tmp_path: Path, document: str, words: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(document)
    with pytest.raises(StateError, match=words):
        read_order(path)


def test_a_folder_without_an_order_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="not the folder of a run"):
        read_order(tmp_path / "run.json")


def test_a_home_keeps_its_identity_and_no_other_has_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert identity(one) == identity(one)
    assert identity(one) != identity(two)
