"""Who we are to a host: the key that was named, the agent's keys, the usual keys, a password; in that order.

A key with a certificate (``KEY-cert.pub`` beside it, or in the agent) is shown with it first, then without.

Where the host takes no plain password, its questions are answered instead (keyboard-interactive, RFC 4256): the first
one that shall not be shown, with the password, once. Nothing else that a host asks is ever answered.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko

from appliance.errors import AuthRefused, Unreachable
from appliance.transport.ssh.agentkeys import AgentCertificate, is_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.transport.base import Credential, Endpoint

_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MOST_AGENT_KEYS = 5
_AUTH_SECONDS = 30.0
_QUESTION_CHARACTERS = 80
_KEY_TYPES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class _Unusable(Exception):
    """A key file that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One thing to try: a key or a password, and what to call it."""

    name: str
    key: paramiko.PKey | None = None
    password: str | None = field(default=None, repr=False)


class _NotAnswered(Exception):
    """A question of the host's that is not about the password."""


@dataclass(slots=True)
class _Answers:
    """What the host's questions are answered with; the first that is not about the password is kept in `unknown`."""

    password: str | None = field(repr=False)
    unknown: str = ""

    def __call__(self, _title: str, _instructions: str, questions: Sequence[tuple[str, bool]]) -> list[str]:
        return [self._answer(text, shown=shown) for text, shown in questions]

    def _answer(self, question: str, *, shown: bool) -> str:
        if shown or self.password is None:
            self.unknown = self.unknown or repr(question.strip()[:_QUESTION_CHARACTERS])
            return ""
        answer, self.password = self.password, None
        return answer


@dataclass(slots=True)
class _Attempts:
    """What was tried, for the error that may come of it."""

    transport: paramiko.Transport
    endpoint: Endpoint
    tried: list[str] = field(default_factory=list)

    def attempt(self, way: _Way) -> bool:
        """Try one thing; whether the host lets us in now."""
        outcome = self._ask(way)
        if self.transport.is_authenticated():
            return True
        self.tried.append(f"{way.name} ({outcome})")
        if not self.transport.is_active():
            self.tried.append("then the host hung up")
            raise self.refused()
        return False

    def _ask(self, way: _Way) -> str:
        """What came of asking, in words."""
        try:
            if way.key:
                self.transport.auth_publickey(self.endpoint.user, way.key)
            else:
                self._say_password(way.password or "")
        except paramiko.BadAuthenticationType as error:
            return f"the host takes only {' or '.join(error.allowed_types)}"
        except paramiko.AuthenticationException as error:
            return "no answer in time" if "timeout" in str(error) else "refused"
        except _NotAnswered as error:
            return f"the host asks {error}, and there is no answer to that"
        except (paramiko.SSHException, OSError, EOFError) as error:
            if self.transport.is_active():
                return str(error)
            raise Unreachable(f"the connection broke while logging in: {error}", where=self.endpoint.place) from error
        return "accepted, but the host wants more"

    def _say_password(self, password: str) -> None:
        """As a password where the host takes one, else as the answer to its question."""
        user = self.endpoint.user
        try:
            self.transport.auth_password(user, password, fallback=False)
        except paramiko.BadAuthenticationType as error:
            if "keyboard-interactive" not in error.allowed_types:
                raise
            answers = _Answers(password)
            try:
                self.transport.auth_interactive(user, answers)
            except paramiko.AuthenticationException:
                if answers.unknown:
                    raise _NotAnswered(answers.unknown) from None
                raise

    def refused(self) -> AuthRefused:
        """The error that says what was tried."""
        tried = "; ".join(self.tried) or "nothing to try: no key, no agent and no password"
        return AuthRefused(
            f"the host does not let {self.endpoint.user} in; tried: {tried}",
            hint="check the user, name a key with --key, or give a password with --ssh-password-file",
            where=self.endpoint.place,
        )


