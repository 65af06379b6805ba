"""What a unit needs to be run: whether it is started, which files it was started with, which state it leaves. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.runtimes.systemd.files import by_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.runtimes.systemd.files import HostFile

_STATE = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
_TRUE = ("1", "yes", "true", "on", "y", "t")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit on a host. `folder` is its role's; `files` are those by whose change it must be restarted, itself first.

    `started` says whether it is enabled and started by itself; `trees` are the folders that systemd makes for it.
    """

    name: str
    folder: str
    files: tuple[HostFile, ...]
    started: bool
    trees: tuple[str, ...]

    def mentions(self, path: str) -> bool:
        """Whether one of its files names `path`."""
        return any(path in file.text for file in self.files)


def host_units(files: tuple[HostFile, ...], order: Sequence[str]) -> tuple[Unit, ...]:
    """The units among a host's `files`, in the order of their folders in `order`, then by name.

    A unit's files are those of its own folder and of folders before it. Raises `RecipeError` for a unit that cannot be
    asked whether it runs.
    """
    units: list[Unit] = []
    for place, folder in enumerate(order):
        known = tuple(file for file in files if file.folder in order[: place + 1])
        named = {
            own.unit: _closure([own, *drop_ins], known) for own, drop_ins in by_unit(known) if own.folder == folder
        }
        claimed = {file.path for closure in named.values() for file in closure}
        shared = [file for file in known if file.folder == folder and not file.unit and file.path not in claimed]
        units += [_unit(name, folder, closure, shared) for name, closure in sorted(named.items())]
    return tuple(units)


def _unit(name: str, folder: str, closure: list[HostFile], shared: list[HostFile]) -> Unit:
    settings = _settings("\n".join(file.text for file in closure if file.unit == name))
    started = any(section == "Install" for section, _, _ in settings) and "@." not in name
    if started and _value(settings, "Type") == "oneshot" and _value(settings, "RemainAfterExit").lower() not in _TRUE:
        raise RecipeError(
            f"{name} is a oneshot service that does not remain: nobody can ask whether it has run",
            where=closure[0].source,
            hint="add RemainAfterExit=yes to [Service]",
        )
    return Unit(name, folder, (*closure, *shared), started, tuple(_trees(settings)))


def _closure(own: list[HostFile], known: tuple[HostFile, ...]) -> list[HostFile]:
    """`own`, and the files that these name, and those that such files name, and so on; by path but for the first."""
    reached = {file.path: file for file in own}
    waiting = list(own)
    while waiting:
        text = waiting.pop().text
        for file in known:
            if not file.unit and file.path not in reached and file.path in text:
                reached[file.path] = file
                waiting.append(file)
    first, *rest = reached.values()
    return [first, *sorted(rest, key=lambda file: file.path)]


def _settings(text: str) -> list[tuple[str, str, str]]:
    """Section, key and value of each assignment (systemd.syntax(7)), lines continued by a backslash joined."""
    section, settings = "", []
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif stripped and stripped[0] not in "#;" and "=" in stripped:
            key, _, value = stripped.partition("=")
            settings.append((section, key.strip(), value.strip()))
    return settings


def _value(settings: list[tuple[str, str, str]], key: str) -> str:
    return next((value for section, name, value in reversed(settings) if (section, name) == ("Service", key)), "")


def _trees(settings: list[tuple[str, str, str]]) -> Iterator[str]:
    private = _value(settings, "DynamicUser").lower() in _TRUE
    for section, key, value in settings:
        if section == "Service" and key in _STATE:
            for name in value.replace(":", " ").split():
                if "%" not in name:
                    yield f"{_STATE[key]}/{name}"
                    if private and key != "ConfigurationDirectory":
                        yield f"{_STATE[key]}/private/{name}"
