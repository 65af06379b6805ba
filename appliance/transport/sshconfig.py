"""``~/.ssh/config`` where it applies: how a host is reached and entered, as ssh_config(5) says it.

Heeded: ``HostName User Port IdentityFile IdentitiesOnly ProxyJump``, in ``Host`` and ``Match host|originalhost|user|
localuser|all`` blocks, and ``Include``. A setting that decides whether one gets in, and is not among these, is told to
whoever asks; no program is run for a ``Match exec`` or ``ProxyCommand``. For each setting the first value counts.
"""

from __future__ import annotations

import fnmatch
import getpass
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.files import read_bounded
from appliance.recipe import jumphosts

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES = 1 << 20
_DEEPEST = 8
_LINE = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+|$)(.*?)\s*")
_TOKEN = re.compile(r"%(.)")
_HEEDED = ("hostname", "user", "port", "identityfile", "identitiesonly", "proxyjump")
_NOT_HEEDED = {
    name.lower(): name
    for name in (
        "ProxyCommand",
        "CertificateFile",
        "IdentityAgent",
        "PKCS11Provider",
        "SecurityKeyProvider",
        "HostKeyAlias",
        "BindAddress",
        "BindInterface",
        "CanonicalizeHostname",
        "KexAlgorithms",
        "Ciphers",
        "MACs",
        "HostKeyAlgorithms",
        "PubkeyAcceptedAlgorithms",
        "PreferredAuthentications",
    )
}


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What is said of one host; empty where nothing is. `jump` is as `jumphosts.parse` reads it, or ``none``.

    `unheeded` are sentences about settings that apply to it and do nothing here.
    """

    hostname: str = ""
    user: str = ""
    port: int = 0
    identities: tuple[Path, ...] = ()
    identities_only: bool = False
    jump: str = ""
    unheeded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Setting:
    """A line: the blocks that it stands in, each with its keyword, what it says, and where."""

    blocks: tuple[tuple[str, tuple[str, ...]], ...]
    name: str
    words: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class SshConfig:
    """A file of settings, read; without any it says nothing about any host."""

    _settings: tuple[_Setting, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, path: Path) -> SshConfig:
        """Read a file and what it includes; one that is not there says nothing. `RecipeError` with file and line."""
        return cls(tuple(_lines(path, (), depth=0)))

    @classmethod
    def of_user(cls) -> SshConfig:
        """The user's own: ``~/.ssh/config``."""
        return cls.read(Path.home() / ".ssh" / "config")

    def settings(self, host: str, *, user: str = "") -> HostSettings:
        """What is said of `host`, which one enters as `user` if that is decided elsewhere."""
        found: dict[str, _Setting] = {}
        identities: list[_Setting] = []
        unheeded: list[str] = []
        for setting in self._settings:
            named = _expand(found["hostname"], {"h": host}) if "hostname" in found else host
            asked = _Asked(host, named.lower(), user or _first(found, "user"))
            if not all(asked.is_in(keyword, words) for keyword, words in setting.blocks):
                unheeded += [f"{setting.where}: {t}" for k, w in setting.blocks if (t := asked.unheeded(k, w))]
            elif setting.name == "identityfile":
                identities.append(setting)
            elif setting.name in _HEEDED or setting.name in _NOT_HEEDED:
                found.setdefault(setting.name, setting)
        if "proxyjump" in found and "proxycommand" in found:  # the one that stands first counts
            found.pop(next(name for name in reversed(found) if name in ("proxyjump", "proxycommand")))
        unheeded += [f"{s.where}: {_NOT_HEEDED[n]} is not heeded" for n, s in found.items() if _matters(n, s)]
        return _resolved(host, user, found, identities, tuple(dict.fromkeys(unheeded)))


def _matters(name: str, setting: _Setting) -> bool:
    return name in _NOT_HEEDED and setting.words[0].lower() not in ("none", "no")


def _first(found: dict[str, _Setting], name: str) -> str:
    return found[name].words[0] if name in found else ""


