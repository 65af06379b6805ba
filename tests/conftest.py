"""What all tests share: the lab's hosts, and when a test may be skipped.

Tests marked ``hosts`` need root and a few programs. Without them they are skipped on a developer's machine, and fail
where CI or APPLIANCE_REQUIRE_HOSTS is set: there a skip would be a hole.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from support.lab import lab, make_lab, obstacle, swept

__all__ = ["lab", "make_lab", "swept"]


@cache
def _obstacle() -> str:
    return obstacle()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Apply the rule above."""
    if not item.get_closest_marker("hosts") or not (reason := _obstacle()):
        return
    if os.environ.get("CI") or os.environ.get("APPLIANCE_REQUIRE_HOSTS"):
        pytest.fail(f"hosts are required here, but {reason}", pytrace=False)
    pytest.skip(reason)
