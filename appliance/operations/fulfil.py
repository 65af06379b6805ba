"""Make the secrets that a runtime asks for, once, and keep them in the cluster's vault: no step makes one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from appliance.errors import PlanError
from appliance.plan.runtime import Authority, BootstrapToken, Leaf, Password, RsaKey, SecretRequest, SshKey, Token
from appliance.trust import issue
from appliance.trust.issue import Issued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from appliance.vault import Vault

AUTHORITY_DAYS = 3650
LEAF_DAYS = 825
RENEWED_DAYS = 60
"""How long before its end a leaf is issued anew."""


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """The names of the secrets that were asked for, in the vault, and the texts of public parts by name."""

    secrets: frozenset[str]
    public: Mapping[str, str]


def fulfil(requests: Sequence[SecretRequest], vault: Vault, *, now: datetime) -> Fulfilled:
    """Make those of `requests` that the vault lacks; what exists stays as it is, so that a second plan is the same.

    A leaf is issued anew when it is asked for with other names or usages, is of another authority than is there now, or
    has less than `RENEWED_DAYS` left. Raises `PlanError` when a leaf's authority is not asked for before it.
    """
    for request in requests:
        if not _have(request, vault, now=now):
            _make(request, vault, now=now)
    names = frozenset(_name(request) for request in requests)
    return Fulfilled(names, {name: vault.get_public(name).decode() for name in vault.public_names()})


def _name(request: SecretRequest) -> str:
    return f"{request.name}.key" if isinstance(request, Authority | Leaf | RsaKey) else request.name


def _have(request: SecretRequest, vault: Vault, *, now: datetime) -> bool:
    return _name(request) in vault.names() and (not isinstance(request, Leaf) or _fits(request, vault, now=now))


def _fits(request: Leaf, vault: Vault, *, now: datetime) -> bool:
    if f"{request.authority}.crt" not in vault.public_names():
        return True
    return issue.fits(
        vault.get_public(f"{request.name}.crt"),
        vault.get_public(f"{request.authority}.crt"),
        common_name=request.common_name,
        sans=request.sans,
        usages=request.usages,
        until=now + timedelta(days=RENEWED_DAYS),
    )


def _make(request: SecretRequest, vault: Vault, *, now: datetime) -> None:
    match request:
        case Token():
            vault.put(request.name, issue.token(request.length // 2).encode())
        case Password():
            vault.put(request.name, issue.password(request.length).encode())
        case Authority():
            _keep(request.name, issue.authority(request.name, now=now, days=AUTHORITY_DAYS), vault)
        case Leaf():
            _keep(request.name, _leaf(request, vault, now=now), vault)
        case SshKey():
            pair = issue.ssh_key(request.name)
            vault.put_public(f"{request.name}.pub", pair.public.encode())
            vault.put(request.name, pair.private)
        case RsaKey():
            key = issue.rsa_key()
            vault.put_public(f"{request.name}.pub", key.public_pem)
            vault.put(f"{request.name}.key", key.private_pem)
        case BootstrapToken():
            vault.put(request.name, issue.bootstrap_token().encode())
        case _:
            assert_never(request)


def _leaf(request: Leaf, vault: Vault, *, now: datetime) -> Issued:
    if f"{request.authority}.key" not in vault.names():
        raise PlanError(
            f"secret {request.name} wants a certificate of {request.authority}, which nobody asks for",
            hint="list the authority before it in bundle.yaml's secrets",
        )
    authority = Issued(vault.get_public(f"{request.authority}.crt"), vault.get(f"{request.authority}.key"))
    return issue.leaf(
        authority,
        common_name=request.common_name,
        sans=request.sans,
        usages=request.usages,
        now=now,
        days=LEAF_DAYS,
    )


def _keep(name: str, issued: Issued, vault: Vault) -> None:
    """Public part first: `_have` asks for the secret, so a crash between the two makes both anew."""
    vault.put_public(f"{name}.crt", issued.certificate_pem)
    vault.put(f"{name}.key", issued.key_pem)
