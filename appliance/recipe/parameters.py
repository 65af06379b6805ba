"""Parameters of a bundle: values checked against its JSON Schema, defaults filled in, secrets known by name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from appliance.errors import RecipeError
from appliance.recipe import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.recipe.bundlefile import BundleSpec

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_JSON_TYPES: Mapping[str, type] = {"array": list, "object": dict, "null": type(None)}


def check_parameters(spec: BundleSpec, given: Mapping[str, object]) -> Mapping[str, object]:
    """All parameters' values: those `given`, texts converted to the type that the schema says, and the defaults.

    Raises `RecipeError` naming the parameter; the value of a secret one never stands in the message.
    """
    document = _schema(spec.parameters)
    properties = _properties(spec.parameters)
    unknown = next((name for name in given if name not in properties), None)
    if unknown is not None:
        hint = schema.suggestion(unknown, properties)
        raise RecipeError(f"{spec.name} has no such parameter", where=f"parameters.{unknown}", hint=hint)
    values = {name: part["default"] for name, part in properties.items() if "default" in part}
    values |= {name: _coerce(value, properties[name]) for name, value in given.items()}
    if missing := next((name for name in document.get("required", ()) if name not in values), ""):
        part = properties.get(missing, {})
        how = f"--set-file {missing}=FILE" if part.get("writeOnly") else f"--set {missing}=VALUE"
        raise RecipeError("no value is given", where=f"parameters.{missing}", hint=_hint(part, how))
    for path, message, hint in schema.find_faults(document, values):
        part = properties[str(path[0])] if path else {}
        if part.get("writeOnly"):
            message = "this value is not allowed"  # noqa: PLW2901  (it would be repeated)
        raise RecipeError(message, where=".".join(("parameters", *map(str, path))), hint=hint or _hint(part))
    return values


def _hint(part: Mapping[str, Any], how: str = "") -> str:
    """How to give a parameter, what it may be, and what it is for, as far as the schema says so."""
    bounds = {"type": "{}", "minimum": "at least {}", "maximum": "at most {}", "minLength": "at least {} characters"}
    allowed = [words.format(part[name]) for name, words in bounds.items() if isinstance(part.get(name), str | int)]
    told = [how and f"give it with {how}", "expected: " * bool(allowed) + ", ".join(allowed)]
    return "; ".join(text for text in (*told, part.get("description") or part.get("title") or "") if text)


def secret_parameters(spec: BundleSpec) -> frozenset[str]:
    """Names of the parameters that are secrets (``writeOnly``)."""
    return frozenset(_secret_names(_properties(spec.parameters)))


def schema_fault(text: str) -> str:
    """Why `text` cannot be a bundle's parameters; empty when it can."""
    document = _schema(text)
    fault = schema.schema_fault(document)
    if fault:
        return fault
    if document.get("type", "object") != "object":
        return "parameters are of type object"
    for name, part in _properties(text).items():
        if not isinstance(part, dict):
            return f"{name}: this says nothing about the parameter"
        for path, message, _ in schema.find_faults(part, part["default"]) if "default" in part else ():
            return f"the default of {'.'.join((name, *map(str, path)))}: {message}"
    return _secret_fault(document, _properties(text))


def _secret_names(properties: Mapping[str, Any]) -> list[str]:
    return [name for name, part in properties.items() if part.get("writeOnly")]


def _secret_fault(document: dict[str, Any], properties: Mapping[str, Any]) -> str:
    """What would let a secret be read: a value that travels with the bundle, a mark where nobody looks for it."""
    names = _secret_names(properties)
    for name in names:
        if not _SECRET_NAME.fullmatch(name):
            return f"{name!r} cannot name a secret: letters, digits and . _ -, a letter or digit first"
        if told := next((word for word in ("default", "const", "enum", "examples") if word in properties[name]), ""):
            return f"{name} is a secret (writeOnly), and its {told} would stand in the bundle for all to read"
    if _count_marks(document) > len(names):
        return "writeOnly marks a whole parameter, not a part of one, and stands in the parameter itself"
    return ""


def _count_marks(schema_part: object) -> int:
    match schema_part:
        case dict():
            own = schema_part.get("writeOnly") is True
            return own + sum(_count_marks(value) for value in schema_part.values())
        case list():
            return sum(map(_count_marks, schema_part))
        case _:
            return 0


def _schema(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def _properties(text: str) -> dict[str, Any]:
    properties: dict[str, Any] = _schema(text).get("properties", {})
    return properties


def _coerce(value: object, part: Mapping[str, Any]) -> object:
    """A text as the first type of the schema that it reads as; what is no text stays."""
    if not isinstance(value, str):
        return value
    kinds = part.get("type", "string")
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        try:
            return _convert(value, kind)
        except ValueError:
            continue
    return value


def _convert(text: str, kind: str) -> object:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            if text.lower() not in _WORDS:
                raise ValueError(text)
            return _WORDS[text.lower()]
        case "array" | "object" | "null":
            value = json.loads(text)
            return value if isinstance(value, _JSON_TYPES[kind]) else text
        case _:
            return text
