"""Certificates in an agent: shown whole to the host, and signed with by whichever half the agent holds."""

from __future__ import annotations

import paramiko

_SUFFIX = "-cert-v01@openssh.com"


def is_certificate(kind: str) -> bool:
    """Whether a type of key is one of certificates."""
    return kind.endswith(_SUFFIX)


class AgentCertificate(paramiko.AgentKey):
    """A certificate of an agent's. The library shows the bare key in its place, and signs with that alone."""

    @classmethod
    def of(cls, key: paramiko.AgentKey) -> paramiko.AgentKey:
        """`key`, made fit if it is a certificate."""
        if not is_certificate(key.get_name()):
            return key
        made = cls(key.agent, key.blob, key.comment)
        made.public_blob = paramiko.pkey.PublicBlob(key.get_name(), key.blob)  # type: ignore[assignment]  # what it is for
        return made

    def asbytes(self) -> bytes:
        """The certificate itself: the agent knows its key by it."""
        return self.blob
