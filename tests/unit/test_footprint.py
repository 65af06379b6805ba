"""What was there before comes back: the very scripts of the steps, run in a folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.sites import host, stamped
from support.stepping import StandIn

from appliance.errors import PlanError
from appliance.inventory.facts import NodeStamp, Receipt, stamp_from_text
from appliance.plan import footprint
from appliance.plan.steps import Run, Step
from appliance.transport.base import Command


class Machine(StandIn):
    """A folder in which the steps' paths are looked for."""

    def __init__(self, root: Path, paths: tuple[str, ...]) -> None:
        self.root = root
        self.paths = tuple(f"{root}{path}" for path in paths)
        self.node = Path(f"{root}{footprint.NODE}")

    @property
    def stamp(self) -> NodeStamp:
        found = stamped(host("a", "db"), Receipt(files=self.paths, trees=(str(self.node), f"{self.root}/srv/data/x")))
        assert found.stamp
        return found.stamp

    def moved(self, word: str) -> str:
        return word.replace(footprint.NODE, str(self.node)) if word.startswith(footprint.NODE) else word

    def tree(self) -> dict[str, tuple[int, str]]:
        """Every path outside our own folder, with its mode and content."""
        return {
            str(path.relative_to(self.root)): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
            for path in sorted(self.root.rglob("*"))
            if not path.is_relative_to(self.root / "var")
        }

    def install(self) -> None:
        for path in map(Path, self.paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text("ours")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "etc/theirs").mkdir(parents=True)
    (tmp_path / "etc/theirs/app.conf").write_text("theirs")
    (tmp_path / "etc/theirs/app.conf").chmod(0o640)
    (tmp_path / "etc/theirs/link.conf").symlink_to("nowhere")
    (tmp_path / "etc/empty").mkdir()
    (tmp_path / "srv/data").mkdir(parents=True)
    return Machine(
        tmp_path,
        ("/etc/theirs/app.conf", "/etc/theirs/link.conf", "/etc/ours/deep/x.conf", "/etc/ours/y.conf", "/etc/empty/z"),
    )


def keep(machine: Machine) -> Step:
    return footprint.keep("a", "site-a", machine.paths)


def bring_back(machine: Machine) -> Step:
    return footprint.bring_back("a", machine.stamp)


def test_removal_leaves_what_was_there_before(machine: Machine) -> None:
    before = machine.tree()
    machine.carry_out(keep(machine))
    machine.install()
    assert machine.tree() != before
    machine.carry_out(bring_back(machine))
    assert machine.tree() == before


def test_keeping_again_does_not_keep_our_own(machine: Machine) -> None:
    before = machine.tree()
    machine.carry_out(keep(machine))
    machine.install()
    more = Machine(machine.root, (*(path.removeprefix(str(machine.root)) for path in machine.paths), "/etc/ours/new"))
    more.carry_out(keep(more))
    more.install()
    more.carry_out(bring_back(more))
    assert machine.tree() == before


def test_what_came_back_stays_when_removal_goes_on_later(machine: Machine) -> None:
    before = machine.tree()
    machine.carry_out(keep(machine))
    machine.install()
    machine.carry_out(bring_back(machine))
    assert machine.holds(bring_back(machine))
    assert machine.tree() == before


def test_removal_cut_short_starts_over(machine: Machine) -> None:
    before = machine.tree()
    machine.carry_out(keep(machine))
    machine.install()
    kept = machine.node / "clusters/site-a/before"
    shutil.copytree(kept, machine.root / "var/copy", symlinks=True)
    machine.carry_out(bring_back(machine))
    shutil.rmtree(kept.with_name("before.done"))
    shutil.copytree(machine.root / "var/copy", kept, symlinks=True)
    machine.carry_out(bring_back(machine))
    assert machine.tree() == before


def test_files_that_were_never_kept_are_theirs(machine: Machine) -> None:
    before = machine.tree()
    one = Machine(machine.root, ("/etc/ours/y.conf",))
    one.carry_out(keep(one))
    machine.carry_out(bring_back(machine))
    assert machine.tree() == before


def test_without_a_record_our_files_go_and_folders_that_are_then_empty(machine: Machine) -> None:
    machine.carry_out(keep(machine))
    machine.install()
    shutil.rmtree(machine.node)
    machine.carry_out(bring_back(machine))
    assert set(machine.tree()) == {"srv", "srv/data"}


def test_trees_go_and_the_stamp_says_so_before(machine: Machine) -> None:
    machine.carry_out(keep(machine))
    (machine.root / "srv/data/x/y").mkdir(parents=True)
    note, trees, forget = footprint.clear("a", machine.stamp)
    assert stamp_from_text(str(note.action.parts[0])).receipt == Receipt(trees=machine.stamp.receipt.trees)  # type: ignore[union-attr]
    machine.carry_out(trees)
    assert not machine.node.exists()
    assert [path.name for path in (machine.root / "srv").rglob("*")] == ["data"]
    assert forget.id == "a/forget"


@pytest.mark.parametrize("path", ["/etc", "/", "relative/path", "/etc/../etc/passwd/x", "/opt/appliance/", "/var/lib"])
def test_a_receipt_that_names_a_system_folder_is_refused(path: str) -> None:
    found = stamped(host("a", "db"), Receipt(trees=(path,)))
    assert found.stamp
    with pytest.raises(PlanError, match="which no installation writes") as caught:
        footprint.clear("a", found.stamp)
    assert caught.value.where == "a"


def test_a_claim_holds_whatever_stamp_there_is(tmp_path: Path) -> None:
    found = stamped(host("a", "db"), Receipt(files=("/etc/x",)))
    assert found.stamp
    step = footprint.claim("a", found.stamp)
    assert isinstance(step.action, Run)
    target = tmp_path / "etc/appliance/node.json"
    words = [word.replace(footprint.STAMP, str(target)) for word in step.action.command.argv]
    subprocess.run(words, check=True)
    stamp = stamp_from_text(target.read_text())
    assert stamp.receipt == Receipt(trees=footprint.own_trees("site-a"))
    assert target.stat().st_mode & 0o777 == 0o600
    assert step.unless == Command(("test", "-e", footprint.STAMP))
