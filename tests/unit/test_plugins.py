"""Plug-ins are found by entry points of distributions that are really on the path."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from appliance import plugins
from appliance.errors import PluginError
from appliance.runtimes.systemd.runtime import SystemdRuntime

if TYPE_CHECKING:
    from pathlib import Path

POINTS = """
[appliance.runtimes]
units = appliance.runtimes.systemd.runtime:SystemdRuntime
broken = appliance.no.such.module:Thing

[appliance.providers]
here = appliance.inventory.providers:StaticProvider
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two distributions beside those installed; both bring ``twice``, with different classes."""
    for name, points in (("one", POINTS + "twice = one:A\n"), ("two", "[appliance.providers]\ntwice = two:B\n")):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(points)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def test_an_installed_plugin_is_listed_and_made() -> None:
    assert {"units", "broken"} <= set(plugins.names(plugins.Group.RUNTIMES))
    assert isinstance(plugins.runtime("units"), SystemdRuntime)
    assert plugins.provider("here").hosts


def test_a_name_that_nobody_has_names_those_installed() -> None:
    with pytest.raises(PluginError, match="no runtime 'k9s' is installed") as caught:
        plugins.runtime("k9s")
    assert "units" in caught.value.hint


def test_a_plugin_that_does_not_load_is_said_to() -> None:
    with pytest.raises(PluginError, match="the runtime 'broken' does not load"):
        plugins.runtime("broken")


def test_two_plugins_of_one_name_are_refused() -> None:
    with pytest.raises(PluginError, match="two packages bring a provider 'twice': one:A and two:B"):
        plugins.provider("twice")
