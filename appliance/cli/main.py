"""The root command: which commands there are, where each is written, and how an error becomes an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

import click

from appliance.cli import prompts
from appliance.cli.options import Group, Session, common
from appliance.cli.output import Format, Output
from appliance.cli.text import abandon, fit_streams
from appliance.errors import ApplianceError, Cancelled

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from appliance.cli.options import Guide

# section → command → module, attribute, one line of help; modules are imported only when their command is called
_PACKAGER, _OFFICER, _OPERATOR, _REHEARSAL, _HIDDEN = "Packager", "Security officer", "Operator", "Rehearsal", ""
_SECTIONS = {
    _PACKAGER: {
        "build": ("packager", "build", "Build a cluster image from a Kubefile."),
        "find-images": ("find_images", "find_images", "Say which container images files need, and why."),
        "images": ("images", "images", "List the cluster images in the store."),
        "inspect": ("images", "inspect", "Show what a cluster image holds."),
        "diff": ("store", "diff", "Show what differs between two images."),
        "tag": ("store", "tag", "Give an image another name."),
        "rmi": ("store", "rmi", "Take names of images away."),
        "prune": ("store", "prune", "Remove what no image has."),
        "save": ("store", "save", "Write an image as a file or folder."),
        "load": ("store", "load", "Take a saved image in."),
        "login": ("registries", "login", "Say who we are at a registry."),
        "logout": ("registries", "logout", "Forget who we are at a registry."),
        "push": ("registries", "push", "Bring an image to a registry."),
        "pull": ("registries", "pull", "Bring an image from a registry."),
        "key": ("keys", "key", "Make and look at signing keys."),
        "bundle": ("packager", "bundle", "Write a signed, self-extracting bundle."),
    },
    _OFFICER: {
        "verify": ("officer", "verify", "Check a bundle: every byte, signature and policy."),
        "show": ("show", "show", "Look inside a bundle; nothing of it is run."),
        "sign": ("signing", "sign", "Countersign a bundle, or attach signatures."),
        "install-tool": ("bundled", "install_tool", "Put a permanent appliance on this machine."),
        "trust": ("believing", "trust", "Say whom this site believes."),
    },
    _OPERATOR: {
        "tui": ("guide", "tui", "Be guided through a delivery."),
        "scan": ("scan", "scan", "Find SSH hosts: ranges, or a list."),
        "preflight": ("operator", "preflight", "Check whether the hosts are fit."),
        "plan": ("operator", "plan", "Say what apply would do; change nothing."),
        "apply": ("operator", "apply", "Make the site what Clusterfile and image say."),
        "run": ("operator", "run", "Install on the named hosts: the one-liner."),
        "attach": ("runs", "attach", "Follow a run that goes on without a terminal."),
        "status": ("runs", "status", "Say what is installed where, and how it is."),
        "reset": ("operator", "reset", "Take off the hosts what was installed."),
        "runs": ("runs", "runs", "List what was done, when and by whom."),
        "report": ("runs", "report", "Show the report of a run."),
        "completion": ("completion", "completion", "Print the completion script for a shell."),
    },
    _REHEARSAL: {
        "lab": ("lab", "lab", "Hosts on this machine to rehearse on."),
    },
    _HIDDEN: {
        "run-worker": ("worker", "run_worker", ""),
        "welcome": ("bundled", "welcome", ""),
        "extract-only": ("bundled", "extract_only", ""),
    },
}
_COMMANDS = {name: place for section in _SECTIONS.values() for name, place in section.items()}


class Commands(Group):
    """Finds commands in `_COMMANDS`, and says how a bundle that was started as a program is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command that is meant for people."""
        return [name for title, section in _SECTIONS.items() if title != _HIDDEN for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"appliance.cli.{module}"), attribute)
        return found if isinstance(found, click.Command) else None

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what this is; in a bundle, what that is."""
        session = ctx.find_object(Session)
        bundled = _BUNDLED.format(ctx.info_name) if session and session.bundle else ""
        formatter.write(f"\n{bundled or _HELP}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them; in a bundle, those that are for its destination."""
        session = ctx.find_object(Session)
        bundled = bool(session and session.bundle)
        for title, section in _SECTIONS.items():
            if title != _HIDDEN and not (bundled and title in (_PACKAGER, _REHEARSAL)):
                with formatter.section(title):
                    formatter.write_dl([(name, text) for name, (_, _, text) in section.items()])


READER_LEFT = 141
"""What a shell says of a program that SIGPIPE ended."""

_HELP = """\
  Build, sign, carry in and install whole clusters where there is no network.

    appliance build -t etcd:1.0.0 bundles/etcd
    appliance bundle etcd:1.0.0 -O out --key keys/signer-key.pem
    appliance verify etcd-1.0.0-linux-amd64.run --trust root.pem
    sh etcd-1.0.0-linux-amd64.run run --hosts etcd=10.0.0.11-10.0.0.13

  Exit codes: 0 done, 1 other, 2 usage or recipe, 3 bundle not verified,
  4 preflight, 5 plan, 6 run, 7 transport, 8 state, 9 plug-in, 130 cancelled.
"""
_BUNDLED = """\
  A delivery that installs itself on other hosts, over SSH and without a network.

    {0} verify --trust root.pem
    {0} show contents --trust root.pem
    {0} run --hosts ROLE=ADDRESSES --trust root.pem
    {0} --extract-only FOLDER --trust root.pem

  Exit codes: 0 done, 1 other, 2 usage or recipe, 3 bundle not verified,
  4 preflight, 5 plan, 6 run, 7 transport, 8 state, 9 plug-in, 10 cannot start
  on this machine, 130 cancelled.
"""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="appliance", message="appliance %(version)s", help="the version")
@common
def cli() -> None:
    """Build, sign, carry in and install whole clusters where there is no network."""


