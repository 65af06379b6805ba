"""``policy.json``: what must hold besides that signatures are good (docs/formats/signatures.md).

A policy with a field that is not known here is refused: it may ask for more than is checked.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import StateError
from appliance.trust import certificates
from appliance.trust.algorithms import KeyType, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

FORMAT = 1
VENDOR = "vendor"
"""The role of those whose signatures are in the bundle itself."""

MAX_ROLES = 8
ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")

T = TypeVar("T")


class SelfRun(enum.StrEnum):
    """What a bundle may do that was started as a program: judge itself, or not."""

    ALLOW = "allow"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many distinct keys must sign in a role, and by which anchors; none named: by any."""

    role: str
    at_least: int
    anchors: frozenset[Digest] = frozenset()

    def counts(self, role: str, anchors: Collection[Digest]) -> bool:
        """Whether a key that these anchors vouch for counts here for what it signed in `role`."""
        return role == self.role and (not self.anchors or not self.anchors.isdisjoint(anchors))


@dataclass(frozen=True, slots=True)
class Policy:
    """What must hold besides that signatures are good.

    `algorithms`: kinds of key that may sign or certify, none named: all. `hybrid`: each threshold must be met twice, by
    ML-DSA keys and by others. `minimum_epochs`: by product. `max_unstamped_days`: for how long after a signer's
    certificate expired its own word for the time of signing counts. `warn_after_days`, `fail_after_days`: the age of
    the newest signature, None: any. `expires`: when this policy is to be replaced; it stays in force and loads a
    successor.
    """

    thresholds: tuple[Threshold, ...] = (Threshold(VENDOR, 1),)
    max_unstamped_days: int = 0
    algorithms: frozenset[KeyType] = frozenset()
    hybrid: bool = False
    minimum_epochs: tuple[tuple[str, int], ...] = ()
    self_run: SelfRun = SelfRun.ALLOW
    warn_after_days: int | None = None
    fail_after_days: int | None = None
    expires: datetime | None = None

    def minimum_epoch(self, product: str) -> int:
        """The lowest epoch of a product that may be installed."""
        return dict(self.minimum_epochs).get(product, 0)

    def allows(self, key: object) -> bool:
        """Whether a public key's kind may sign or certify."""
        if not self.algorithms:
            return True
        try:
            return type_of(key) in self.algorithms
        except ValueError:
            return False

    def too_old(self, signed: datetime, now: datetime) -> bool:
        """Whether the policy refuses what was signed then."""
        return self.fail_after_days is not None and now - signed > timedelta(days=self.fail_after_days)

    def ages(self, signed: datetime, now: datetime) -> bool:
        """Whether the policy warns of what was signed then."""
        return self.warn_after_days is not None and now - signed > timedelta(days=self.warn_after_days)


def require_role(role: str) -> str:
    """The role, if it can be one; `ValueError` otherwise."""
    if not ROLE.fullmatch(role):
        raise ValueError(f"{role[:40]!r} is not a role: lower-case letters, digits and hyphens, at most 32")
    return role


def parse(data: bytes, *, source: str) -> Policy:
    """Read ``policy.json``; `StateError` when it is not one, is of a newer format, or asks for what is unknown here."""
    try:
        document = dict(canonical.loads(data, limit=certificates.FILE_BYTES))
        number = document.pop("format")
        if number != FORMAT:
            raise _unknown(f"format {number}", source)
        policy = _policy(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"the policy cannot be used: {error}", where=source, hint="docs/formats/signatures.md has its fields"
        ) from error
    if document:
        raise _unknown(", ".join(document), source)
    return policy


def _unknown(what: str, source: str) -> StateError:
    return StateError(
        f"the policy asks for what this version does not know: {what}", where=source, hint="update appliance"
    )


def _policy(document: dict[str, Any]) -> Policy:
    """The policy; what was understood is taken out of `document`."""

    def taken(name: str, read: Callable[[Any], T], default: T) -> T:
        return read(document.pop(name)) if name in document else default

    return Policy(
        thresholds=_thresholds(document.pop("roles")),
        max_unstamped_days=taken("max_unstamped_days", _days, 0),
        algorithms=taken("algorithms", _algorithms, frozenset()),
        hybrid=taken("hybrid", _flag, default=False),
        minimum_epochs=taken("minimum_epoch", _epochs, ()),
        self_run=taken("self_run", SelfRun, SelfRun.ALLOW),
        warn_after_days=taken("warn_after_days", _days, None),
        fail_after_days=taken("fail_after_days", _days, None),
        expires=taken("expires", _moment, None),
    )


def _thresholds(roles: Mapping[str, Any]) -> tuple[Threshold, ...]:
    thresholds = tuple(_threshold(name, role) for name, role in roles.items())
    if not 0 < len(thresholds) <= MAX_ROLES:
        raise ValueError(f"it names {len(thresholds)} roles where 1 to {MAX_ROLES} are possible")
    if len(thresholds) > 1 and not all(threshold.anchors for threshold in thresholds):
        raise ValueError("of several roles each must name its anchors: otherwise one could sign for another")
    return thresholds


def _threshold(name: str, role: dict[str, Any]) -> Threshold:
    if not {"threshold"} <= set(role) <= {"threshold", "anchors"}:
        raise ValueError(f"the role {name} has not the fields threshold and anchors")
    anchors = [Digest.parse(anchor) for anchor in role.get("anchors", ())]
    if "anchors" in role and not anchors:
        raise ValueError(f"the role {name} names no anchor")
    return Threshold(require_role(name), _count(role["threshold"], least=1), frozenset(anchors))


def _algorithms(names: Any) -> frozenset[KeyType]:
    if not isinstance(names, list) or not names:
        raise ValueError("algorithms is not a list of some")
    return frozenset(map(KeyType, names))


def _epochs(epochs: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple((name, _count(epoch, least=0)) for name, epoch in epochs.items())


def _days(value: Any) -> int:
    return _count(value, least=0)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value} says no time zone, such as Z")
    return moment


def _count(value: Any, *, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r} is not a number from {least} on")
    return value
