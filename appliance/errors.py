"""Every error that leaves a room, and the exit code that it becomes.

::

    ApplianceError            1
    ├─ RecipeError            2   Kubefile, bundle.yaml, Clusterfile: file:line or field path
    ├─ BundleError            3   not a bundle, truncated, part missing
    │  └─ VerificationError   3   not what a trusted key signed
    ├─ PreflightFailed        4   holds the check results
    ├─ PlanError              5   cannot get from here to there; the site changed since it was shown
    ├─ RunFailed              6   holds the report
    ├─ TransportError         7   no host could be reached
    │  ├─ Unreachable
    │  │  └─ TimedOut             a command did not end in its time; the line still stands
    │  ├─ AuthRefused
    │  ├─ HostKeyChanged
    │  └─ TransferFailed
    ├─ StateError             8   leased by another run, unreadable, newer format
    ├─ PluginError            9   no such plug-in
    └─ Cancelled            130   Ctrl-C or SIGTERM

Usage errors (2) belong to the command line. A message is one sentence: what failed; `where` is a host, a
``file:line`` or a field path; `hint` is the next action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApplianceError(Exception):
    """The root of the tree; front ends catch this one."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    @property
    def kind(self) -> str:
        """The class's name, as machines see it in JSON."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class RecipeError(ApplianceError):
    """What the packager or operator wrote cannot be used."""

    exit_code = 2


class BundleError(ApplianceError):
    """Not a bundle, truncated, or a part of it is missing."""

    exit_code = 3


class VerificationError(BundleError):
    """Not what a trusted key signed."""


class PreflightFailed(ApplianceError):
    """Some hosts are not fit; `results` are the check results."""

    exit_code = 4

    def __init__(self, message: str, *, results: Sequence[object], hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.results = tuple(results)


class PlanError(ApplianceError):
    """There is no way from here to there, or the site changed since the plan was shown."""

    exit_code = 5


class RunFailed(ApplianceError):
    """Steps failed on some hosts; `report` says which."""

    exit_code = 6

    def __init__(self, message: str, *, report: object, hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.report = report


class TransportError(ApplianceError):
    """A host could not be used."""

    exit_code = 7


class Unreachable(TransportError):
    """No answer, or the connection was cut."""


class TimedOut(Unreachable):
    """A command did not end in its time; the connection still stands, and the command may still run."""


class AuthRefused(TransportError):
    """The host refused the user, the key, the password or sudo."""


class HostKeyChanged(TransportError):
    """The host's key is not the pinned one."""


class TransferFailed(TransportError):
    """Bytes did not arrive as they were sent."""


class StateError(ApplianceError):
    """State on disk or on a host forbids this: leased, unreadable, or of a newer format."""

    exit_code = 8


class PluginError(ApplianceError):
    """No such plug-in; the message names those installed."""

    exit_code = 9


class Cancelled(ApplianceError):
    """A person or a signal ended this."""

    exit_code = 130
