"""Which way a credential becomes root."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from appliance.transport.base import Become
from appliance.transport.su import Su
from appliance.transport.sudo import Sudo

if TYPE_CHECKING:
    from appliance.transport.base import Credential
    from appliance.transport.talk import Becoming


def becoming(credential: Credential, *, where: str) -> Becoming | None:
    """How commands become root's at `where`; None where they run as they are."""
    match credential.become:
        case Become.NONE:
            return None
        case Become.SUDO:
            return Sudo(credential.become_password, where)
        case Become.SU:
            return Su(credential.become_password, where)
        case _:
            assert_never(credential.become)
