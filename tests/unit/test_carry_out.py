from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.signing import NOW

from appliance.errors import PlanError
from appliance.events import Outcome, RunFinished, RunStarted, Stamped
from appliance.execute.journal import Journal
from appliance.operations import carry_out
from appliance.state import ClusterDir, Home, RunDir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path) -> ClusterDir:
    return Home.of(tmp_path / "home").cluster("site-a")


def finished(cluster: ClusterDir, seconds: float) -> RunDir:
    run = cluster.new_run("reset", now=NOW)
    ended = RunFinished(Outcome.OK, seconds)
    with Journal(run.journal) as journal:
        journal.write(Stamped(1, NOW, RunStarted(run.name, "reset", "site-a", "", "root@here", (), ())))
        journal.write(Stamped(2, NOW + timedelta(seconds=seconds), ended))
    return run


def test_a_plan_is_stale_when_a_run_went_on_after_the_hosts_were_looked_at(cluster: ClusterDir) -> None:
    run = finished(cluster, 9.0)
    with pytest.raises(PlanError, match=run.name):
        carry_out.require_current(cluster, NOW + timedelta(seconds=8))


def test_a_plan_holds_when_the_newest_run_ended_before_the_hosts_were_looked_at(cluster: ClusterDir) -> None:
    carry_out.require_current(cluster, NOW)
    finished(cluster, 9.0)
    carry_out.require_current(cluster, NOW + timedelta(seconds=10))


def test_a_run_that_never_wrote_a_word_is_told_by_its_folder(cluster: ClusterDir) -> None:
    run = cluster.new_run("apply", now=NOW)
    told = carry_out.report(run)
    assert (told.run, told.operation, told.cluster, told.started) == (run.name, "apply", "site-a", NOW)
    assert told.outcome is None
