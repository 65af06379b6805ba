"""Open whatever an endpoint names: a host by SSH, or this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.transport import local
from appliance.transport.ssh import session
from appliance.transport.ssh.handshake import Patience
from appliance.transport.ssh.way import Way

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from appliance.transport.base import Connect, Endpoint, Transport
    from appliance.transport.ssh.hostkeys import HostKeys


def connector(host_keys: HostKeys, *, timeout: float = 10.0, quiet: float = 30.0) -> Connect:
    """The `Connect` that believes `host_keys`; hosts behind the same jump host share the connection to it.

    `timeout` in seconds is for a connection and its handshake each; a link without a sign of life for `quiet` seconds
    counts as broken, at the latest half as many later.
    """
    way = Way(host_keys, patience=Patience(timeout, quiet))

    def connect(endpoint: Endpoint) -> AbstractContextManager[Transport]:
        if endpoint.local:
            return local.connect(endpoint)
        return session.connect(endpoint, known_hosts=host_keys, way=way)

    return connect
