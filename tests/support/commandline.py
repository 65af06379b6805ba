"""The command line as a document, out of click's own tree: `docs/cli.md`, and what other pages are held against.

``python tests/support/commandline.py`` prints the page; `scripts/docs` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance import errors
from appliance.cli.main import _meant, cli
from appliance.cli.options import EVERYWHERE, Option, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEANINGS = {
    0: "done; also when there was nothing to do",
    1: "anything else: a full disk, a missing program; `status` when a host is not well; an internal error",
    2: "wrong usage, or a recipe, Clusterfile or parameter that cannot be used",
    3: "not a bundle, damaged, or not signed by whom this site believes; `show` of an unverified bundle",
    4: "a host is not fit; `preflight` when a check fails",
    5: "no way from here to there, or the site changed since the plan was shown",
    6: "the run failed on at least one host; the report says where and why",
    7: "no host could be reached or entered, or one showed another key than the pinned one; a registry that fails",
    8: "state on disk or on a host forbids it: unreadable, of a newer format, no such cluster or run",
    9: "no such plug-in",
    130: "ended by Ctrl-C, SIGTERM, or `attach RUN cancel`",
}
_HEAD = """\
# The command line

Made from the program itself by `scripts/docs`; a test compares the two. Each command also says this with `--help`.

A bundle that is started as a program, `sh NAME.run COMMAND …`, takes the same commands; those with a `BUNDLE`
argument then mean that very bundle, and `BUNDLE` is left out. Without arguments, on a terminal, it checks itself and
says what one can do next; `sh NAME.run --extract-only FOLDER` writes what it holds below FOLDER and starts nothing.
"""
_EVERYWHERE = """\
Results go to stdout; progress, warnings and questions to stderr. `-o json` prints one document at the end, `-o jsonl`
each event as a line when it happens and the result last. An error is then one object on stdout:
`{"error": {"kind", "message", "hint", "where"}}`.

Without a terminal nothing is asked: what destroys needs `--yes` (else 2), and new host keys need `--host-keys` or
`--accept-new-host-keys` (else 7).

Passwords are never arguments. Each comes from its `--…-file` (`-` is stdin), else from the environment
(`APPLIANCE_SSH_PASSWORD`, `APPLIANCE_BECOME_PASSWORD`, `APPLIANCE_KEY_PASSPHRASE`, `APPLIANCE_REGISTRY_PASSWORD`); the
`--ask-…` options and `login` ask for it on the terminal.

