"""`run-worker`: the process that carries out a run; not for people."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.execute import worker


@click.command(hidden=True)
@click.argument("run_dir", type=click.Path(file_okay=False, path_type=Path))
def run_worker(run_dir: Path) -> None:
    """Carry out the run in RUN_DIR."""
    worker.serve(run_dir)
