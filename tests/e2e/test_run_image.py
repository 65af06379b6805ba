"""An image of the local store is installed by its name, without a bundle, as users of sealer know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keeper import RECIPE, appliance
from support.lab import lab_of

from appliance.lab import host as machines
from appliance.lab.spec import HostSpec

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


def test_an_image_of_the_store_is_run_and_it_is_said_what_that_proves(swept: None, tmp_path: Path) -> None:
    home, store = tmp_path / "home", tmp_path / "store"
    (tmp_path / "token").write_text("a token that is long enough")
    built = appliance("--store", store, "build", "-t", "keeper:1.0.0", RECIPE, home=home)
    assert built.returncode == 0, built.stderr
    with lab_of(HostSpec("one")) as lab:
        (host,) = lab.hosts
        words = (
            "run",
            "keeper:1.0.0",
            "--hosts",
            f"keeper={host.address}",
            "--set-file",
            f"token={tmp_path / 'token'}",
        )
        access = ("--user", "root", "--key", lab.key, "--host-keys", lab.known_hosts, "--yes")
        done = appliance("--store", store, *words, *access, home=home)
        assert done.returncode == 0, done.stderr
        assert "signed by this machine's development key, which proves nothing of its origin" in done.stderr
        stamp = machines.run_inside(host, ("cat", "/etc/appliance/node.json")).stdout
        assert '"version":"1.0.0"' in stamp
        assert "nothing to do" in appliance("--store", store, *words, *access, home=home).stdout