Other variables: `APPLIANCE_HOME`, `APPLIANCE_STORE`, `NO_COLOR`; `DOCKER_CONFIG` (registries);
`SOURCE_DATE_EPOCH` (`build`, `bundle`); `APPLIANCE_TMPDIR` (where a `.run` unpacks its installer);
`APPLIANCE_DEBUG=1` (a traceback, not "internal error").
"""
_STUB = """\
A `.run` itself ends with 3 when it is truncated or its installer is damaged, and with 10 when it cannot start on this
machine (system, architecture, missing programs, no folder to unpack into).
"""


def root() -> click.Context:
    """A context for the whole command line, as outside a bundle."""
    return click.Context(cli, info_name="appliance", obj=Session(), **cli.context_settings)


def commands(context: click.Context | None = None) -> Iterator[click.Context]:
    """A context for each command that people may call, in the order of ``--help``; groups before what is in them."""
    context = context or root()
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner
        if isinstance(command, click.Group):
            yield from commands(inner)


def help_of_root() -> str:
    """What ``appliance --help`` prints."""
    return root().get_help()


def parse(words: Sequence[str], *, bundle: bool = False) -> click.Context:
    """Parse what comes after ``appliance`` (or, with `bundle`, after a ``.run``) and carry nothing out.

    `click.UsageError` for a command or option that there is not, and for arguments that are missing or too many.
    """
    context = click.Context(cli, info_name="appliance", obj=Session(bundle=Path("x.run") if bundle else None))
    left = _meant(list(words), context.obj)
    while isinstance(context.command, click.Group):
        _, left, _ = context.command.make_parser(context).parse_args(left)
        if not left:
            return context
        name, command, left = context.command.resolve_command(context, left)
        assert command is not None
        if not isinstance(command, click.Group):
            return command.make_context(name, left, parent=context)
        context = click.Context(command, info_name=name, parent=context)
    return context


def exit_codes() -> dict[int, list[str]]:
    """The errors' names by exit code."""
    kinds: dict[int, list[str]] = {}
    waiting: list[type[errors.ApplianceError]] = [errors.ApplianceError]
    while waiting:
        kind = waiting.pop(0)
        kinds.setdefault(kind.exit_code, []).append(kind.__name__)
        waiting += [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    return kinds


def reference() -> str:
    """The page."""
    kinds = exit_codes()
    rows = [f"| {code} | {MEANINGS[code]} | {_names(kinds.get(code, []))} |" for code in MEANINGS]
    codes = "\n".join(["| code | when | `kind` in JSON |", "|---|---|---|", *rows]) + "\n"
    parts = [_HEAD, "## Everywhere\n", _table(root(), EVERYWHERE), _EVERYWHERE]
    shared: dict[str, click.Context] = {}
    for context in commands():
        for title in _sections(context):
            shared.setdefault(title, context)
    for title, context in shared.items():
        if title not in ("", EVERYWHERE):
            parts += [f"## {title}\n", _table(context, title)]
    parts += ["## Exit codes\n", codes, _STUB]
    parts += [_section(context) for context in commands()]
    return "\n".join(parts)


def _section(context: click.Context) -> str:
    name = context.command_path
    if isinstance(context.command, click.Group):
        return f"## `{name}`\n\n{_text(context.command)}"
    level = "###" if context.parent and context.parent.parent else "##"
    usage = " ".join(context.command.collect_usage_pieces(context))
    return "\n".join(
        filter(None, [f"{level} `{name}`\n", f"    {name} {usage}\n", _text(context.command), _options(context)])
    )


def _text(command: click.Command) -> str:
    return "\n\n".join(_paragraph(" ".join(text.split())) for text in (command.help or "").split("\n\n")) + "\n"


def _paragraph(text: str) -> str:
    """Prose, or the examples with which a help text ends, as code."""
    title, colon, examples = text.partition(": ")
    if title not in ("Example", "Examples"):
        return text
    return title + colon + "; ".join(f"`{example}`" for example in examples.split("; "))


def _options(context: click.Context) -> str:
    """The command's own options, and where those stand that others have, too."""
    shared = [title for title in _sections(context) if title not in ("", EVERYWHERE)]
    links = ", ".join(f"[{title.lower()}](#{title.lower().replace(' ', '-')})" for title in shared)
    return "\n".join(filter(None, [_table(context, ""), f"Also: {links}.\n" if links else ""]))


def _sections(context: click.Context) -> dict[str, list[click.Option]]:
    """A command's options by the title under which help has them; its own have none."""
    sections: dict[str, list[click.Option]] = {}
    for parameter in context.command.get_params(context):
        if isinstance(parameter, click.Option):
            general = EVERYWHERE if parameter.is_eager else ""
            title = parameter.section if isinstance(parameter, Option) else general
            sections.setdefault(title, []).append(parameter)
    return sections


def _table(context: click.Context, title: str) -> str:
    rows = []
    for option in _sections(context).get(title, []):
        if record := option.get_help_record(context):
            written, text = (" ".join(part.replace("|", "\\|").split()) for part in record)
            rows.append(f"| `{written}` | {text} |")
    return "\n".join(["| option | |", "|---|---|", *rows]) + "\n" if rows else ""


def _names(kinds: Sequence[str]) -> str:
    return ", ".join(f"`{kind}`" for kind in kinds)


if __name__ == "__main__":
    sys.stdout.write(reference())
