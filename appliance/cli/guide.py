"""`tui`: hand over to the guide, which this package does not know: whoever started the command line brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from appliance.cli.options import FILE, Command, Session, common, pass_session
from appliance.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(cls=Command)
@click.argument("bundle", required=False, type=FILE)
@pass_session
@common
def tui(session: Session, bundle: Path | None) -> int:
    """Be guided through a delivery on the terminal: verify, find hosts, set, check, plan, run, watch.

    Example: appliance tui etcd.run
    """
    if session.guide is None:
        raise PluginError("the guide is not installed here", hint="the commands do the same: --help")
    return session.guide(session.home, session.bundle, bundle)
