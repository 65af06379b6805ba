"""Reading a JSON object strictly: each field has a type and a bound, and what is wrong is said in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from appliance.bundle.layout import LIMITS
from appliance.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Fields:
    """The members of one JSON object that stands at `path`; each method takes one by name or raises `ValueError`."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{path or 'the manifest'} is not an object")  # noqa: TRY004  (callers catch one type)
        self._members = value
        self._path = path

    def where(self, name: str) -> str:
        """The field's path from the top, as people write it: ``files[3].offset``."""
        return f"{self._path}.{name}" if self._path else name

    def _take(self, name: str, kind: type, what: str) -> Any:
        if name not in self._members:
            raise ValueError(f"{self.where(name)} is missing")
        value = self._members[name]
        if type(value) is not kind:
            raise ValueError(f"{self.where(name)} is not {what}")
        return value

    def text(self, name: str, *, most: int = LIMITS.name, empty: bool = False) -> str:
        """A text of at most `most` characters without control characters; not empty unless `empty`."""
        value: str = self._take(name, str, "a text")
        if not value and not empty:
            raise ValueError(f"{self.where(name)} is empty")
        if len(value) > most:
            raise ValueError(f"{self.where(name)} is longer than {most} characters")
        if any(character < " " or "\x7f" <= character < "\xa0" for character in value):
            raise ValueError(f"{self.where(name)} has control characters")
        return value

    def whole(self, name: str, *, least: int = 0, most: int = LIMITS.integer) -> int:
        """A whole number from `least` to `most`."""
        value: int = self._take(name, int, "a whole number")
        if not least <= value <= most:
            raise ValueError(f"{self.where(name)} is {value}, not a number from {least} to {most}")
        return value

    def digest(self, name: str) -> Digest:
        """A SHA-256 in hexadecimal."""
        return _digest(self.text(name), self.where(name))

    def digests(self, name: str, *, most: int) -> tuple[Digest, ...]:
        """A list of at most `most` SHA-256 in hexadecimal."""
        items = self._list(name, most)
        return tuple(_digest(item, f"{self.where(name)}[{number}]") for number, item in enumerate(items))

    def texts(self, name: str, *, most: int) -> tuple[str, ...]:
        """A list of at most `most` different names."""
        items = self._list(name, most)
        names = tuple(Fields({"": item}, f"{self.where(name)}[{number}]").text("") for number, item in enumerate(items))
        if len(set(names)) != len(names):
            raise ValueError(f"{self.where(name)} names something twice")
        return names

    def object(self, name: str) -> Fields:
        """An object within."""
        return Fields(self._take(name, dict, "an object"), self.where(name))

    def items(self, name: str, read: Callable[[Fields], T], *, most: int) -> tuple[T, ...]:
        """A list of at most `most` objects, each made into a value by `read`."""
        return tuple(read(item) for item in self._objects(name, most))

    def _objects(self, name: str, most: int) -> Iterator[Fields]:
        for number, item in enumerate(self._list(name, most)):
            yield Fields(item, f"{self.where(name)}[{number}]")

    def _list(self, name: str, most: int) -> list[Any]:
        value: list[Any] = self._take(name, list, "a list")
        if len(value) > most:
            raise ValueError(f"{self.where(name)} has {len(value)} entries, the most is {most}")
        return value


def _digest(value: Any, where: str) -> Digest:
    try:
        return Digest(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} is not a SHA-256 in hexadecimal") from error