def _resolved(
    host: str, user: str, found: dict[str, _Setting], identities: list[_Setting], unheeded: tuple[str, ...]
) -> HostSettings:
    hostname = _expand(found["hostname"], {"h": host}) if "hostname" in found else ""
    port = found.get("port")
    if port and not (port.words[0].isdecimal() and 0 < int(port.words[0]) < 65536):  # noqa: PLR2004  (ports)
        raise RecipeError(f"{port.words[0]!r} is not a port", where=port.where, hint="a port from 1 to 65535")
    tokens = {
        "d": str(Path.home()),
        "h": hostname or host,
        "n": host,
        "p": port.words[0] if port else "22",
        "r": user or _first(found, "user") or getpass.getuser(),
        "u": getpass.getuser(),
    }
    jump = _expand(found["proxyjump"], tokens) if "proxyjump" in found else ""
    try:
        jumphosts.parse(jump)
    except ValueError as error:
        raise RecipeError(str(error), where=found["proxyjump"].where, hint=jumphosts.HINT) from error
    files = dict.fromkeys(Path(_expand(each, tokens)).expanduser() for each in identities if each.words[0] != "none")
    return HostSettings(
        hostname=hostname,
        user=_first(found, "user"),
        port=int(port.words[0]) if port else 0,
        identities=tuple(files),
        identities_only=_first(found, "identitiesonly").lower() == "yes",
        jump=jump,
        unheeded=unheeded,
    )


def _expand(setting: _Setting, tokens: dict[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        if match[1] != "%" and match[1] not in tokens:
            raise RecipeError(f"{match[0]} is not understood here", where=setting.where, hint="write it out")
        return "%" if match[1] == "%" else tokens[match[1]]

    return _TOKEN.sub(put, setting.words[0])


@dataclass(frozen=True, slots=True)
class _Asked:
    """The host that is asked about, by what is known of it so far."""

    host: str
    hostname: str
    user: str

    def is_in(self, keyword: str, words: tuple[str, ...]) -> bool:
        """Whether a block is about it."""
        if keyword == "host":
            return _matches(words, self.host)
        criteria = list(words)
        while criteria:
            criterion = criteria.pop(0).lower()
            negated, criterion = criterion.startswith("!"), criterion.removeprefix("!")
            if criterion == "all":
                continue
            value = self._value(criterion)
            if value is None or not criteria:
                return False
            if _matches(tuple(criteria.pop(0).split(",")), value) == negated:
                return False
        return True

    def unheeded(self, keyword: str, words: tuple[str, ...]) -> str:
        """What is said of a block that cannot be judged here."""
        names = (word.lower().removeprefix("!") for word in words) if keyword == "match" else ()
        found = next((name for name in names if name in ("exec", "localnetwork", "tagged", "canonical", "final")), "")
        return f"Match {found} is not heeded, nor what stands under it" if found else ""

    def _value(self, criterion: str) -> str | None:
        values = {
            "host": self.hostname,
            "originalhost": self.host,
            "user": self.user or getpass.getuser(),
            "localuser": getpass.getuser(),
        }
        return values.get(criterion)


def _matches(patterns: tuple[str, ...], value: str) -> bool:
    def one(pattern: str) -> bool:
        return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))

    if any(one(pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(one(pattern) for pattern in patterns if not pattern.startswith("!"))


def _lines(path: Path, outer: tuple[tuple[str, tuple[str, ...]], ...], *, depth: int) -> Iterator[_Setting]:
    """The settings of a file, in order, each with the blocks around it."""
    blocks = outer
    for number, text in enumerate(_text(path).splitlines(), 1):
        where = f"{path}:{number}"
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        name, words = _read(text, where)
        if name in ("host", "match"):
            blocks = (*outer, (name, words))
        elif name == "include":
            if depth == _DEEPEST:
                raise RecipeError("files include each other too deeply", where=where)
            for pattern in words:
                for each in _included(pattern):
                    yield from _lines(each, blocks, depth=depth + 1)
        else:
            yield _Setting(blocks, name, words, where)


def _text(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_BYTES).decode(errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _read(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    match = _LINE.fullmatch(text)
    try:
        words = tuple(shlex.split(match[2], comments=True)) if match else ()
    except ValueError as error:
        raise RecipeError("a quote is not closed", where=where) from error
    if match is None or not words:
        raise RecipeError("not a setting of ssh_config(5)", where=where, hint="a keyword, then its value")
    return match[1].lower(), words


def _included(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    whole = path if path.is_absolute() else Path.home() / ".ssh" / path
    return sorted(each for each in Path("/").glob(str(whole).lstrip("/")) if each.is_file())
