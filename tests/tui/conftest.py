"""What tests of the guide share: one delivery, a site each."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.guidesite import GuideSite, MakeSite, make_delivery


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the bundle and ``root.pem``."""
    return make_delivery(tmp_path_factory.mktemp("delivery")).parent


@pytest.fixture
def make_site(tmp_path: Path, delivery: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSite:
    """Makes the test's site; the working folder is the delivery's, so that paths on screens are short and the same."""
    monkeypatch.setenv("APPLIANCE_DEBUG", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(delivery)
    return lambda **more: GuideSite.make(tmp_path, delivery=Path(), **more)
