"""What is on a screen can be read, and says the same: in the dark theme, in the light one, and without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.guidesite import install_kubernetes
from support.piloting import press, settle, type_in
from support.screentext import compare
from textual.widgets import Input

from appliance.inventory.appstamp import AppStamp
from tui.app import Guide

if TYPE_CHECKING:
    from rich.color import Color
    from support.guidesite import MakeSite

LEAST = 3.0
"""The contrast that WCAG 2.1 asks of large letters; those of a terminal are what the terminal makes of them."""

PAGE = AppStamp("page", "1.0.0", 0, f"sha256:{'c' * 64}", ("manifest-page",))


def brightness(color: Color) -> float:
    """Relative luminance, as WCAG 2.1 defines it."""
    assert color.triplet is not None
    parts = [part / 255 for part in color.triplet]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def faint(guide: Guide) -> list[str]:
    """Texts on the screen that hardly stand out from their ground."""
    found = []
    for strip in guide.screen._compositor.render_strips(guide.size):
        for segment in strip:
            style = segment.style
            if style is None or style.color is None or style.bgcolor is None or not any(map(str.isalnum, segment.text)):
                continue
            dark, bright = sorted((brightness(style.color), brightness(style.bgcolor)))
            if (bright + 0.05) / (dark + 0.05) < LEAST:
                found.append(f"{segment.text.strip()}: {style}")
    return found


@pytest.mark.parametrize("how", ["dark", "light", "none"])
async def test_every_screen_can_be_read_and_says_the_same(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site = make_site(hosts=4, play="fail store-2")
    install_kubernetes(site, "site-a", apps=(PAGE,)).unwell = "page"
    site.fleet.hosts["10.0.0.13"].ports = (22, 4000)
    if how == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    guide = Guide(site.engine)
    async with guide.run_test(size=(120, 40)) as pilot:

        def look(name: str) -> None:
            assert not faint(guide)
            compare(guide, f"read-{name}")

        await settle(pilot)
        if how == "light":
            guide._other_theme()
            await settle(pilot)
        look("open-not-verified")
        guide.screen.query_one("#trust", Input).focus()
        await type_in(pilot, "root.pem")
        await press(pilot, "enter", "tab", "space", "ctrl+n")
        await type_in(pilot, "10.0.0.12-14")
        await press(pilot, "enter", "right", "enter")
        await type_in(pilot, "ops")
        await press(pilot, "enter")
        look("hosts")
        await press(pilot, "ctrl+n", "tab", "tab", "tab", "tab", "tab")
        await type_in(pilot, "abc")
        look("settings-fault")
        await type_in(pilot, "defgh")
        await press(pilot, "ctrl+n")
        look("preflight-failed")
        site.fleet.hosts["10.0.0.13"].ports = (22,)
        await press(pilot, "a", "ctrl+n")
        look("plan")
        await press(pilot, "g", "right", "enter")
        look("run-failed")
        await press(pilot, "escape", "n")
        look("cluster")
