"""The lease: one run at a time on a host, and no remote command twice side by side.

``/run/appliance/lease/`` is made atomically by mkdir. ``owner`` in it is one JSON line; ``process`` names the command
that runs, or ran last: its pid, its start time in clock ticks (proc(5), field 22), and a mark in its environment that
its children inherit. Killing the operator's side does not kill a remote command; the next run finds it here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from appliance.errors import ApplianceError, StateError
from appliance.transport.base import Command
from appliance.transport.hostfiles import get_file, put_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.clock import Clock
    from appliance.transport.base import CommandResult, Transport

FOLDER = "/run/appliance/lease"
PATIENCE = 60.0
"""Seconds that a command which an earlier run left behind may still take before it is ended."""

_LOST = "appliance: this host is no longer leased by run "
_LOST_STATUS = 75

_TAKE = """
set -eu
umask 077
owner=$(cat)
(umask 022; mkdir -p "${1%/*}")
if mkdir "$1" 2>/dev/null; then
    printf '%s\\n' "$owner" >"$1/owner.part"
    mv "$1/owner.part" "$1/owner"
    echo taken
else
    echo held
    cat "$1/owner" 2>/dev/null || :
fi
"""

_REPLACE = """
set -eu
umask 077
owner=$(cat)
mkdir -p "$1"
found=$(cat "$1/owner" 2>/dev/null) || found=
[ "$found" = "$2" ] || { echo changed; exit 0; }
printf '%s\\n' "$owner" >"$1/owner.part"
mv -f "$1/owner.part" "$1/owner"
echo taken
"""

_SETTLE = """
{ read -r pid began mark <"$1/process"; } 2>/dev/null || exit 0
alive() {
    { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
    set -- ${stat##*) }
    [ "${20}" = "$began" ] && [ "$1" != Z ]
}
pause() { sleep 0.2 2>/dev/null || sleep 1; }
signal() {
    for process in /proc/[0-9]*; do
        tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -qxF "APPLIANCE_COMMAND=$mark" || continue
        kill "-$1" "${process#/proc/}" 2>/dev/null
    done
}
turns=$2
while alive && [ "$turns" -gt 0 ]; do pause; turns=$((turns - 1)); done
alive || exit 0
signal TERM
turns=25
while alive && [ "$turns" -gt 0 ]; do pause; turns=$((turns - 1)); done
signal KILL
while alive; do pause; done
echo ended
"""

_RELEASE = """
{ read -r owner <"$1/owner"; } 2>/dev/null || exit 0
case $owner in *"\\"run\\":\\"$2\\""*) ;; *) exit 0 ;; esac
mv "$1" "$1.gone.$$" && rm -rf "$1".gone.*
rmdir "${1%/*}" 2>/dev/null || :
"""

_UNDER_LEASE = """
folder=$1 run=$2 pending=$3 marks=$4 done=$5
shift 5
{ read -r owner <"$folder/owner"; } 2>/dev/null || owner=
case $owner in
    *"\\"run\\":\\"$run\\""*) ;;
    *) echo "appliance: this host is no longer leased by run $run" >&2; exit 75 ;;
