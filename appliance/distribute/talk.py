"""What chain and swarm have in common at the operator's: how hosts reach each other, and one host's talk.

When a host says that another sent it wrong bytes, one of the two is broken, and nobody can tell which: what is right
came from the operator, and TLS let no third one in. So that host takes no more from the other, both are named in the
report, and neither fails. When a second host says the same of it, the accused gives no more to anybody, and fails.
Who wrongly accuses several is parted from them all, and gets the rest from the operator: then its own word shows it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.distribute import words
from appliance.errors import TransferFailed
from appliance.trust import issue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.clock import Clock
    from appliance.distribute.base import Hearing
    from appliance.image.blobs import Blob
    from appliance.trust.issue import Issued

PING_SECONDS = 2.0
GIVEN_UP_SECONDS = 120.0
"""A helper that was silent for so long is not waited for any longer; one that is well speaks twice a second."""
VALID_DAYS = 2
WITNESSES = 2
"""So many hosts must say of another that it lies, before it fails for that."""
_ONE_IS_BROKEN = "check the memory and disk of both, and who works there"


@dataclass(frozen=True, slots=True)
class Way:
    """How hosts reach each other: the address of each by its name (none: others cannot), one port, bits a second."""

    addresses: Mapping[str, str]
    port: int
    bandwidth: int = 0

    def address(self, host: str, ready: words.Ready) -> str:
        """Where others reach `host`, which may know an address of its own better; empty if they do not."""
        known = self.addresses.get(host, "")
        return "" if ready.deaf or not known else words.address_said(ready.address) or known


class Authority:
    """What certifies one run's peers: made when it is first asked, never outside this process's memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: Issued | None = None

    def identity(self, request: str, *, name: str) -> words.Identity:
        """A certificate of `name` for who made `request`, with the authority's own; both PEM. One caller at a time."""
        today = self._clock.now()
        self._issued = self._issued or issue.authority("one run's peers", now=today, days=VALID_DAYS)
        certificate = issue.answer(self._issued, request, name=name, now=today, days=VALID_DAYS)
        return words.Identity(certificate.decode(), self._issued.certificate_pem.decode(), name)


@dataclass(slots=True, eq=False, kw_only=True)
class Talk:
    """The operator's side of one host: what it shall have, what it is told, and what it said.

    `missing` are those of its blobs that it had not when it was ready; `given` are bytes that went to it from here,
    `spoke` is when anything did; `accusers` say that they got other bytes from it than it was given, of `accused` it
    says that. Who is `closed` is gone.
    """

    host: str
    blobs: tuple[Blob, ...]
    hearing: Hearing
    missing: tuple[Blob, ...] = ()
    orders: deque[words.Order] = field(default_factory=deque)
    given: int = 0
    spoke: float = 0.0
    accusers: set[str] = field(default_factory=set)
    accused: list[Talk] = field(default_factory=list)
    ending: bool = False
    closed: bool = False

    @property
    def total(self) -> int:
        """Bytes that the host shall have."""
        return sum(blob.size for blob in self.blobs)

    @property
    def held(self) -> int:
        """Bytes that it had when it began."""
        return self.total - sum(blob.size for blob in self.missing)

    def end(self) -> None:
        """Tell the host, once, that it is over."""
        if not self.ending:
            self.ending = True
            self.orders.append(words.End())

    @property
    def lied(self) -> bool:
        """Whether enough others got wrong bytes from this one."""
        return len(self.accusers) >= WITNESSES

    def accuse(self, giver: Talk) -> bool:
        """Hear that this host got wrong bytes from `giver`; whether that is new."""
        if self.host in giver.accusers:
            return False
        giver.accusers.add(self.host)
        self.accused.append(giver)
        return True

    def judge(self) -> None:
        """Note what stands between this host and another. Raises `TransferFailed` when it lied."""
        says = " and ".join(sorted(self.accusers))
        if self.lied:
            raise TransferFailed(
                f"it passed on other bytes than it was given, say {says}",
                hint="check the host's memory and disk, and who works there; then run the command again",
            )
        if says:
            self.hearing.note(f"passed on other bytes than it was given, says {says} alone; {_ONE_IS_BROKEN}")
        if doubted := [giver.host for giver in self.accused if not giver.lied]:
            self.hearing.note(f"says alone that {' and '.join(doubted)} passed on other bytes; {_ONE_IS_BROKEN}")
