"""Screens on recorded journals, many hosts, long names; no colour; and texts that fit."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.guidesite import BUNDLE_YAML
from support.piloting import press, settle, until
from support.screentext import compare, text_of
from textual.binding import Binding
from textual.widgets import Input, Static

from appliance.events import RunPaused, Stamped, to_json
from appliance.execute import launch
from appliance.recipe import bundlefile
from appliance.recipe.clusterfile import Cluster
from tui import wording
from tui.app import Guide
from tui.screens.cluster import ClusterPage
from tui.screens.help import HelpPage
from tui.screens.hosts import HostsPage
from tui.screens.open import OpenPage
from tui.screens.page import Page
from tui.screens.plan import PlanPage
from tui.screens.preflight import PreflightPage
from tui.screens.run import RunPage
from tui.screens.settings import SettingsPage
from tui.session import Delivery, Machine, Session
from tui.widgets.grid import Cell, Grid, Row

if TYPE_CHECKING:
    from support.guidesite import GuideSite, MakeSite
    from textual.strip import Strip

    from appliance.state import RunDir

RECORDED = Path(__file__).parents[1] / "data/journals/etcd-apply.jsonl"
PAGES = (OpenPage, HostsPage, SettingsPage, PreflightPage, PlanPage, RunPage, ClusterPage, HelpPage)
SIZES = [(80, 24), (120, 40)]


def recorded_run(site: GuideSite, *, lines: int | None = None, alive: bool = False) -> RunDir:
    """A run with the recorded journal, or its first `lines`; `alive`: its worker is this very process."""
    run = site.engine.folder("etcd-cluster").new_run("apply", now=site.engine.clock.now())
    text = RECORDED.read_text().splitlines(keepends=True)
    run.journal.write_text("".join(text[:lines]))
    if alive:
        me = {"pid": os.getpid(), "started": launch.started(os.getpid())}
        (run.path / "worker.json").write_text(json.dumps(me))
    return run


@pytest.mark.parametrize("size", SIZES)
async def test_a_recorded_run_that_is_over(make_site: MakeSite, size: tuple[int, int]) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test(size=size) as pilot:
        await settle(pilot)
        guide.show_run(recorded_run(site))
        await settle(pilot)
        compare(guide, "run-over")
        shutil.rmtree(site.engine.home.root / "clusters")  # all is in memory by now
        await press(pilot, "down")
        assert "etcd-2" in text_of(guide)


def _heard(page: RunPage) -> int:
    """How many events of its run a screen knows."""
    return page._view.number if page._view else 0


@pytest.mark.parametrize("size", SIZES)
async def test_a_recorded_run_in_its_middle(make_site: MakeSite, size: tuple[int, int]) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test(size=size) as pilot:
        await settle(pilot)
        run = recorded_run(site, lines=60, alive=True)
        guide.show_run(run)
        await until(pilot, lambda: isinstance(guide.screen, RunPage) and _heard(guide.screen) == 60)
        await settle(pilot, at_work=True)
        compare(guide, "run-underway")
        with run.journal.open("a+") as journal:  # by another guide, or by the command line
            journal.seek(0)
            *_, last = map(json.loads, journal)
            paused = Stamped(61, datetime.fromisoformat(last["at"]), RunPaused())
            journal.write(json.dumps(to_json(paused)) + "\n")
        await until(pilot, lambda: "paused: p goes on" in text_of(guide))


async def test_a_run_whose_worker_died_is_said_to_be_not_finished(make_site: MakeSite) -> None:
    site = make_site()
    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        guide.show_run(recorded_run(site, lines=60))
        await settle(pilot)
        assert "not finished" in text_of(guide)


async def test_500_hosts_are_listed_filtered_and_sorted(make_site: MakeSite) -> None:
    machines = tuple(Machine(f"10.0.{n // 250}.{n % 250 + 1}", ("store",)) for n in range(500))
    site = make_site()
    guide = Guide(site.engine, Session(machines=machines))
    async with guide.run_test() as pilot:
        await settle(pilot)
        await guide.push_screen(HostsPage())
        await settle(pilot)
        grid = guide.screen.query_one(Grid)
        assert len(grid.rows) == 500
        await press(pilot, "ctrl+end")
        assert grid.key == "10.0.1.250"
        await press(pilot, "slash", "1", "0", "full_stop", "0", "full_stop", "1", "full_stop", "1", "enter")
        shown = {row.key for row in grid.rows}
        assert shown == {machine.address for machine in machines if "10.0.1.1" in machine.address}


async def test_a_clusters_own_networks_are_checked_as_they_are_typed(make_site: MakeSite) -> None:
    site = make_site()
    spec = bundlefile.load(BUNDLE_YAML.replace("runtime: systemd", "runtime: kubernetes"), source="")
    machines = (Machine("10.0.0.11", ("store",)),)
    session = Session(Delivery(Path("demo.run"), spec=spec, image=f"sha256:{'a' * 64}"), Cluster("demo"), machines)
    guide = Guide(site.engine, session)
    async with guide.run_test() as pilot:
        await settle(pilot)
        await guide.push_screen(SettingsPage())
        await settle(pilot)
        pods, services = (guide.screen.query_one(f"#network-{number}", Input) for number in range(2))
        assert (pods.value, services.value) == ("10.244.0.0/16", "10.96.0.0/12")
        for value, said in (
            ("10.0.0.0/24", "podSubnet (10.0.0.0/24) holds the address of a host: 10.0.0.11"),
            ("10.100.0.0/16", "the pods' 10.100.0.0/16 and the services' 10.96.0.0/12 overlap"),
            ("10.1.0.0", "'10.1.0.0' is not a network"),
            ("172.16.0.0/16,fd00::/48", ""),
        ):
            pods.value = value
            await settle(pilot)
            shown = " ".join(f"{line.visual}" for line in guide.screen.query(Static))
            assert said in shown
            assert ("fault" in guide.screen.query_one("#network-0-hint").classes) == (said.startswith(("the", "'")))
        guide.screen.query_one("#parameter-4", Input).value = "abcdefgh"
        await press(pilot, "ctrl+n")
        assert guide.session.written.network.pods == "172.16.0.0/16,fd00::/48"


async def test_only_lines_that_changed_and_are_in_view_are_drawn_anew(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        await guide.push_screen(HostsPage())
        await settle(pilot)
        grid = guide.screen.query_one(Grid)
        rows = [Row(str(n), (Cell(str(n)), Cell("waits"))) for n in range(5000)]
        grid.show(("host", "doing"), rows)
        await settle(pilot)
        drawn: list[int] = []
        real = grid.render_line

        def draw(y: int) -> Strip:
            drawn.append(y)
            return real(y)

        monkeypatch.setattr(grid, "render_line", draw)
        changed = [Row(row.key, (row.cells[0], Cell("done"))) if row.key in ("7", "4000") else row for row in rows]
        grid.show(("host", "doing"), changed)
        await settle(pilot)
        assert drawn == [8]


async def test_markup_and_control_characters_from_elsewhere_are_only_text(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test() as pilot:
        await settle(pilot)
        evil = Machine("10.0.0.1", ("[bold]x[/bold]",), problem="\x1b[31mred\x1b[0m [@click=app.quit]go[/]")
        guide.session = Session(machines=(evil,))
        await guide.push_screen(HostsPage())
        await settle(pilot)
        shown = text_of(guide)
        assert "[bold]x[/bold]" in shown
        assert "\x1b" not in shown


async def test_without_colour_the_same_is_said(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setenv("NO_COLOR", "1")
    guide = Guide(site.engine)
    async with guide.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        compare(guide, "open-not-verified")


async def test_a_long_name_does_not_break_a_line(make_site: MakeSite) -> None:
    guide = Guide(make_site().engine)
    async with guide.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        grid = Grid(most=30)
        await guide.screen.mount(grid)
        grid.show(("host", "what"), [Row("a", (Cell("a" * 300), Cell("b" * 300)))])
        await settle(pilot)
        head, row = (grid.render_line(y).text for y in (0, 1))
        assert row.startswith(f">{'a' * 29}…  bbb")  # the last column has all that the others leave
        assert row.rstrip().endswith("b…")
        assert len(row) == 80
        assert head.index("what") == row.index("b")


@pytest.mark.parametrize("page", PAGES)
def test_leads_fit_on_one_line_of_80_columns(page: type[OpenPage]) -> None:
    assert len(page.LEAD) <= 78


@pytest.mark.parametrize("page", PAGES)
def test_every_key_of_a_screen_stands_in_its_help(page: type[OpenPage]) -> None:
    names = {
        "space": "space",
        "asterisk": "*",
        "slash": "/",
        "ctrl+r": "Ctrl-R",
        "escape": "Escape",
        "question_mark": "?",
    }
    kinds = [kind for kind in page.__mro__ if issubclass(kind, Page) and kind is not Page]
    own = [key for kind in kinds for key in kind.__dict__.get("BINDINGS", ()) if isinstance(key, Binding)]
    for binding in own:
        written = names.get(binding.key, binding.key)
        whole = wording.help_page("", page.HELP_TEXT)
        assert re.search(rf"(^|[\s,]){re.escape(written)}[\s,]", whole, re.MULTILINE), (
            f"{binding.key} is not in the help"
        )


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_keys_in_help_fit_80_columns(page: type[OpenPage]) -> None:
    lines = [line for line in wording.help_page("", page.HELP_TEXT).splitlines() if line.startswith("  ")]
    assert max(map(len, lines)) <= 78
