"""Text × values → parts: Jinja2's sandbox, where an undefined name is an error and a secret is never text.

``{{ secret("x") }}``, or ``{{ param.x }}`` of a parameter that is a secret, leaves a mark of random digits in the
output, which is split out afterwards and becomes a `SecretRef`; the object behind it refuses to be turned into a
string, so that no filter or operator gets hold of it. Rendering is bounded in output, loop rounds and the size of what
an operator can build.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from appliance.errors import ApplianceError, RecipeError
from appliance.plan.steps import SecretRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType

OUTPUT_LIMIT = 1 << 20
ROUNDS_LIMIT = 100_000
OPERAND_LIMIT = 10**12
_FILTERS_REFUSED = ("random",)
_GLOBALS_KEPT = ("dict", "joiner", "namespace")


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as templates see it; `index` counts from 1 like ``loop.index``; `url_host` has brackets around IPv6."""

    name: str
    address: str
    roles: tuple[str, ...]
    labels: Mapping[str, str]
    index: int = 1
    in_templates: ClassVar[str] = "host"

    @property
    def url_host(self) -> str:
        """The address as it stands in a URL or before a port."""
        return f"[{self.address}]" if ":" in self.address else self.address


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as templates see it."""

    name: str
    in_templates: ClassVar[str] = "cluster"


@dataclass(frozen=True, slots=True)
class Values:
    """What a template may name. `secret` maps a name to the secret's own name, `public` to the public text.

    A `SecretRef` among `param` is a secret in templates.

    Both, and `hosts`, which gives the hosts of a role, may raise an `ApplianceError` for a name that is not known.
    """

    host: HostView
    cluster: ClusterView
    programs: str
    roles: tuple[str, ...]
    param: Mapping[str, object]
    env: Mapping[str, str]
    hosts: Callable[[str], tuple[HostView, ...]]
    secret: Callable[[str], str]
    public: Callable[[str], str]


def render(text: str, values: Values, *, where: str) -> tuple[str | SecretRef, ...]:
    """Render `text`; strings and secret references in turn, no empty string among them.

    `where` names the text in errors. Raises `RecipeError` (``WHERE:LINE``) for what the template gets wrong: syntax,
    a name that is not defined, a secret given to a filter, output of more than `OUTPUT_LIMIT` characters.
    """
    return _Rendering(values, where).run(text)


class _SecretMisused(Exception):
    """A secret was used as text."""


class _Secret:
    """A secret in a template: it can be put out, and nothing else."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *_: object) -> NoReturn:
        raise _SecretMisused(self._name)

    __str__ = __repr__ = __html__ = __format__ = __len__ = __iter__ = __bool__ = __hash__ = _refuse
    __add__ = __radd__ = __mod__ = __rmod__ = __mul__ = __rmul__ = __eq__ = __ne__ = __lt__ = __gt__ = _refuse
    __contains__ = __getitem__ = _refuse


def _seen(value: object) -> object:
    """A parameter's value as templates get it."""
    return _Secret(value.name) if isinstance(value, SecretRef) else value


