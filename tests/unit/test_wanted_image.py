"""A Clusterfile that names an image is applied with that image only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bundles import write_bundle

from appliance.errors import RecipeError
from appliance.operations.fitting import check_image

if TYPE_CHECKING:
    from pathlib import Path


def test_the_image_is_named_by_version_or_digest_or_not_at_all(tmp_path: Path) -> None:
    with write_bundle(tmp_path).open() as bundle:
        for named in ("", "demo:1.0.0", str(bundle.manifest.image)):
            check_image(named, bundle.manifest)


@pytest.mark.parametrize("named", ["demo:1.1.0", "other:1.0.0", "demo", "sha256:" + "0" * 64])
def test_another_image_is_refused_and_both_are_named(tmp_path: Path, named: str) -> None:
    with write_bundle(tmp_path).open() as bundle, pytest.raises(RecipeError, match="the bundle holds demo:1.0.0") as e:
        check_image(named, bundle.manifest)
    assert named in e.value.message
    assert e.value.where == "spec.image"
