"""An image of the local store is bundled on the way, by a key of this machine's own."""

from pathlib import Path

import pytest
from support.images import fake_pythons, put_image

from appliance.clock import SystemClock
from appliance.errors import VerificationError
from appliance.image.store import Store
from appliance.operations import deliver, development
from appliance.operations.development import DevelopmentBundle
from appliance.state import Home
from appliance.trust import policy
from appliance.trust.policy import Trust


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of(tmp_path / "home")


def bundled(tmp_path: Path, home: Home) -> DevelopmentBundle:
    store = Store(tmp_path / "store")
    reference = put_image(store, tmp_path / "scratch", [{"bin/a": b"a"}])
    pythons = fake_pythons(tmp_path)
    return development.bundle_of(reference, store=store, home=home, pythons=pythons, clock=SystemClock())


def test_the_bundle_is_admitted_by_whom_believes_this_machine(tmp_path: Path, home: Home) -> None:
    made = bundled(tmp_path, home)
    now = SystemClock().now()
    trust = Trust().with_anchors(policy.from_arguments((str(made.root),)))
    with deliver.open_delivery(made.path, trust, now=now) as bundle:
        assert bundle.manifest.name == "demo"
        assert "development on" in bundle.verdict.signers[0].name
    with pytest.raises(VerificationError):
        deliver.open_delivery(made.path, Trust(), now=now)


def test_the_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path, home: Home) -> None:
    first = bundled(tmp_path, home).root.read_bytes()
    assert bundled(tmp_path, home).root.read_bytes() == first
    made = (path for path in (home.root / "development/keys").rglob("*") if path.is_file())
    modes = {path.name: path.stat().st_mode & 0o777 for path in made}
    assert {mode for name, mode in modes.items() if name.endswith("-key.pem")} == {0o600}
    assert len(modes) == 7
