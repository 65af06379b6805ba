"""``--trust`` and ``--policy``: whom a call believes, besides the site's own store."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from appliance.cli.options import FILE, BundleArgument, Option

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.trust.policy import Trust

P = ParamSpec("P")
R = TypeVar("R")

bundle_argument = click.argument("bundle", cls=BundleArgument, type=FILE)


def trust_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--trust`` and ``--policy``."""
    option = functools.partial(click.option, cls=Option, section="Whom to believe")
    command = option("--policy", type=FILE, help="a policy, where the site has none")(command)
    return option(
        "--trust",
        "anchors",
        multiple=True,
        metavar="X",
        help="a CA certificate, a signer's certificate or key, or sha256:FINGERPRINT; repeatable",
    )(command)


def trust_of(anchors: tuple[str, ...], policy: Path | None) -> Trust:
    """The site's store, and what this call adds to it."""
    from appliance.trust import policy as policies  # noqa: PLC0415  (cryptography is slow to import)
    from appliance.trust import store  # noqa: PLC0415

    trust = store.load_store().with_anchors(policies.from_arguments(anchors))
    return trust.with_policy(policy) if policy else trust
