"""A service of ours on a host: its unit, the files that it reads, and the steps that bring it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.planner import unpack_id
from appliance.plan.steps import PutText, Step
from appliance.runtimes.parts import unitcommands

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT_FOLDER = "/etc/systemd/system"


@dataclass(frozen=True, slots=True)
class Service:
    """The unit `name` with its `text`, and `files` by whose change it must be restarted.

    `extends` are drop-ins of it. A service runs programs of the image: it is restarted when these are put in place.
    """

    name: str
    text: str
    files: tuple[PutText, ...] = ()
    extends: tuple[PutText, ...] = ()

    def configure(self, host: str) -> tuple[Step, ...]:
        """Write all of it, tell systemd, and have it started at boot."""
        unit = PutText(f"{UNIT_FOLDER}/{self.name}", (self.text,))
        units = tuple(write(host, text) for text in (unit, *self.extends))
        written = tuple(step.id for step in units)
        return (
            *(write(host, text) for text in self.files),
            *units,
            unitcommands.reload(host, self.name, units=(self.name,), after=written),
            unitcommands.enable(host, self.name, after=written[:1]),
        )

    def start(self, host: str, cluster: str) -> Step:
        """Start it, or start it again when something that it was started with changed; does not wait."""
        paths = tuple(self._paths())
        return unitcommands.start(
            host,
            self.name,
            mark=f"{footprint.NODE}/clusters/{cluster}/started/{self.name}",
            files=paths,
            after=(unpack_id(host), *(write_id(host, path) for path in paths)),
        )

    def active(self, host: str) -> Step:
        """Wait until it is active."""
        return unitcommands.await_active(host, self.name, after=(f"{host}/start:{self.name}",))

    def _paths(self) -> Iterator[str]:
        yield f"{UNIT_FOLDER}/{self.name}"
        yield from (text.path for text in (*self.extends, *self.files))


def write(host: str, text: PutText) -> Step:
    """The step that writes `text`."""
    return Step(write_id(host, text.path), f"Write {text.path}", host, text)


def write_id(host: str, path: str) -> str:
    """The id of the step that writes `path`."""
    return f"{host}/write:{path}"