class _Names(dict[str, object]):
    """Values by name that say in errors what they are called (``param``, ``env``)."""

    def __init__(self, label: str, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.in_templates = label


class _Undefined(StrictUndefined):
    """Names what is missing as the template wrote it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{self._undefined_name!r} is not defined"
        label = getattr(self._undefined_obj, "in_templates", type(self._undefined_obj).__name__)
        return f"{label} has no {self._undefined_name!r}"


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with products and powers of moderate numbers only."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        limit = 64 if operator == "**" else OPERAND_LIMIT
        if not all(isinstance(side, int | float) and abs(side) <= limit for side in (left, right)):
            raise TemplateError(f"the operator {operator} is for numbers up to {limit} here")
        return super().call_binop(context, operator, left, right)


def _environment(put_out: Callable[[object], object]) -> _Environment:
    environment = _Environment(
        undefined=_Undefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=put_out,
    )
    for name in _FILTERS_REFUSED:
        environment.filters.pop(name)
    return environment


@lru_cache(maxsize=256)
def _compiled(text: str, where: str) -> CodeType:
    """A template's code; compiling costs a hundred times what a rendering does, and hosts share their templates."""
    return _environment(_plain).compile(text, name=where, filename=where)


def _plain(value: object) -> object:
    """How a value other than a secret is put out; what has no form that a reader would expect is refused."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float() | Undefined():
            return value
        case _:
            kind = "nothing (None)" if value is None else f"a {type(value).__name__}"
            raise TemplateError(f"{kind} cannot be put into a text; name a part of it, or use join or tojson")


@dataclass(slots=True)
class _Rendering:
    values: Values
    where: str
    nonce: str = field(default_factory=lambda: f"{secrets.randbelow(10**30):030}")
    marked: list[str] = field(default_factory=list)
    rounds: int = 0

    def run(self, text: str) -> tuple[str | SecretRef, ...]:
        if "\0" in text:
            raise RecipeError("a NUL byte stands in this text", where=self.where)
        try:
            return self._parts(self._bounded(self._template(text).generate()))
        except TemplateSyntaxError as error:
            raise RecipeError(str(error.message), where=f"{self.where}:{error.lineno}") from error
        except ApplianceError as error:
            if error.where:
                raise
            raise type(error)(error.message, hint=error.hint, where=self._place(error)) from error
        except Exception as error:  # a template's expressions can raise anything
            raise self._failure(error) from error

    def _template(self, text: str) -> Any:
        environment = _environment(self._put_out)
        code = _compiled(text, self.where)
        kept = {name: environment.globals[name] for name in _GLOBALS_KEPT}
        return environment.template_class.from_code(environment, code, kept | self._globals())

    def _globals(self) -> dict[str, object]:
        values = self.values
        return {
            "host": values.host,
            "cluster": values.cluster,
            "programs": values.programs,
            "roles": values.roles,
            "param": _Names("param", {name: _seen(value) for name, value in values.param.items()}),
            "env": _Names("env", values.env),
            "hosts": values.hosts,
            "secret": lambda name: _Secret(values.secret(name)),
            "public": values.public,
            "range": self._range,
        }

    def _range(self, *bounds: int) -> range:
        rounds = range(*bounds)
        self.rounds += len(rounds)
        if self.rounds > ROUNDS_LIMIT:
            raise TemplateError(f"more than {ROUNDS_LIMIT} rounds of loops")
        return rounds

    def _put_out(self, value: object) -> object:
        if not isinstance(value, _Secret):
            return _plain(value)
        self.marked.append(value._name)  # noqa: SLF001  (the two classes are one mechanism)
        return f"\0{self.nonce}:{len(self.marked) - 1}\0"

    def _bounded(self, pieces: Iterator[str]) -> str:
        out: list[str] = []
        room = OUTPUT_LIMIT
        for piece in pieces:
            room -= len(piece)
            if room < 0:
                raise TemplateError(f"rendered to more than {OUTPUT_LIMIT} characters")
            out.append(piece)
        return "".join(out)

    def _parts(self, out: str) -> tuple[str | SecretRef, ...]:
        pieces = re.split(rf"\x00{self.nonce}:(\d+)\x00", out)
        shown = {int(number) for number in pieces[1::2]}
        plain = "".join(pieces[::2])
        if "\0" in plain or self.nonce in plain or len(shown) != len(self.marked):
            raise _SecretMisused(self.marked[0] if self.marked else "")
        parts: list[str | SecretRef] = [
            SecretRef(self.marked[int(piece)]) if place % 2 else piece for place, piece in enumerate(pieces)
        ]
        return tuple(part for part in parts if part != "")

    def _failure(self, error: Exception) -> RecipeError:
        where = self._place(error)
        match error:
            case _SecretMisused():
                hint = "put it out by itself, {{ … }}; a secret cannot be filtered, compared or joined"
                return RecipeError(f"the secret {str(error)!r} is used as text", where=where, hint=hint)
            case UndefinedError():
                return RecipeError(str(error.message), where=where, hint="see the names that templates may use")
            case _:
                return RecipeError(str(error) or type(error).__name__, where=where)

    def _place(self, error: BaseException) -> str:
        line, trace = 0, error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == self.where:
                line = trace.tb_lineno
            trace = trace.tb_next
        return f"{self.where}:{line}" if line else self.where