def log_in(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    """Log in to the host as the endpoint's credential says.

    Raises `AuthRefused`, which names all that was tried, or `Unreachable` when the connection breaks.
    """
    transport.auth_timeout = _AUTH_SECONDS
    attempts = _Attempts(transport, endpoint)
    with contextlib.ExitStack() as stack:
        for key_or_password in _ways(endpoint.credential, attempts.tried, stack):
            if attempts.attempt(key_or_password):
                return
    raise attempts.refused()


def _ways(credential: Credential, tried: list[str], stack: contextlib.ExitStack) -> Iterator[_Way]:
    """What to try, in order; what cannot be tried is written to `tried`."""
    if credential.key:
        yield from _from_file(credential.key, credential.key_passphrase, tried)
    if credential.agent and (agent := _agent(tried)):
        stack.callback(agent.close)
        yield from _from_agent(agent, credential)
    if not credential.key and (credential.identities or credential.password is None):
        for path in credential.identities or _usual_keys():
            yield from _from_file(path, credential.key_passphrase, tried)
    if credential.password is not None:
        yield _Way("the password", password=credential.password)


def _usual_keys() -> tuple[Path, ...]:
    found = (Path.home() / ".ssh" / name for name in _USUAL_KEYS)
    return tuple(path for path in found if path.is_file())


def _from_agent(agent: paramiko.Agent, credential: Credential) -> Iterator[_Way]:
    """The agent's keys, certificates first; with `identities_only` those alone whose public half lies at hand."""
    keys = sorted(agent.get_keys(), key=lambda key: not is_certificate(key.get_name()))
    if credential.identities_only:
        wanted = {blob for path in (credential.key, *credential.identities) if path for blob in _public_halves(path)}
        keys = [key for key in keys if key.blob in wanted]
    for key in keys[:_MOST_AGENT_KEYS]:
        what = "certificate" if is_certificate(key.get_name()) else "key"
        yield _Way(f"the agent's {what} {key.comment or key.get_name()}", key=AgentCertificate.of(key))


def _public_halves(path: Path) -> Iterator[bytes]:
    for name in (f"{path.name}.pub", f"{path.name}-cert.pub"):
        with contextlib.suppress(OSError, ValueError, UnicodeDecodeError):
            yield paramiko.pkey.PublicBlob.from_file(str(path.with_name(name))).key_blob


def _agent(tried: list[str]) -> paramiko.Agent | None:
    if not os.environ.get("SSH_AUTH_SOCK") or not Path(os.environ["SSH_AUTH_SOCK"]).is_socket():
        return None
    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError) as error:
        tried.append(f"the agent ({error})")
        return None


def _from_file(path: Path, passphrase: str | None, tried: list[str]) -> Iterator[_Way]:
    try:
        key = _load_key(path, passphrase)
        certificate = path.with_name(f"{path.name}-cert.pub")
        if certificate.is_file():
            yield _Way(
                f"key {path} with its certificate", key=_with_certificate(_load_key(path, passphrase), certificate)
            )
        yield _Way(f"key {path}", key=key)
    except _Unusable as error:
        tried.append(f"key {path} ({error})")


def _with_certificate(key: paramiko.PKey, path: Path) -> paramiko.PKey:
    try:
        key.load_certificate(str(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise _Unusable(f"{path.name} is not its certificate: {error}") from error
    return key


def _load_key(path: Path, passphrase: str | None) -> paramiko.PKey:
    """Read a private key in OpenSSH's or PEM's form (ed25519, ECDSA, RSA); `_Unusable` says why it cannot be."""
    for kind in _KEY_TYPES:
        try:
            return kind.from_private_key_file(str(path), passphrase)
        except paramiko.PasswordRequiredException as error:
            raise _Unusable("protected, and no passphrase was given: --key-passphrase-file") from error
        except OSError as error:
            raise _Unusable(f"cannot be read: {error.strerror or error}") from error
        except (paramiko.SSHException, ValueError, TypeError, IndexError):
            continue  # another type, or nothing at all
    raise _Unusable("the passphrase does not open it" if passphrase else "not a private key that can be read here")
