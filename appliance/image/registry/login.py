"""`Login`: what is shown to a registry that asks who we are.

That is RFC 7617 basic, or the distribution specification's token flow (with an identity token, its OAuth 2 form).
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from appliance.errors import TransferFailed, TransportError
from appliance.image.registry import challenge
from appliance.image.registry.answers import Answer, login_needed, said

if TYPE_CHECKING:
    from appliance.image.registry.credentials import Credential

_REFUSED = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
_CLIENT_ID = "appliance"

Exchange = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""One request to a token server: method, URL, headers, body."""


class Login:
    """What we show one registry, for each set of scopes. From any number of threads.

    `credential` is what we may show when asked; tokens are asked for by `exchange`, without TLS only if `plain`.
    """

    def __init__(self, registry: str, credential: Credential | None, exchange: Exchange, *, plain: bool) -> None:
        self._registry = registry
        self._credential = credential
        self._exchange = exchange
        self._plain = plain
        self._shown: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def shown(self, scopes: tuple[str, ...]) -> str:
        """What an Authorization header says for `scopes` by now; empty: nothing was asked for."""
        return self._shown.get(scopes, "")

    def answer(self, asked: str, scopes: tuple[str, ...], *, refused: str) -> str:
        """What to show from now on; `AuthRefused` when that is what was `refused`, or we have nothing.

        `asked` is the registry's WWW-Authenticate.
        """
        with self._lock:
            now = self._shown.get(scopes, "")
            if now and now != refused:
                return now
            found = {one.scheme: one.parameters for one in reversed(challenge.parse(asked))}
            if "bearer" in found:
                shown = f"Bearer {self._token(found['bearer'], scopes)}"
            elif "basic" in found and self._credential and self._credential.username:
                shown = _basic(self._credential)
            else:
                raise login_needed("the registry asks who we are, and we have nothing that it takes", self._registry)
            if shown == refused:
                raise login_needed("the registry refuses the user or password", self._registry)
            self._shown[scopes] = shown
            return shown

    def _token(self, parameters: Mapping[str, str], scopes: tuple[str, ...]) -> str:
        realm = parameters.get("realm", "")
        if not realm.startswith("https://") and not (realm.startswith("http://") and self._plain):
            raise TransportError(
                f"the registry sends us for a token to {realm[:200]!r}, which has no TLS", where=self._registry
            )
        wanted = list(scopes) or parameters.get("scope", "").split()
        fields = {"service": parameters["service"]} if "service" in parameters else {}
        secret = self._credential
        if secret and not secret.username:
            form = {**fields, "grant_type": "refresh_token", "client_id": _CLIENT_ID, "refresh_token": secret.secret}
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode({**form, "scope": " ".join(wanted)}).encode()
            return self._token_in(self._exchange("POST", realm, kind, body))
        headers = {"Authorization": _basic(secret)} if secret else {}
        pairs = [*fields.items(), *(("scope", scope) for scope in wanted)]
        return self._token_in(self._exchange("GET", _with_query(realm, pairs), headers, b""))

    def _token_in(self, answer: Answer) -> str:
        if answer.status in _REFUSED:
            raise login_needed(f"the registry's token server refuses us: {said(answer)}", self._registry)
        with contextlib.suppress(ValueError, KeyError, AttributeError):
            document = json.loads(answer.body)
            token = document.get("token") or document["access_token"]
            if answer.status == HTTPStatus.OK and isinstance(token, str) and token.isprintable():
                return token
        raise TransferFailed(f"the registry's token server gives no token: {said(answer)}", where=self._registry)


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.secret}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _with_query(url: str, pairs: list[tuple[str, str]]) -> str:
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(pairs)}" if pairs else url