def run(args: list[str], *, bundle: Path | None, guide: Guide | None = None) -> int:
    """Carry out one command line; the exit code. `guide` is for `tui`. No traceback leaves this function."""
    fit_streams()
    signal.signal(signal.SIGTERM, _terminated)
    name = f"./{bundle.name}" if bundle else "appliance"
    session = Session(bundle=bundle, output=Output(format=_asked_format(args), program=name), guide=guide)
    try:
        return _invoke(_meant(args, session), session, name)
    except BrokenPipeError:
        abandon(sys.stdout, sys.stderr)
        return READER_LEFT
    except Exception as error:  # the last door: a person gets a sentence, whatever it was
        if os.environ.get("APPLIANCE_DEBUG"):
            raise
        return session.output.fail(
            ApplianceError(
                f"internal error: {type(error).__name__}: {error}",
                hint="set APPLIANCE_DEBUG=1 to see where, and report it with the bundle's name and version",
            )
        )
    finally:
        session.output.close()


def _meant(args: list[str], session: Session) -> list[str]:
    """What the command line means: nothing, on a terminal, asks to be guided; a bundle's option can be a command."""
    if not args and prompts.interactive():
        if session.guide and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
            return ["tui"]
        return ["welcome"] if session.bundle else args
    if session.bundle and any(word.partition("=")[0] == "--extract-only" for word in args):
        return ["extract-only", *args]
    return args


def _invoke(args: list[str], session: Session, name: str) -> int:
    try:
        status = cli.main(args=args, prog_name=name, standalone_mode=False, obj=session)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        return session.output.usage(error)
    except click.ClickException as error:
        return session.output.fail(ApplianceError(error.format_message()))
    except ApplianceError as error:
        if os.environ.get("APPLIANCE_DEBUG"):
            traceback.print_exception(error)
        return session.output.fail(error)
    except (click.Abort, KeyboardInterrupt):
        return session.output.fail(Cancelled("cancelled"))
    return status if isinstance(status, int) else 0


def _asked_format(args: list[str]) -> Format:
    """The format asked for, before anything is parsed: a usage error, too, is said in it."""
    for position, word in enumerate(args):
        value = word.partition("=")[2] if word.startswith("--output=") else word.removeprefix("-o")
        if word in ("-o", "--output") and position + 1 < len(args):
            value = args[position + 1]
        if value in set(Format):
            return Format(value)
    return Format.TEXT


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise Cancelled(f"ended by {signal.Signals(number).name}")
