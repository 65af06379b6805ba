"""The fields of a form, out of a bundle's parameters. Pure; whether values hold is for the engine to say."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from appliance.recipe.bundlefile import BundleSpec


class Kind(enum.Enum):
    """How a value is entered."""

    TEXT = "text"
    YES_NO = "yes or no"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter: its `name`, how it is called for people, its default (None: there is none), its bounds in words."""

    number: int
    name: str
    title: str
    description: str
    kind: Kind
    default: object = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    bounds: str = ""
    group: str = "parameter"

    @property
    def id(self) -> str:
        """Its widget's id."""
        return f"{self.group}-{self.number}"

    def text_of(self, value: object) -> str:
        """A value as it is typed."""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fields_of(spec: BundleSpec) -> tuple[Field, ...]:
    """A field for each parameter, in the bundle's order."""
    properties: Mapping[str, Any] = json.loads(spec.parameters).get("properties", {})
    return tuple(_field(number, name, part) for number, (name, part) in enumerate(properties.items()))


def network_of(names: Collection[str], said: Mapping[str, tuple[str, str]]) -> tuple[Field, ...]:
    """A field for each of these `names` in ``spec.network``; `said`: how each is called, and what it is."""
    return tuple(
        Field(number, name, title, description, Kind.TEXT, group="network")
        for number, (name, (title, description)) in enumerate(said.items())
        if name in names
    )


def given(fields: Sequence[Field], values: Mapping[str, object]) -> dict[str, object]:
    """The values that are to be written down: those that are not empty and not the default."""
    return {
        field.name: values[field.name]
        for field in fields
        if values[field.name] not in (None, "") and not _is_default(field, values[field.name])
    }


def _is_default(field: Field, value: object) -> bool:
    if field.default is None:
        return field.kind is Kind.YES_NO and value is False
    return value == field.default or value == field.text_of(field.default)


def _field(number: int, name: str, part: Mapping[str, Any]) -> Field:
    choices = tuple(choice if isinstance(choice, str) else json.dumps(choice) for choice in part.get("enum", ()))
    kind = Kind.CHOICE if choices else (Kind.YES_NO if part.get("type") == "boolean" else Kind.TEXT)
    return Field(
        number=number,
        name=name,
        title=str(part.get("title", name)),
        description=str(part.get("description", "")),
        kind=kind,
        default=part.get("default"),
        choices=choices,
        secret=bool(part.get("writeOnly")),
        bounds=_bounds(part),
    )


def _bounds(part: Mapping[str, Any]) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    if least is not None and most is not None:
        return f"{least} – {most}"
    if least is not None:
        return f"≥ {least}"
    return f"≤ {most}" if most is not None else ""
