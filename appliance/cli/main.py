"""The root command: which commands there are, where each is written, and how an error becomes an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from appliance.cli.options import Session, common
from appliance.cli.output import Format, Output
from appliance.errors import ApplianceError, Cancelled

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

# command → module, attribute, one line of help; modules are imported only when their command is called
_COMMANDS = {
    "build": ("packager", "build", "Build a cluster image from a Kubefile."),
    "images": ("packager", "images", "List the cluster images in the store."),
    "inspect": ("packager", "inspect", "Show what a cluster image holds."),
    "bundle": ("packager", "bundle", "Write a signed, self-extracting bundle from an image."),
    "key": ("keys", "key", "Make and look at signing keys."),
    "trust": ("officer", "trust", "Say whom this site believes."),
    "verify": ("officer", "verify", "Check a bundle: every byte, signature and policy."),
    "show": ("show", "show", "Look inside a bundle without running any of it."),
    "scan": ("operator", "scan", "Find SSH hosts in address ranges."),
    "preflight": ("operator", "preflight", "Check whether the hosts are fit."),
    "plan": ("operator", "plan", "Say what apply would do; change nothing."),
    "apply": ("operator", "apply", "Make the site what the Clusterfile and the image say."),
    "run": ("operator", "run", "Install on the named hosts: the one-liner."),
    "reset": ("operator", "reset", "Take off the hosts what was installed."),
    "attach": ("runs", "attach", "Follow a run that goes on without a terminal."),
    "status": ("runs", "status", "Say what is installed where, and how it is."),
    "runs": ("runs", "runs", "List what was done, when and by whom."),
    "report": ("runs", "report", "Show the report of a run."),
    "lab": ("lab", "lab", "Hosts on this machine to rehearse on."),
    "completion": ("completion", "completion", "Print the completion script for a shell."),
    "run-worker": ("worker", "run_worker", ""),
}
_HIDDEN = {"run-worker"}
_TAKES_BUNDLE = {"verify", "show", "preflight", "plan", "apply", "run"}


class Commands(click.Group):
    """Finds commands in `_COMMANDS`; in a self-extracting bundle, puts that bundle in its place among the arguments."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command that is meant for people."""
        return [name for name in _COMMANDS if name not in _HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"appliance.cli.{module}"), attribute)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Put the bundle that we were started from before the other arguments of a command that takes one."""
        name, command, rest = super().resolve_command(ctx, args)
        session = ctx.find_object(Session)
        if session and session.bundle and name in _TAKES_BUNDLE:
            rest = [str(session.bundle), *rest]
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="appliance", message="appliance %(version)s")
@common
def cli() -> None:
    """Build, sign, carry in and install whole clusters where there is no network.

    \b
    Packager   appliance build -t etcd:1.0.0 bundles/etcd
               appliance bundle etcd:1.0.0 -O out --key keys/signer-key.pem
    Officer    appliance verify etcd-1.0.0-linux-amd64.run --trust root.pem
    Operator   sh etcd-1.0.0-linux-amd64.run run --hosts etcd=10.0.0.11-10.0.0.13 --user ops --trust root.pem

    Exit codes: 0 done, 1 other, 2 usage or recipe, 3 bundle not verified, 4 preflight, 5 plan, 6 run, 7 transport,
    8 state, 9 plug-in, 130 cancelled.
    """  # noqa: D301  (click reads \b as "keep these lines")


def run(args: list[str], *, bundle: Path | None) -> int:
    """Carry out one command line; the exit code. No traceback leaves this function."""
    session = Session(bundle=bundle, output=Output(format=_asked_format(args)))
    signal.signal(signal.SIGTERM, _terminated)
    name = f"./{bundle.name}" if bundle else "appliance"
    try:
        return _invoke(args, session, name)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # the last door: a person gets a sentence, whatever it was
        if os.environ.get("APPLIANCE_DEBUG"):
            raise
        return session.output.fail(
            ApplianceError(
                f"internal error: {type(error).__name__}: {error}",
                hint="set APPLIANCE_DEBUG=1 to see where, and report it with the bundle's name and version",
            )
        )


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
        return session.output.fail(error)
    except (click.Abort, KeyboardInterrupt):
        return session.output.fail(Cancelled("cancelled"))
    return status if isinstance(status, int) else 0


def _asked_format(args: list[str]) -> Format:
    """The format asked for, before anything is parsed: a usage error, too, is said in it."""
    for position, word in enumerate(args):
        value = word.partition("=")[2] if word.startswith("--output=") else ""
        if word in ("-o", "--output") and position + 1 < len(args):
            value = args[position + 1]
        if value in set(Format):
            return Format(value)
    return Format.TEXT


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise Cancelled(f"ended by {signal.Signals(number).name}")
