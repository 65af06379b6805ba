"""Checks documents against the published JSON Schemas; one sentence says what is wrong. The door to jsonschema."""

from __future__ import annotations

import difflib
import importlib.resources
import json
from typing import TYPE_CHECKING, Any

from appliance.recipe.yamltext import FieldPath, field_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import jsonschema

    from appliance.errors import RecipeError
    from appliance.recipe.yamltext import Document

_TYPES = {
    "object": "fields with values",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_SHOWN = 60


def load_schema(name: str) -> dict[str, Any]:
    """A published schema by name: ``clusterfile`` or ``bundle``."""
    folder = importlib.resources.files("appliance.recipe") / "schemas"
    schema: dict[str, Any] = json.loads((folder / f"{name}.schema.json").read_text("utf-8"))
    return schema


def validate(document: Document, name: str) -> None:
    """Check a document against a published schema; the first fault, by line, is a `RecipeError`."""
    faults = list(_validator(load_schema(name)).iter_errors(document.value))
    if faults:
        errors = sorted((_fault_error(document, fault) for fault in faults), key=_line)
        raise errors[0]


def find_faults(schema: object, value: object) -> list[tuple[FieldPath, str, str]]:
    """What `value` does against `schema`: path, sentence, hint of each fault."""
    return [_describe(fault) for fault in _validator(schema).iter_errors(value)]


def schema_fault(schema: object) -> str:
    """Why `schema` is not a JSON Schema (draft 2020-12) that stands for itself; empty when it is one."""
    import jsonschema  # noqa: PLC0415  (slow to import)

    try:
        jsonschema.Draft202012Validator.check_schema(schema)  # type: ignore[arg-type]
    except jsonschema.SchemaError as error:
        return f"{field_name(tuple(error.absolute_path)) or 'it'}: {error.message}"
    foreign = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    return f"it refers to {foreign!r}, which is not in it" if foreign else ""


def suggestion(given: str, valid: Iterable[str]) -> str:
    """A hint for a name that is not among the `valid` ones."""
    names = sorted(valid)
    close = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"valid are: {', '.join(names) or 'none'}"


def _validator(schema: object) -> jsonschema.Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (slow to import, and most commands check nothing)

    return Draft202012Validator(schema)  # type: ignore[arg-type]


def _references(schema: object) -> list[str]:
    match schema:
        case dict():
            own = [value for key, value in schema.items() if key in ("$ref", "$dynamicRef") and isinstance(value, str)]
            return own + [ref for value in schema.values() for ref in _references(value)]
        case list():
            return [ref for value in schema for ref in _references(value)]
        case _:
            return []


def _line(error: RecipeError) -> int:
    return int(error.where.rpartition(":")[2])


def _fault_error(document: Document, fault: jsonschema.ValidationError) -> RecipeError:
    path, message, hint = _describe(fault)
    return document.error(path, message, hint=hint)


def _describe(fault: jsonschema.ValidationError) -> tuple[FieldPath, str, str]:
    path = tuple(fault.absolute_path)
    schema: dict[str, Any] = fault.schema if isinstance(fault.schema, dict) else {}
    value: Any = fault.instance
    if fault.validator == "additionalProperties":
        path = (*path, next(key for key in value if key not in schema.get("properties", {})))
    return path, *_sentence(
        str(fault.validator), value, schema, otherwise=fault.message, name=str(path[-1:] and path[-1])
    )


def _sentence(validator: str, value: Any, schema: Mapping[str, Any], *, otherwise: str, name: str) -> tuple[str, str]:
    """What is wrong with `value`, and a hint."""
    expected = schema.get("description", "")
    hint = expected and f"expected {expected}"
    match validator:
        case "additionalProperties":
            sentence, hint = "there is no such field", suggestion(name, schema.get("properties", {}))
        case "required":
            missing = next(name for name in schema["required"] if name not in value)
            sentence, hint = f"the field {missing!r} is missing", f"add {missing}: …"
        case "type":
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            wanted = " or ".join(_TYPES[kind] for kind in types)
            sentence = f"expected {wanted}, not {_shown(value, schema)}"
        case "enum":
            sentence, hint = f"{_shown(value, schema)} is not valid", _choices(value, schema["enum"])
        case "const":
            sentence, hint = f"{_shown(value, schema)} is not valid", f"expected {json.dumps(schema['const'])}"
        case "pattern" | "format":
            sentence = f"{_shown(value, schema)} is not valid"
        case "propertyNames":
            sentence, hint = f"{value!r} is not a valid name", "use letters, digits and - or _"
        case _:
            sentence = "this value is not allowed" if schema.get("writeOnly") else otherwise
    return sentence, hint


def _choices(given: object, valid: list[object]) -> str:
    if isinstance(given, str):
        return suggestion(given, [str(value) for value in valid])
    return f"valid are: {', '.join(json.dumps(value) for value in valid)}"


def _shown(value: object, schema: Mapping[str, Any]) -> str:
    if schema.get("writeOnly"):
        return "the given value"
    match value:
        case None:
            return "nothing"
        case dict():
            return "fields with values"
        case list():
            return "a list"
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
