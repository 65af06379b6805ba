"""Pictures of the guide for the manual: the journey of `tests/tui`, photographed. ``pictures.py FOLDER`` makes them."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from support.guidesite import GuideSite, install_kubernetes, make_delivery
from support.piloting import press, settle, type_in
from textual.widgets import Input

from appliance.inventory.appstamp import AppStamp
from tui.app import Guide

SIZE = (100, 28)


async def photograph(site: GuideSite, folder: Path) -> None:
    """Go the way through; a picture a step."""
    guide = Guide(site.engine)

    def picture(name: str) -> None:
        (folder / f"guide-{name}.svg").write_text(guide.export_screenshot(title="appliance"))

    async with guide.run_test(size=SIZE) as pilot:
        await settle(pilot)
        guide.screen.query_one("#trust", Input).focus()
        await type_in(pilot, "root.pem")
        await press(pilot, "enter", "tab", "space")
        picture("open")
        await press(pilot, "ctrl+n")
        await type_in(pilot, "10.0.0.11-14")
        await press(pilot, "enter")
        picture("keys")
        await press(pilot, "right", "enter")
        await type_in(pilot, "ops")
        await press(pilot, "enter")
        picture("hosts")
        await press(pilot, "ctrl+n", "tab", "tab", "tab", "tab", "tab")
        await type_in(pilot, "abcdefgh")
        picture("settings")
        site.fleet.hosts["10.0.0.13"].ports = (22, 4000)
        await press(pilot, "ctrl+n")
        picture("preflight")
        site.fleet.hosts["10.0.0.13"].ports = (22,)
        await press(pilot, "a", "ctrl+n", "enter")
        picture("plan")
        await press(pilot, "g", "right", "enter")
        picture("run")
        host = install_kubernetes(site, "site-a", apps=(_app("hello", "1.0.0"), _app("dashboard", "2.4.1")))
        host.unwell, host.pods = "dashboard", "pod dashboard/web-7d9f-x2x4k CrashLoopBackOff\n"
        await press(pilot, "escape", "n")
        picture("cluster")


def _app(name: str, version: str) -> AppStamp:
    return AppStamp(name, version, 0, f"sha256:{'c' * 64}", (name,))


def main(target: str) -> None:
    """Make the site, and the pictures in `target`."""
    folder = Path(target).absolute()
    with tempfile.TemporaryDirectory() as scratch:
        delivery = make_delivery(Path(scratch)).parent
        os.chdir(delivery)
        site = GuideSite.make(Path(scratch), delivery=Path(), hosts=4, play="fail store-2")
        asyncio.run(photograph(site, folder))
        os.chdir("/")


if __name__ == "__main__":
    main(sys.argv[1])
