"""What registries answer, and the errors for what they say."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.errors import AuthRefused

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its body read; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def said(answer: Answer) -> str:
    """What a registry says went wrong (distribution-spec, § Error Codes), or its status."""
    status = f"status {answer.status}"
    with contextlib.suppress(ValueError, KeyError, TypeError, IndexError, AttributeError):
        document: Any = json.loads(answer.body)
        first = document["errors"][0]
        words = str(first.get("message") or first.get("code") or "")[:300]
        return f"{words} ({status})" if words.isprintable() and words else status
    return status


def login_needed(message: str, registry: str) -> AuthRefused:
    """The refusal of a registry that wants to know who we are, or does not like who that is."""
    return AuthRefused(message, where=registry, hint=f"log in: appliance login {registry}")
