"""The fields of a foreign YAML document: taken one by one, each of the type that is expected; the rest is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.recipe.yamltext import field_name

if TYPE_CHECKING:
    from appliance.errors import RecipeError
    from appliance.recipe.importing.notes import Notes
    from appliance.recipe.yamltext import Document, FieldPath


class Fields:
    """One mapping of a document. Who has taken all that can be honoured calls `rest`."""

    def __init__(self, document: Document, notes: Notes, *, value: Any = None, path: FieldPath = ()) -> None:
        self.path = path
        self._document = document
        self._notes = notes
        found = document.value if value is None and not path else value
        if not isinstance(found, dict):
            raise document.error(path, "expected fields with values", hint="look at the indentation")
        self._left: dict[str, Any] = dict(found)

    def where(self, name: str = "") -> str:
        """``file:line`` of a field, or of the mapping."""
        return self._document.where((*self.path, name) if name else self.path)

    def error(self, name: str, message: str, *, hint: str = "") -> RecipeError:
        """An error at a field."""
        return self._document.error((*self.path, name), message, hint=hint)

    def full_name(self, name: str) -> str:
        """A field as people write it: ``spec.ssh.passwd``."""
        return field_name((*self.path, name))

    def __contains__(self, name: str) -> bool:
        """Whether a field has a value that nobody took yet."""
        return self._left.get(name) not in (None, "", [], {})

    def text(self, *names: str) -> str:
        """The first of these fields that has a value, as a text; numbers are texts, too. Empty: none has one."""
        for name in names:
            if name in self:
                return self._text(name, self._left.pop(name))
        return ""

    def secret(self, name: str) -> str:
        """A password: never shown, and refused where YAML has made something else of it than what was typed."""
        if name not in self:
            return ""
        value = self._left.pop(name)
        if not isinstance(value, str):
            raise self.error(name, "what stands here is not a text", hint="write it in quotes")
        return value

    def texts(self, *names: str) -> tuple[str, ...]:
        """The first of these fields that has a value, as texts; one text is a list of one."""
        for name in names:
            if name in self:
                value = self._left.pop(name)
                return tuple(self._text(name, one) for one in (value if isinstance(value, list) else [value]))
        return ()

    def pairs(self, name: str) -> dict[str, str]:
        """A mapping of texts."""
        if name not in self:
            return {}
        inside = self.inside(name)
        return {key: inside.text(key) for key in list(inside._left)}  # noqa: SLF001  (our own kind)

    def inside(self, name: str) -> Fields:
        """The fields of a field; none when it has no value."""
        value = self._left.pop(name, None)
        return Fields(self._document, self._notes, value=value or {}, path=(*self.path, name))

    def items(self, name: str) -> tuple[Fields, ...]:
        """The members of a list, each with fields."""
        value = self._left.pop(name, None) or []
        if not isinstance(value, list):
            raise self.error(name, "expected a list", hint="begin each member with -")
        path = (*self.path, name)
        return tuple(
            Fields(self._document, self._notes, value=one or {}, path=(*path, n)) for n, one in enumerate(value)
        )

    def names(self) -> tuple[str, ...]:
        """The fields that nobody took yet."""
        return tuple(self._left)

    def drop(self, *names: str) -> None:
        """Take fields that say nothing to anybody."""
        for name in names:
            self._left.pop(name, None)

    def rest(self, why: str = "is not used here") -> None:
        """Say by name that the fields which nobody took are not used."""
        for name in [name for name in self._left if name in self]:
            self._notes.warn(self.where(name), f"{self.full_name(name)} {why}")
        self._left.clear()

    def _text(self, name: str, value: Any) -> str:
        match value:
            case bool():
                return str(value).lower()
            case str() | int() | float():
                return str(value)
            case _:
                raise self.error(name, "expected a text", hint="write one value there")
