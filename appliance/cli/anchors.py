"""``--trust`` and ``--policy``: whom a call believes, besides the site's own store."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from appliance.cli.options import FILE, FOLDER, BundleArgument, Option, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.trust.policy import Trust

P = ParamSpec("P")
R = TypeVar("R")

bundle_argument = click.argument("bundle", cls=BundleArgument, type=FILE)


def trust_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command ``--trust`` and ``--policy``; it gets, as ``trust``, the site's store and what they add to it."""
    option = functools.partial(click.option, cls=Option, section="Whom to believe")

    @option(
        "--trust",
        "anchors",
        multiple=True,
        metavar="X",
        help="a CA certificate, a signer's certificate or key, or sha256:FINGERPRINT; repeatable",
    )
    @option("--policy", type=FILE, help="a policy, where the site has none")
    @option(
        "--signatures",
        type=FOLDER,
        multiple=True,
        metavar="FOLDER",
        help="where countersignatures lie that are not beside BUNDLE; repeatable",
    )
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        anchors: Any = kwargs.pop("anchors")
        policy: Any = kwargs.pop("policy")
        beside: Any = kwargs.pop("signatures")
        kwargs["trust"] = dataclasses.replace(_trust(anchors, policy), beside=beside)
        return command(*args, **kwargs)

    return wrapper


def _trust(anchors: tuple[str, ...], policy: Path | None) -> Trust:
    from appliance.trust import policy as policies  # noqa: PLC0415  (cryptography is slow to import)

    trust = site_trust().with_anchors(policies.from_arguments(anchors))
    return trust.with_policy(policy) if policy else trust


def site_trust() -> Trust:
    """Whom the site believes, and what it installed before, without more."""
    from appliance.state import Home  # noqa: PLC0415
    from appliance.trust import floors, store  # noqa: PLC0415  (cryptography is slow to import)

    session = click.get_current_context().ensure_object(Session)
    return dataclasses.replace(
        store.load_store(), floors=floors.load(Home.at(session.home_folder).floors), self_run=session.bundle is not None
    )
