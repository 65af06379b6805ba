"""Templates: what may be named, what comes out, and what is refused with a place and a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import RecipeError
from appliance.plan.render import ClusterView, HostView, Values, render
from appliance.plan.steps import SecretRef

ONE = HostView("db-1", "10.0.0.11", ("db",), {"zone": "b"}, 1)
SIX = HostView("db-2", "fd00::12", ("db",), {}, 2)
KEY = SecretRef("tls@db-1.key")


def secret(name: str) -> str:
    if name != "tls.key":
        raise RecipeError(f"there is no secret {name!r}", hint="bundle.yaml declares tls.key")
    return "tls@db-1.key"


VALUES = Values(
    host=ONE,
    cluster=ClusterView("site-a"),
    programs="/opt/appliance/site-a/00",
    roles=("db",),
    param={"port": 5432, "tls": True, "names": ["a", "b"], "nothing": None},
    env={"TZ": "UTC"},
    hosts=lambda _role: (ONE, SIX),
    secret=secret,
    public=lambda name: f"‹{name}›\n",
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain\n", ("plain\n",)),
        ("{{ host.name }} {{ host.address }} {{ host.roles|join }} {{ host.labels.zone }}", ("db-1 10.0.0.11 db b",)),
        ("{{ cluster.name }} {{ programs }} {{ roles|join }}", ("site-a /opt/appliance/site-a/00 db",)),
        ("{{ param.port + 1 }} {{ param.tls }} {{ env.TZ }}", ("5433 true UTC",)),
        ("{{ param.names|tojson }}", ('["a", "b"]',)),
        ("{{ param.other|default('none') }}", ("none",)),
        (
            "{% for h in hosts('db') %}\n{{ h.index }} {{ h.url_host }}\n{% endfor %}\nend\n",
            ("1 10.0.0.11\n2 [fd00::12]\nend\n",),
        ),
        ("{{ public('tls.crt') }}", ("‹tls.crt›\n",)),
        ("{{ secret('tls.key') }}", (KEY,)),
        ("a={{ secret('tls.key') }};b={{ secret('tls.key') }}\n", ("a=", KEY, ";b=", KEY, "\n")),
        ("{% set k = secret('tls.key') %}{{ k }}", (KEY,)),
        ("{% macro m() %}<{{ secret('tls.key') }}>{% endmacro %}{{ m() }}", ("<", KEY, ">")),
        ("<&> {{ '<&>' }}", ("<&> <&>",)),
    ],
)
def test_a_template_renders_to_its_parts(text: str, parts: tuple[str | SecretRef, ...]) -> None:
    assert render(text, VALUES, where="services/db/x.j2") == parts


@pytest.mark.parametrize(
    "use",
    [
        "secret('tls.key')|upper",
        "secret('tls.key')|length",
        "secret('tls.key')|tojson",
        "secret('tls.key')|string",
        "secret('tls.key')|list",
        "secret('tls.key')|replace('a', 'b')",
        "secret('tls.key') ~ 'x'",
        "secret('tls.key') + 'x'",
        "secret('tls.key') == 'x'",
        "secret('tls.key')[0]",
        "[secret('tls.key')]|join",
        "'%s'|format(secret('tls.key'))",
        "'{}'.format(secret('tls.key'))",
        "'x' if secret('tls.key') else 'y'",
        "secret('tls.key')._name",
    ],
)
def test_a_secret_is_nothing_but_put_out(use: str) -> None:
    with pytest.raises(RecipeError) as caught:
        render(f"\n{{{{ {use} }}}}", VALUES, where="x.j2")
    assert caught.value.where == "x.j2:2"


@pytest.mark.parametrize("filter_", ["urlencode", "reverse", "tojson", "truncate(9)", "list|join('-')", "wordwrap(7)"])
def test_a_secret_caught_in_a_block_is_not_changed_either(filter_: str) -> None:
    text = f"{{% set k %}}{{{{ secret('tls.key') }}}}{{% endset %}}{{{{ k }}}} {{{{ k|{filter_} }}}}"
    with pytest.raises(RecipeError, match="used as text"):
        render(text, VALUES, where="x.j2")


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("\n\n{{ port }}", "x.j2:3", "'port' is not defined"),
        ("{{ param.prot }}", "x.j2:1", "param has no 'prot'"),
        ("{{ env.HOME }}", "x.j2:1", "env has no 'HOME'"),
        ("{{ host.adress }}", "x.j2:1", "host has no 'adress'"),
        ("a\n{{ secret('tsl.key') }}", "x.j2:2", "there is no secret 'tsl.key'"),
        ("a\n{% fro x in y %}", "x.j2:2", "unknown tag 'fro'"),
        ("{{ param.names }}", "x.j2:1", "a list cannot be put into a text"),
        ("{{ param.nothing }}", "x.j2:1", "nothing (None) cannot be put into a text"),
        ("{{ 1 / 0 }}", "x.j2:1", "division by zero"),
        ("{% include '/etc/passwd' %}", "x.j2:1", "no loader"),
        ("{{ host.__class__ }}", "x.j2:1", "unsafe"),
        ("{{ [1, 2]|random }}", "x.j2:1", "No filter named 'random'"),
        ("{{ 'a' * 10000000 }}", "x.j2:1", "operator *"),
        ("{{ 9 ** 9999 }}", "x.j2:1", "operator **"),
        ("{{ ''|center(2000000) }}", "x.j2", "more than 1048576 characters"),
        (
            "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
            "x.j2:1",
            "more than 100000 rounds",
        ),
        ("a\0b", "x.j2", "NUL byte"),
    ],
)
def test_a_template_s_mistake_has_a_place_and_a_word(text: str, where: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        render(text, VALUES, where="x.j2")
    assert (caught.value.where, message in caught.value.message) == (where, True)


def test_a_value_cannot_pose_as_a_secret() -> None:
    with pytest.raises(RecipeError, match="used as text"):
        render("{{ '\\x00' }}{{ secret('tls.key') }}", VALUES, where="x.j2")


TOKEN = SecretRef("parameter/token")
WITH_TOKEN = replace(VALUES, param={"token": TOKEN, "port": 1})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a={{ param.token }}\n", ("a=", TOKEN, "\n")),
        ("{{ param['token'] }}", (TOKEN,)),
        ("{% if param.token is defined %}{{ param.token }}{% endif %}", (TOKEN,)),
    ],
)
def test_a_parameter_that_is_a_secret_is_a_reference(text: str, parts: tuple[str | SecretRef, ...]) -> None:
    assert render(text, WITH_TOKEN, where="x.j2") == parts


@pytest.mark.parametrize(
    "use", ["param.token|upper", "param|tojson", "param|string", "param.values()|list", "param|dictsort"]
)
def test_it_is_nothing_but_put_out_either(use: str) -> None:
    with pytest.raises(RecipeError):
        render(f"{{{{ {use} }}}}", WITH_TOKEN, where="x.j2")
