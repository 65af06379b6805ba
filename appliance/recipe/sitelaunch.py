"""Sealer's Application document: which apps of an image a site launches, and what it changes of each. Pure.

Source: sealer's ``types/api/v2/application_types.go`` and ``pkg/application``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.errors import RecipeError
from appliance.recipe.documents import PassedDocument
from appliance.recipe.schema import suggestion
from appliance.recipe.shellwords import VARIABLE_RULE, is_variable

if TYPE_CHECKING:
    from collections.abc import Iterable

KIND = "Application"
_FIELDS = ("cmds", "launchApps", "configs")
_CONFIG_FIELDS = ("name", "env", "files", "launch")
_LAUNCH_FIELDS = ("cmds",)
_FILE_FIELDS = ("path", "data", "strategy")


@dataclass(frozen=True, slots=True)
class AppSetting:
    """What a site changes of an app: `lines` in the place of those that launch it, and values of its environment."""

    name: str
    lines: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class SiteLaunch:
    """What is launched in the place of what the image says: `commands`, or the apps of these `names`.

    No commands, or None for the names: as the image says. No names: nothing is launched.
    """

    commands: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    settings: Mapping[str, AppSetting] = field(default_factory=dict)
    where: str = ""


def read(documents: Iterable[PassedDocument]) -> SiteLaunch:
    """The site's Application document, or one that changes nothing. `RecipeError` for a faulty one, or a second."""
    found = [document for document in documents if document.kind == KIND]
    if len(found) > 1:
        raise RecipeError("Application comes twice", where=found[1].where, hint="put both into one document")
    return _read(found[0]) if found else SiteLaunch()


def configs(document: PassedDocument) -> tuple[PassedDocument, ...]:
    """Files of apps in an Application document, as the Config documents that would say the same; raises as `read`."""
    return tuple(
        PassedDocument(document.group, "Config", {"spec": {**file, "appName": setting.name}}, document.where)
        for setting in _read(document).settings.values()
        for file in setting.files
    )


def _read(document: PassedDocument) -> SiteLaunch:
    where = document.where
    spec = _fields(document.value.get("spec"), "spec", _FIELDS, where)
    names = _texts(spec, "launchApps", "spec", where)
    settings = [_setting(value, f"spec.configs[{n}]", where) for n, value in enumerate(_list(spec, "configs", where))]
    by_name: dict[str, AppSetting] = {}
    for setting in settings:
        if by_name.setdefault(setting.name, setting) is not setting:
            hint = "put both into one"
            raise RecipeError(f"spec.configs of an Application names {setting.name} twice", where=where, hint=hint)
    commands = _texts(spec, "cmds", "spec", where)
    if commands and names:
        hint = "write cmds, which are all that runs then, or launchApps"
        raise RecipeError("spec.cmds and spec.launchApps of an Application exclude each other", where=where, hint=hint)
    return SiteLaunch(
        commands=commands,
        names=tuple(dict.fromkeys(filter(None, names))) if names else None,
        settings=by_name,
        where=where,
    )


def _setting(value: object, name: str, where: str) -> AppSetting:
    given = _fields(value, name, _CONFIG_FIELDS, where)
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise RecipeError(f"{name}.name of an Application is missing", where=where, hint="name an app of the image")
    launch = _fields(given.get("launch") or {}, f"{name}.launch", _LAUNCH_FIELDS, where)
    written = enumerate(_list(given, "files", where))
    files = [_fields(file, f"{name}.files[{n}]", _FILE_FIELDS, where) for n, file in written]
    return AppSetting(
        name=given["name"],
        lines=_texts(launch, "cmds", f"{name}.launch", where),
        env=dict(_pair(text, f"{name}.env", where) for text in _texts(given, "env", name, where)),
        files=tuple(files),
    )


def _pair(text: str, name: str, where: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key.strip():
        raise RecipeError(f"{name}: {text!r} has no value", where=where, hint="write NAME=VALUE")
    if not is_variable(key.strip()):
        message = f"{name}: {key.strip()!r} cannot be the name of a variable"
        raise RecipeError(message, where=where, hint=VARIABLE_RULE)
    return key.strip(), value.strip()


def _fields(value: object, name: str, known: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RecipeError(f"{name} of an Application has fields", where=where, hint=f"they are {', '.join(known)}")
    for field_ in value:
        if field_ not in known:
            hint = suggestion(str(field_), known)
            raise RecipeError(f"{name}.{field_} of an Application is not known", where=where, hint=hint)
    return value


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = [] if fields.get(name) is None else fields[name]
    if not isinstance(value, list):
        raise RecipeError(f"{name} of an Application is a list", where=where, hint="begin each member with -")
    return value


def _texts(fields: Mapping[str, Any], name: str, path: str, where: str) -> tuple[str, ...]:
    found = _list(fields, name, where)
    if not all(isinstance(one, str) for one in found):
        raise RecipeError(f"{path}.{name} of an Application is a list of texts", where=where, hint="put each in quotes")
    return tuple(found)