esac
twentieth() { shift 19; began=$1; }
read -r stat <"/proc/$$/stat"
twentieth ${stat##*) }
APPLIANCE_COMMAND=$run.$$.$began
export APPLIANCE_COMMAND
echo "$$ $began $APPLIANCE_COMMAND" >"$folder/process" || exit 74
if [ -n "$marks" ]; then
    (umask 077; mkdir -p "$pending" && cd "$pending" && for mark in $marks; do : >"$mark" || exit; done) || exit 74
fi
[ -n "$done" ] || exec "$@"
"$@"
status=$?
[ $status -ne 0 ] || rm -f "$pending/$done" || exit 74
exit $status
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease. `started` is RFC 3339; `home` names the operator's machine and state folder."""

    run: str
    operator: str
    cluster: str
    started: str
    home: str = ""

    def to_json(self) -> str:
        """The owner as one line."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Owner:
        """Read what `to_json` wrote; `StateError` for anything else."""
        try:
            document = json.loads(line)
            return cls(*(str(document[name]) for name in ("run", "operator", "cluster", "started", "home")))
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"the lease at {FOLDER} cannot be read", hint="ask who works there; --take-over"
            ) from error


def never(owner: Owner) -> bool:  # noqa: ARG001  (a rule that admits nobody)
    """The default rule of `take`: no other run's lease is resumed."""
    return False


def take(
    transport: Transport,
    owner: Owner,
    *,
    clock: Clock,
    may_resume: Callable[[Owner], bool] = never,
    seize: bool = False,
    patience: float = PATIENCE,
) -> None:
    """Lease the host to `owner`, and wait for, or end, the command that an earlier run left there.

    A lease of the same run, one that `may_resume` admits, and with `seize` any, is taken over. Raises `StateError`
    naming the operator and run that hold it otherwise.
    """
    holder = _try(transport, owner)
    if holder == "":  # between mkdir and the owner's name: look again; then its maker died there
        clock.sleep(1.0)
        holder = _try(transport, owner)
    if holder is None:
        return
    if holder and not seize:
        found = Owner.from_json(holder)
        if found.run != owner.run and not may_resume(found):
            raise foreign(found)
    answer = _answer(transport, _REPLACE, holder, stdin=owner.to_json())
    if answer != "taken":
        raise StateError("another run took the lease at the same moment", hint="see `appliance status`")
    settle(transport, patience=patience)


def _try(transport: Transport, owner: Owner) -> str | None:
    """Take a free lease; None when it was free, else its owner's line, which is empty while it is being made."""
    first, _, rest = _answer(transport, _TAKE, stdin=owner.to_json()).partition("\n")
    return None if first == "taken" else rest.strip()


def foreign(owner: Owner) -> StateError:
    """The refusal to work on a host that `owner` leases."""
    return StateError(
        f"leased by {owner.operator} for run {owner.run} of cluster {owner.cluster}, since {owner.started}",
        hint="wait for that run, or `appliance attach` to it; if it is dead, --take-over",
    )


def settle(transport: Transport, *, patience: float) -> None:
    """Wait up to `patience` seconds for the recorded command to end, then end it and its children."""
    turns = str(int(patience * 5))
    _answer(transport, _SETTLE, turns, timeout=patience * 5 + 120)


def inspect(transport: Transport) -> Owner | None:
    """Who leases the host."""
    line = _answer(transport, 'cat "$1/owner" 2>/dev/null || :')
    return Owner.from_json(line) if line else None


def release(transport: Transport, run: str) -> None:
    """Give the host back, if `run` has it."""
    _answer(transport, _RELEASE, run)


def _answer(transport: Transport, script: str, *arguments: str, stdin: str = "", timeout: float = 60.0) -> str:
    result = transport.run(Command.shell(script, FOLDER, *arguments, timeout=timeout), stdin=stdin.encode())
    if not result.ok:
        raise ApplianceError(f"cannot work with {FOLDER}: {result.stderr.strip() or f'status {result.status}'}")
    return result.stdout.strip()


@dataclass(frozen=True, slots=True)
class Leased:
    """A `Transport` whose every command runs under the lease of `run`, and is recorded there.

    `marks` are names that are put into the folder `pending` before a command begins; `done` is one that is taken out
    when a command has succeeded, by that very command. See `Step.after`.
    """

    transport: Transport
    run_id: str
    pending: str
    marks: tuple[str, ...] = field(default=())
    done: str = ""

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        """See `Transport.run`. Raises `StateError` when the lease is another's by now; then nothing was run."""
        wrapped = Command.shell(
            _UNDER_LEASE,
            FOLDER,
            self.run_id,
            self.pending,
            " ".join(self.marks),
            self.done,
            *command.argv,
            timeout=command.timeout,
        )
        result = self.transport.run(wrapped, stdin=stdin, output=output)
        if result.status == _LOST_STATUS and _LOST + self.run_id in result.stderr:
            holder = inspect(self.transport)
            raise foreign(holder) if holder else StateError("the lease is gone", hint="run the command again")
        return result

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        """See `Transport.put`."""
        put_file(self, source, path, mode=mode, owner=owner, where="")

    def get(self, path: str, *, limit: int) -> bytes:
        """See `Transport.get`."""
        return get_file(self, path, limit=limit, where="")
