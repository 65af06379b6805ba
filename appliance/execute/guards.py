"""Guards: which steps hold already on a host, asked in one round trip that needs nothing there but a POSIX shell.

The questions travel as a script on standard input, since the texts to compare with may hold secrets; what travels in
an argument list is constant. Contents are compared on the host, and no digest of them leaves it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from appliance.distribute.node import Node
from appliance.errors import TransferFailed
from appliance.plan.steps import Fetch, PutText, Receive, Run, SecretRef, Unpack, WaitFor
from appliance.transport.base import Command, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.plan.steps import Step
    from appliance.transport.base import Transport

Resolve = Callable[[str], bytes]
"""A secret's name to its value."""

LIMIT = 20.0
"""Seconds that a single guard may take; one that takes longer does not hold."""

_START = "exec 3>&1 >/dev/null 2>&1\n"

_FUNCTIONS = r"""
within() { # SECONDS COMMAND...
    if command -v timeout; then timeout "$@"; else shift; "$@"; fi
}
decode() { base64 -d || openssl base64 -d -A; }
owned() { # PATH MODE OWNER
    [ -f "$1" ] && [ ! -L "$1" ] || return 1
    case $3 in
        *[!0-9:]*) [ "$(stat -c '%a %U:%G' "$1")" = "$2 $3" ] ;;
        *) [ "$(stat -c '%a %u:%g' "$1")" = "$2 $3" ] ;;
    esac
}
text() { # PATH MODE OWNER; the content in base64 on standard input
    owned "$@" && decode | cmp -s - "$1"
}
blobs() { # FOLDER; "HEX SIZE" a line on standard input
    cd "$1" || return 1
    while read -r hex size; do
        [ -f "$hex" ] && [ "$(wc -c <"$hex")" -eq "$size" ] || return 1
    done
}
programs() { # LIST TREE IMAGE
    [ -f "$1" ] && [ -d "$3" ] && cd "$2" || return 1
    while IFS= read -r path; do [ -e "$path" ] || [ -L "$path" ] || return 1; done <"$1"
    newer=-newer
    find "$1" -cnewer "$1" && newer=-cnewer
    [ -z "$(find . ! -type d "$newer" "$1" | grep -Fxf "$1")" ]
}
"""


def held(
    transport: Transport, steps: Sequence[Step], *, resolve: Resolve, node: Node | None = None, limit: float = LIMIT
) -> frozenset[str]:
    """The ids of those of `steps`, all of one host, that need not be carried out there. Changes nothing.

    Raises `TransferFailed` when the host does not answer as it should.
    """
    if not steps:
        return frozenset()
    whole = Command(("sh", "-s"), timeout=60.0 + limit * len(steps))
    result = transport.run(whole, stdin=script(steps, resolve, node=node, limit=limit))
    return parse(result.stdout)


def script(steps: Sequence[Step], resolve: Resolve, *, node: Node | None = None, limit: float = LIMIT) -> bytes:
    """A script for ``sh -s`` that says on standard output which steps hold. It may contain secrets."""
    node = node or Node()
    asked = [_question(number, step, resolve, node, limit) for number, step in enumerate(steps)]
    return "".join([_START, _FUNCTIONS, *asked, "echo end >&3\n"]).encode()


def parse(output: str) -> frozenset[str]:
    """The ids in what the script of `script` said. Raises `TransferFailed` when it did not come to its end."""
    *lines, last = output.splitlines() or [""]
    if last != "end":
        raise TransferFailed(
            "the host did not answer which steps hold already", hint="see that /bin/sh there is a POSIX shell"
        )
    return frozenset(line.removeprefix("held ") for line in lines if line.startswith("held "))


def mark(step_id: str) -> str:
    """The name of the file in `Node.pending` that makes a step needed whatever its guard says."""
    return hashlib.sha256(step_id.encode()).hexdigest()[:32]


def _question(number: int, step: Step, resolve: Resolve, node: Node, limit: float) -> str:
    test = " && ".join(_tests(step, resolve, node, limit))
    if not test:
        return ""
    # A function, so that a here-document inside stands whole, and a subshell, so that no `cd` outlasts it.
    return f"ask{number}() {{\n{test}\n}}\n(ask{number}) && printf '%s\\n' {quote((f'held {step.id}',))} >&3\n"


def _tests(step: Step, resolve: Resolve, node: Node, limit: float) -> Iterator[str]:
    known = _known(step, resolve, node, limit)
    if known is None:
        return
    if step.after:
        yield f"[ ! -e {quote((f'{node.pending}/{mark(step.id)}',))} ]"
    yield known


def _known(step: Step, resolve: Resolve, node: Node, limit: float) -> str | None:
    """The test that holds when the step is not needed; None when it is needed always."""
    if step.unless is not None:
        return _command(step.unless, resolve, limit)
    match step.action:
        case PutText(path, parts, mode, owner):
            arguments = quote(("text", path, f"{mode:o}", owner))
            return _with_input(arguments, text(parts, resolve))
        case Receive(blobs):
            listed = "".join(f"{blob.digest.hex} {blob.size}\n" for blob in blobs)
            return _with_input(f"decode | {{ blobs {quote((str(node.blobs),))}; }}", listed.encode())
        case Unpack(cluster=cluster, image=image):
            places = (node.program_list(cluster, image), node.programs(cluster, image), node.image(image))
            return quote(("programs", *(str(place) for place in places)))
        case WaitFor(command):
            return _command(command, resolve, limit)
        case Run() | Fetch():
            return None
        case _:
            assert_never(step.action)


def _command(command: Command, resolve: Resolve, limit: float) -> str:
    bounded = f"within {min(limit, command.timeout):g} {quote(command.argv)}"
    if not command.secrets:
        return f"{bounded} </dev/null"
    return _with_input(f"decode | {bounded}", secret_lines(command, resolve))


def _with_input(test: str, content: bytes) -> str:
    encoded = base64.encodebytes(content).decode()
    return f"{{ {test}; }} <<'END-OF-INPUT'\n{encoded}END-OF-INPUT\n"


def secret_lines(command: Command, resolve: Resolve) -> bytes:
    """What a command gets on standard input: the values of its secrets, one a line."""
    return b"".join(resolve(name) + b"\n" for name in command.secrets)


def text(parts: Sequence[str | SecretRef], resolve: Resolve) -> bytes:
    """The content of a `PutText`."""
    return b"".join(resolve(part.name) if isinstance(part, SecretRef) else part.encode() for part in parts)
