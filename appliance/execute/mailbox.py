"""The worker's only input: a 0600 Unix socket in the run's folder, one JSON line in, one JSON line back."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from appliance import errors
from appliance.errors import ApplianceError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME = "control"
LONGEST_MESSAGE = 16 << 20
SECONDS = 30.0
"""How long either side waits for the other's line."""


@contextlib.contextmanager
def _short(folder: Path, name: str) -> Iterator[str]:
    """The socket's path in a form that fits the 107 bytes of a `sockaddr_un`, however deep the folder lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[socket.socket]:
    """The socket, which has its name only when it accepts; gone with the block. What a dead worker left is replaced."""
    path, unready = folder / NAME, folder / f".{NAME}"
    unready.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            with _short(folder, unready.name) as short:
                listener.bind(short)
        finally:
            os.umask(before)
        listener.listen(16)
        unready.replace(path)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def ask(folder: Path, message: Mapping[str, Any], *, seconds: float = SECONDS) -> dict[str, Any]:
    """Send one message to the worker of a run and return its answer.

    Raises the error that it answers with, and `StateError` when nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, _nobody(folder):
        line.settimeout(seconds)
        with _short(folder, NAME) as short:
            line.connect(short)
        line.sendall(json.dumps(message).encode() + b"\n")
        answer = receive(line)
    if "error" in answer:
        raise _restored(answer["error"])
    return answer


@contextlib.contextmanager
def _nobody(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StateError(
            f"no worker listens in {folder}", hint="the run is over, or its worker died; start the operation again"
        ) from error


def receive(line: socket.socket) -> dict[str, Any]:
    """One message from a connection; `ValueError` for what is none, `OSError` when it does not come in time."""
    with line.makefile("rb") as reader:
        text = reader.readline(LONGEST_MESSAGE)
    if not text.endswith(b"\n"):
        raise ValueError("the message is not whole")
    match json.loads(text):
        case dict() as message:
            return message
        case _:
            raise ValueError("the message is not an object")


def answer(line: socket.socket, error: ApplianceError | None = None) -> None:
    """Say that it is well, or what is not. One who has left does not hear it."""
    document: dict[str, Any] = {"ok": True}
    if error:
        document = {"error": {"kind": error.kind, "message": error.message, "hint": error.hint, "where": error.where}}
    with contextlib.suppress(OSError):
        line.sendall(json.dumps(document).encode() + b"\n")


def _restored(error: Mapping[str, str]) -> ApplianceError:
    kinds: dict[str, type[ApplianceError]] = {
        "StateError": errors.StateError,
        "PlanError": errors.PlanError,
        "TransportError": errors.TransportError,
    }
    kind = kinds.get(error["kind"], ApplianceError)
    return kind(error["message"], hint=error["hint"], where=error["where"])
