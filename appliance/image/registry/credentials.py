"""Who we are at a registry: Docker's ``config.json`` and its credential helpers, read and written as docker does.

Source: docker-credential-helpers, README § Development; docker/cli, config file.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, RecipeError
from appliance.files import lock, read_bounded, write_text
from appliance.image.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_DOCKER_HUB = "https://index.docker.io/v1/"
_CONFIG_BYTES = 1 << 20
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 60.0
_TOKEN_USER = "<token>"  # noqa: S105  (the helpers' mark for an identity token)
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True)
class Credential:
    """A user's name and password; without a name, `secret` is an identity token."""

    username: str
    secret: str = field(repr=False)


class DockerConfig:
    """The ``config.json`` in `folder`, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "config.json"

    def find(self, registry: str) -> Credential | None:
        """What to show to a registry, from its helper or the file; None when nothing is known."""
        config = self._read()
        if helper := _helper(config, registry):
            return _ask_helper(helper, registry)
        return next((found for key, found in self._known(config) if _host(key) == registry), None)

    def put(self, registry: str, credential: Credential) -> str:
        """Remember a credential; where it stands now: a file, or a helper's name."""
        with lock(self._path.with_name(".appliance.lock")):
            config = self._read()
            if helper := _helper(config, registry):
                _run_helper(helper, "store", json.dumps(_helper_document(registry, credential)), registry=registry)
                return f"docker-credential-{helper}"
            config.setdefault("auths", {})[_key(registry)] = _entry(credential)
            self._write(config)
        return str(self._path)

    def remove(self, registry: str) -> bool:
        """Forget a registry's credential; whether there was one."""
        with lock(self._path.with_name(".appliance.lock")):
            config = self._read()
            if helper := _helper(config, registry):
                known = _ask_helper(helper, registry) is not None
                if known:
                    _run_helper(helper, "erase", _key(registry), registry=registry)
                return known
            auths = config.get("auths", {})
            gone = [key for key in auths if _host(key) == registry]
            for key in gone:
                del auths[key]
            if gone:
                self._write(config)
        return bool(gone)

    def _known(self, config: Mapping[str, Any]) -> list[tuple[str, Credential]]:
        try:
            entries = ((key, _credential(entry)) for key, entry in config.get("auths", {}).items())
            return [(key, found) for key, found in entries if found is not None]
        except (ValueError, TypeError, AttributeError) as error:
            raise self._unusable("its auths cannot be read") from error

    def _read(self) -> dict[str, Any]:
        try:
            config = json.loads(read_bounded(self._path, _CONFIG_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(f"it cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise self._unusable(f"it is not JSON: {error}") from error
        if not isinstance(config, dict):
            raise self._unusable("it is not a JSON object")
        return config

    def _write(self, config: Mapping[str, Any]) -> None:
        write_text(self._path.resolve(), json.dumps(config, indent="\t") + "\n", mode=0o600)

    def _unusable(self, why: str) -> RecipeError:
        return RecipeError(why, where=str(self._path), hint="correct it, or name another folder in $DOCKER_CONFIG")


def _key(registry: str) -> str:
    return _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry


def _host(key: str) -> str:
    """The registry that a key of ``auths`` means: people also wrote it as a URL."""
    host = re.sub(r"^https?://", "", key).partition("/")[0]
    return DEFAULT_REGISTRY if host in ("index.docker.io", "registry-1.docker.io") else host


def _helper(config: Mapping[str, Any], registry: str) -> str:
    helpers = config.get("credHelpers") or {}
    name = next((helpers[key] for key in helpers if _host(key) == registry), config.get("credsStore") or "")
    if name and not (isinstance(name, str) and _HELPER.fullmatch(name)):
        raise RecipeError(f"{name!r} is not the name of a credential helper", hint="correct Docker's config.json")
    return str(name)


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    if token := entry.get("identitytoken"):
        return Credential("", str(token))
    if auth := entry.get("auth"):
        username, _, password = base64.b64decode(auth, validate=True).decode().rstrip("\0").partition(":")
        return Credential(username, password)
    if entry.get("username"):
        return Credential(str(entry["username"]), str(entry.get("password", "")))
    return None


def _entry(credential: Credential) -> dict[str, str]:
    if not credential.username:
        return {"identitytoken": credential.secret}
    return {"auth": base64.b64encode(f"{credential.username}:{credential.secret}".encode()).decode()}


def _helper_document(registry: str, credential: Credential) -> dict[str, str]:
    return {
        "ServerURL": _key(registry),
        "Username": credential.username or _TOKEN_USER,
        "Secret": credential.secret,
    }


def _ask_helper(helper: str, registry: str) -> Credential | None:
    answer = _run_helper(helper, "get", _key(registry), registry=registry)
    if answer is None:
        return None
    try:
        document = json.loads(answer)
        username, secret = document["Username"], document["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise _helper_failed(helper, registry, "it answers no credential") from error
    return Credential("" if username == _TOKEN_USER else str(username), str(secret)) if secret else None


def _run_helper(helper: str, action: str, text: str, *, registry: str) -> str | None:
    """What a helper answers; None when it knows nothing."""
    argv = (f"docker-credential-{helper}", action)
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=False)
    except FileNotFoundError as error:
        raise _helper_failed(helper, registry, "it is not installed") from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise _helper_failed(helper, registry, f"it did not end well ({type(error).__name__})") from error
    if done.returncode == 0:
        return done.stdout
    if action == "get" and _NOT_FOUND in done.stdout + done.stderr:
        return None
    raise _helper_failed(helper, registry, f"its {action} ended with status {done.returncode}")


def _helper_failed(helper: str, registry: str, why: str) -> ApplianceError:
    return ApplianceError(
        f"the credential helper docker-credential-{helper} is of no use: {why}",
        where=registry,
        hint="install it, or take credsStore and credHelpers out of Docker's config.json",
    )
