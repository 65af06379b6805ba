"""Runs the table of `docs/messages.md`: every row is a situation, and a function in `support.situations` makes it.

Each is run as text and as JSON: one clear sentence, a hint, the exit code, no traceback, and nothing changed.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.keeper import Delivery, deliver
from support.lab import GUEST, OPS, lab_of
from support.situations import (
    believing,
    clusterfiles,
    clusters,
    collecting,
    entering,
    inventories,
    keeping,
    machines,
    packaging,
    usage,
)
from support.situations.place import Place, Words

from appliance.cli import main
from appliance.lab import host as lab_hosts
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.lab.registry import Lab

pytestmark = pytest.mark.hosts

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
SMALL_DISK = 24 << 20
_ROW = re.compile(
    r"^\| `(?P<name>[a-z_0-9]+)` \|[^|]*\| (?P<code>\d+) \| (?P<message>.*) \| (?P<hint>.*) \|$", re.MULTILINE
)
_TRACE = "find /etc /opt /var/lib/appliance /run/appliance -xdev -type f -printf '%p %m %s %T@\\n' 2>/dev/null | sort"

MODULES = (
    usage,
    clusterfiles,
    clusters,
    inventories,
    packaging,
    collecting,
    believing,
    entering,
    machines,
    keeping,
)
SITUATIONS: dict[str, Callable[[Place], Words]] = {
    name: function
    for module in MODULES
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; in what is said, ``…`` stands for what differs from case to case."""

    name: str
    code: int
    message: str
    hint: str


def rows() -> list[Row]:
    found = [match.groupdict() for match in _ROW.finditer(PAGE.read_text())]
    return [Row(row["name"], int(row["code"]), _cell(row["message"]), _cell(row["hint"])) for row in found]


def _cell(written: str) -> str:
    return written.strip("`").replace("\\|", "|")


@dataclass(frozen=True, slots=True)
class Told:
    """What one run said of a problem: a message with its place, and a hint."""

    message: str
    hint: str

    def is_as(self, row: Row) -> bool:
        return (
            _pattern(row.message).fullmatch(self.message) is not None
            and _pattern(row.hint).fullmatch(self.hint) is not None
        )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, text.split("…"))))


def told_to_people(said: str) -> Told | None:
    """The error and its hint, if there is exactly one."""
    errors = re.findall(r"^error: (.*)$(?:\n  hint: (.*)$)?", said, re.MULTILINE)
    return Told(*errors[0]) if len(errors) == 1 else None


def told_to_machines(out: str) -> list[Told]:
    """The error, or each check that is not passed."""
    match json.loads(out):
        case {"error": {"kind": "UsageError", "message": str(message), "hint": str(hint)}}:
            return [Told(message, hint)]
        case {"error": {"kind": str(), "message": str(message), "hint": str(hint), "where": str(where)}}:
            return [Told(f"{where}: {message}" if where else message, hint)]
        case {"checks": list(checks)}:
            return [Told(f"{c['check']}: {c['detail']}", c["hint"]) for c in checks if c["verdict"] != "pass"]
        case other:
            raise AssertionError(f"neither an error nor checks: {other}")


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return deliver(tmp_path_factory.mktemp("delivery"))


@pytest.fixture(scope="module")
def site(swept: None) -> Iterator[Lab]:
    small = HostSpec("small", data_disk=SMALL_DISK)
    with lab_of(HostSpec("one", users=(OPS, GUEST)), HostSpec("two"), small) as standing:
        yield standing


@pytest.fixture
def place(tmp_path: Path, delivery: Delivery, site: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    monkeypatch.setenv("PYTHONPATH", str(PAGE.parents[1]))
    here = Place(tmp_path / "work", delivery, site)
    here.folder.mkdir()
    before = signal.getsignal(signal.SIGTERM)
    with here.later:
        yield here
    signal.signal(signal.SIGTERM, before)


def kept(place: Place) -> dict[str, str]:
    """What a command that is refused must leave as it was: files of the operator and packager, and the hosts.

    Host keys that were pinned may stay, and so may what is kept under its own digest: nothing names it.
    """
    tops = (place.folder, place.folder.parent / "disk", place.delivery.store, place.home / "clusters")
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for top in tops
        for path in top.rglob("*")
        if path.is_file()
        and not {"blobs", "vault", "keys"} & set(path.parts)
        and not re.search("known_hosts|identity", path.name)
    }
    hosts = {host.name: lab_hosts.run_inside(host, ("sh", "-c", _TRACE)).stdout for host in place.lab.hosts}
    return files | hosts


def test_the_table_and_the_functions_name_the_same_situations() -> None:
    names = [row.name for row in rows()]
    assert sorted(names) == sorted(SITUATIONS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_what_is_wrong_is_said_as_the_table_says_and_nothing_changes(
    row: Row, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    words = list(map(str, SITUATIONS[row.name](place)))
    home = ["--home", str(place.home)] * ("--home" not in words)
    before = kept(place)
    capfd.readouterr()
    assert main.run([*home, *words], bundle=None) == row.code
    people = capfd.readouterr()
    assert main.run([*home, "-o", "json", *words], bundle=None) == row.code
    machines_out = capfd.readouterr().out
    assert "Traceback" not in people.out + people.err
    assert [told for told in told_to_machines(machines_out) if told.is_as(row)], machines_out
    if row.code:
        told = told_to_people(people.err)
        assert told is not None, people.err
        assert told.is_as(row), told
    else:
        words_said = " ".join((people.out + people.err).split())
        assert re.search(f"{_pattern(row.message).pattern}.*{_pattern(row.hint).pattern}", words_said), words_said
    assert kept(place) == before


@pytest.mark.slow
def test_disks_that_fill_up_during_a_run_are_said_and_the_same_command_goes_on(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str | Path) -> tuple[int, str]:
        capfd.readouterr()
        code = main.run(["--home", str(home), *map(str, words)], bundle=None)
        return code, capfd.readouterr().err

    home = place.disk("64m")
    apply = ("apply", *place.plan(place.on("one"), *place.known("--yes"))[1:])
    full = "mount -t tmpfs -o size=4k tmpfs /etc/keeper && head -c 4096 /dev/zero >/etc/keeper/x"
    place.inside("one", f"mkdir -p /etc/keeper && {full}", "umount -q /etc/keeper; rm -rf /etc/keeper")
    code, said = run(*apply)
    assert code == 6, said
    assert "keeper-1: cannot write /etc/keeper/door.key: cat: write error: No space left on device" in said
    lab_hosts.run_inside(place.lab.host("one"), ("umount", "/etc/keeper"))
    room = os.statvfs(home)
    (home / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - (4 << 10)))
    runs = sorted(home.glob("clusters/site-a/runs/*"))
    code, said = run(*apply)
    assert (code, "no room left to write" in said) == (1, True), said
    assert sorted(home.glob("clusters/site-a/runs/*")) == runs
    (home / "ballast").unlink()
    assert run(*apply)[0] == 0
    assert run("reset", "site-a", "--yes", *place.known())[0] == 0
