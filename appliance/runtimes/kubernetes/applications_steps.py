"""The steps of what runs once the cluster is up: constant shell scripts, with names, lines and values as arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan.steps import Run, Step, WaitFor
from appliance.recipe.shellwords import is_variable
from appliance.transport.base import Command, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KUBECONFIG = "/etc/kubernetes/admin.conf"
LAUNCH_SECONDS = 3600.0
SETTLE_SECONDS = 300
_LAID_OUT = '[ -d "$1" ] && [ "$(cat "$1.key" 2>/dev/null)" = "$2" ]'
_DONE = '[ "$(cat "$1/$2.key" 2>/dev/null)" = "$3" ]'
_WELL = """
PATH=$1:$PATH KUBECONFIG=$2 HOME=/var/lib/appliance/node/home
export PATH KUBECONFIG HOME
kubectl wait --for condition=Ready nodes --all --timeout 5s &&
    kubectl wait --for condition=Ready pods --all --namespace kube-system --timeout 5s
"""


def _script(*names: str) -> str:
    return "".join(Path(__file__).with_name(f"applications_{name}.sh").read_text(encoding="utf-8") for name in names)


COPY = _script("copy")
LAUNCH = _script("workloads", "lines", "memory", "launch")
LAUNCHED = _script("workloads", "launched")
SETTLE = _script("workloads", "settle")
PLUGIN = _script("lines", "plugin")
NODES = _script("nodes")
UNDO = _script("lines", "memory", "undo")


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie on a host: `home` is the folder of all that belongs to an image's applications there.

    `programs` is where programs are, as PATH has it, `tree` its pristine tree, `key` what tells this image and
    configuration from another one.
    """

    host: str
    home: str
    programs: str
    tree: str
    key: str

    @property
    def copy(self) -> str:
        """The working copy of the image's tree, in which lines run."""
        return f"{self.home}/rootfs"

    @property
    def texts(self) -> str:
        """The texts of the site that are laid over the copy."""
        return f"{self.home}/texts"

    @property
    def marks(self) -> str:
        """What was launched, with which key, and which workloads it made."""
        return f"{self.home}/launched"


@dataclass(frozen=True, slots=True)
class Launch:
    """Shell lines that are run together once, `name` in marks and ids; `title` is for people.

    `undo` are lines that take away what they made; where there is none, the workloads are all that is known of it.
    """

    name: str
    title: str
    lines: tuple[str, ...]
    env: Mapping[str, str]
    undo: tuple[str, ...] = ()


def search_path(programs: Iterable[str]) -> str:
    """The folders of programs, as PATH has them."""
    return ":".join(f"{folder}/{name}" for folder in programs for name in ("bin", "sbin"))


def slug(text: str) -> str:
    """A name for files out of any text."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:100]


def copy_step(place: Place, paths: Sequence[str], *, after: tuple[str, ...]) -> Step:
    """Make the working copy anew, with the texts at `paths` over it."""
    return Step(
        id=f"{place.host}/working-copy",
        title="Make the copy of the image in which scripts run",
        host=place.host,
        action=Run(Command.shell(COPY, place.tree, place.copy, place.texts, place.key, *paths)),
        unless=Command.shell(_LAID_OUT, place.copy, place.key),
        after=after,
    )


def launch_step(place: Place, launch: Launch, *, after: tuple[str, ...]) -> Step:
    """Run the lines of `launch`."""
    arguments = (place.marks, launch.name, place.key)
    given = (*arguments, place.copy, place.programs, KUBECONFIG, _exports(launch.env), *launch.lines)
    return Step(
        id=f"{place.host}/launch:{launch.name}",
        title=launch.title,
        host=place.host,
        action=Run(Command.shell(LAUNCH, *given, timeout=LAUNCH_SECONDS)),
        unless=Command.shell(LAUNCHED, *arguments, place.programs, KUBECONFIG),
        after=after,
    )


def settle_step(place: Place, name: str, title: str, launches: Sequence[Launch], *, after: tuple[str, ...]) -> Step:
    """Wait until all that `launches` made on the cluster is well; pods that are not are named with their last words."""
    names = tuple(launch.name for launch in launches)
    return Step(
        id=f"{place.host}/well:{name}",
        title=title,
        host=place.host,
        action=Run(settled(place, names, within=SETTLE_SECONDS)),
        unless=settled(place, names),
        after=after,
    )


def settled(place: Place, launches: Iterable[str], *, within: int = 0) -> Command:
    """Wait until all that these launches made is well; 0 seconds: ask once, in silence."""
    arguments = (place.marks, place.programs, KUBECONFIG, str(within), *launches)
    return Command.shell(SETTLE, *arguments, timeout=within + 60.0)


def plugin_step(
    place: Place, name: str, title: str, data: str, env: Mapping[str, str], *, after: tuple[str, ...]
) -> Step:
    """Run a shell text on the host, once for each key."""
    arguments = (place.marks, name, place.key)
    given = (*arguments, place.copy, place.programs, KUBECONFIG, _exports(env), data)
    return Step(
        id=f"{place.host}/plugin:{name}",
        title=title,
        host=place.host,
        action=Run(Command.shell(PLUGIN, *given, timeout=LAUNCH_SECONDS)),
        unless=Command.shell(_DONE, *arguments),
        after=after,
    )


def nodes_step(place: Place, name: str, title: str, verb: str, said: Iterable[tuple[str, str]]) -> Step:
    """Label or taint the nodes that have the addresses in `said`, once for each key."""
    words = tuple(word for pair in said for word in pair)
    arguments = (place.marks, name, place.key)
    return Step(
        id=f"{place.host}/plugin:{name}",
        title=title,
        host=place.host,
        action=Run(Command.shell(NODES, *arguments, place.programs, KUBECONFIG, verb, *words)),
        unless=Command.shell(_DONE, *arguments),
    )


def check_step(place: Place, name: str, title: str) -> Step:
    """Wait until all nodes, and all pods of the cluster's own, are ready."""
    command = Command.shell(_WELL, place.programs, KUBECONFIG, timeout=30.0)
    return Step(
        f"{place.host}/plugin:{name}", title, place.host, WaitFor(command, seconds=SETTLE_SECONDS, interval=2.0)
    )


def _exports(env: Mapping[str, str]) -> str:
    """The environment as a shell text, for the scripts have variables of their own; without what no shell can have."""
    known = sorted((name, value) for name, value in env.items() if is_variable(name))
    return "\n".join(f"export {quote((f'{name}={value}',))}" for name, value in known)
