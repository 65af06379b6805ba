"""Where things live on this machine, and what we remember of what was installed.

Callers give an explicit root (``--home``, ``--store``) or take the platform's folder; the environment is the command
line's business. All folders are 0700. ``state.json`` is a cache: the hosts are the truth.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from appliance import canonical
from appliance.clock import timestamp
from appliance.digest import Digest
from appliance.errors import ApplianceError, RecipeError, StateError
from appliance.files import disk_errors, read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
STATE_BYTES = 4 << 20
_APPLICATION = "appliance"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_OPERATION = re.compile(r"[a-z][a-z-]{0,30}")
_RUN = re.compile(r"(?P<at>\d{8}T\d{6}\.\d{3}Z)-(?P<operation>[a-z][a-z-]*?)(-(?P<number>\d+))?")


def packager_store(root: Path | None = None) -> Path:
    """The OCI image layout that all images share: `root`, else ``store/`` in the user's data folder."""
    return _made(root or platformdirs.user_data_path(_APPLICATION) / "store")


def cache(*parts: str) -> Path:
    """A folder in the user's cache, which may be deleted at any time."""
    return _made(platformdirs.user_cache_path(_APPLICATION).joinpath(*parts))


def keys() -> Path:
    """Where the packager's signing keys live by default."""
    return _made(platformdirs.user_config_path(_APPLICATION) / "keys")


def require_label(name: str) -> None:
    """Raise `RecipeError` unless `name`, of a cluster, is a DNS label."""
    if not _LABEL.fullmatch(name):
        raise RecipeError(
            f"{name[:80]!r} cannot name a cluster",
            hint="1 to 63 lower-case letters, digits and hyphens, no hyphen at either end",
            where="metadata.name",
        )


@dataclass(frozen=True, slots=True)
class Home:
    """What an operator's machine keeps, below `root`."""

    root: Path

    @classmethod
    def of(cls, root: Path | None = None) -> Home:
        """`root` if given, else ``/var/lib/appliance`` for root and the user's state folder for others."""
        return cls(_made(cls.at(root).root))

    @classmethod
    def at(cls, root: Path | None = None) -> Home:
        """`of`, for who only reads: nothing is made."""
        if root is None:
            system = Path("/var/lib") / _APPLICATION
            root = system if os.geteuid() == 0 else platformdirs.user_state_path(_APPLICATION)
        return cls(root.absolute())

    @property
    def blobs(self) -> Path:
        """``blobs/sha256/``: blobs out of verified bundles, by digest."""
        return _made(self.root / "blobs" / "sha256")

    @property
    def floors(self) -> Path:
        """``floors.json``: the highest epochs that were installed from here."""
        return self.root / "floors.json"

    def cluster(self, name: str) -> ClusterDir:
        """The folder of cluster `name`, made if need be; `RecipeError` unless `name` is a DNS label."""
        require_label(name)
        return ClusterDir(_made(self.root / "clusters" / name), vault_key=_made(self.root / "keys") / f"{name}.key")

    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters that this machine knows, sorted."""
        folder = self.root / "clusters"
        return tuple(sorted(p.name for p in folder.iterdir() if _LABEL.fullmatch(p.name))) if folder.is_dir() else ()


@dataclass(frozen=True, slots=True)
class ClusterDir:
    """One cluster's folder; `vault_key` lies apart, so that a copy of the folder does not open its vault."""

    path: Path
    vault_key: Path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.path.name

    @property
    def clusterfile(self) -> Path:
        """``cluster.yaml`` as applied last."""
        return self.path / "cluster.yaml"

    @property
    def draft(self) -> Path:
        """``draft.yaml``: a Clusterfile in the making, not yet applied."""
        return self.path / "draft.yaml"

    @property
    def state(self) -> Path:
        """``state.json``; see `read_state`."""
        return self.path / "state.json"

    @property
    def vault(self) -> Path:
        """The folder of the vault."""
        return self.path / "vault"

    @property
    def known_hosts(self) -> Path:
        """Host keys pinned for this cluster."""
        return self.path / "known_hosts"

    @property
    def backups(self) -> Path:
        """``backups/``."""
        return _made(self.path / "backups")

    @property
    def runs(self) -> Path:
        """``runs/``, a folder a run."""
        return _made(self.path / "runs")

    def new_run(self, operation: str, *, now: datetime) -> RunDir:
        """Make the folder of a new run, ``runs/<utc>-<operation>``; never one that exists already."""
        if not _OPERATION.fullmatch(operation):
            raise ValueError(f"not an operation: {operation!r}")
        stamp = timestamp(now).replace("-", "").replace(":", "")
        number = 1
        while True:
            path = self.runs / (f"{stamp}-{operation}" if number == 1 else f"{stamp}-{operation}-{number}")
            with disk_errors(path):
                try:
                    path.mkdir(mode=0o700)
                except FileExistsError:
                    number += 1
                    continue
            _made(path / "hosts")
            return RunDir(path)

    def list_runs(self) -> tuple[RunDir, ...]:
        """All runs, newest first."""
        found = [RunDir(p) for p in self.runs.iterdir() if _RUN.fullmatch(p.name)]
        return tuple(sorted(found, key=lambda run: (run.started, run.number), reverse=True))

    def run(self, name: str) -> RunDir:
        """The run of this name, or the newest for ``latest``; `StateError` when there is none."""
        runs = self.list_runs()
        if chosen := next((run for run in runs if name in ("latest", run.name)), None):
            return chosen
        newest = f"the newest is {runs[0].name}" if runs else "there is none yet"
        raise StateError(f"cluster {self.name} has no run {name[:80]!r}", hint=newest)


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder."""

    path: Path

    @property
    def name(self) -> str:
        """``<utc>-<operation>``."""
        return self.path.name

    @property
    def started(self) -> datetime:
        """When it was made, aware."""
        return datetime.strptime(self._part("at"), "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)

    @property
    def operation(self) -> str:
        """What it does: ``apply``, ``reset`` …."""
        return self._part("operation")

    @property
    def number(self) -> int:
        """1, more when several of one operation were started in one millisecond."""
        return int(self._part("number") or 1)

    @property
    def plan(self) -> Path:
        """``plan.json``."""
        return self.path / "plan.json"

    @property
    def journal(self) -> Path:
        """``journal.jsonl``: every event."""
        return self.path / "journal.jsonl"

    @property
    def foreseen(self) -> Path:
        """``after.json``: what ``state.json`` is to be when the run has come through; empty where it is to be none."""
        return self.path / "after.json"

    def report(self, kind: str) -> Path:
        """``report.txt``, ``report.json`` or ``report.html``."""
        return self.path / f"report.{kind}"

    def log(self, host: str) -> Path:
        """A host's log; `host` is a name out of the inventory."""
        return self.path / "hosts" / f"{host.replace('/', '_')}.log"

    def _part(self, name: str) -> str:
        match = _RUN.fullmatch(self.name)
        if match is None:
            raise StateError("this is not the folder of a run", where=str(self.path))
        return match[name] or ""


@dataclass(frozen=True, slots=True)
class InstalledHost:
    """A host that came through its last run."""

    name: str
    address: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What was last installed, by which run, and where."""

    cluster: str
    bundle: str
    version: str
    epoch: int
    image: Digest
    run: str
    applied: datetime
    hosts: tuple[InstalledHost, ...]


def read_state(path: Path) -> ClusterState | None:
    """What ``state.json`` says, None where there is none; `StateError` when it is damaged or of a newer format."""
    try:
        data = read_bounded(path, STATE_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot read it: {error.strerror}", where=str(path)) from error
    try:
        document = canonical.loads(data, limit=STATE_BYTES)
        number = document["format"]
        state = _from_document(document) if number == FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            "what is remembered of this cluster is damaged", where=str(path), hint="remove it: the hosts are asked anew"
        ) from error
    if state is None:
        raise StateError(
            f"it is of format {number}; this version reads {FORMAT}", where=str(path), hint="update appliance"
        )
    return state


def foresee(run: RunDir, state: ClusterState | None) -> None:
    """Write down what is to be remembered of the cluster once `run` has come through; None where nothing is."""
    if state is None:
        write_bytes(run.foreseen, b"", mode=0o600)
    else:
        write_state(run.foreseen, state)


def come_through(run: RunDir, cluster: ClusterDir, *, now: datetime) -> None:
    """Remember what `run` foresaw, as of `now`; one that foresaw nothing changes nothing. Raises `StateError`."""
    try:
        nothing = run.foreseen.stat().st_size == 0
    except FileNotFoundError:
        return
    if nothing:
        cluster.state.unlink(missing_ok=True)
    elif state := read_state(run.foreseen):
        write_state(cluster.state, replace(state, applied=now))


def write_state(path: Path, state: ClusterState) -> None:
    """Write ``state.json`` atomically."""
    document = {
        "format": FORMAT,
        "cluster": state.cluster,
        "bundle": state.bundle,
        "version": state.version,
        "epoch": state.epoch,
        "image": str(state.image),
        "run": state.run,
        "applied": timestamp(state.applied),
        "hosts": [{"name": h.name, "address": h.address, "roles": h.roles} for h in state.hosts],
    }
    write_bytes(path, canonical.dumps(document), mode=0o600)


def _from_document(document: Mapping[str, Any]) -> ClusterState:
    return ClusterState(
        cluster=_text(document["cluster"]),
        bundle=_text(document["bundle"]),
        version=_text(document["version"]),
        epoch=int(document["epoch"]),
        image=Digest.parse(document["image"]),
        run=_text(document["run"]),
        applied=datetime.fromisoformat(document["applied"]),
        hosts=tuple(
            InstalledHost(_text(h["name"]), _text(h["address"]), tuple(_text(r) for r in h["roles"]))
            for h in document["hosts"]
        ),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _made(folder: Path) -> Path:
    """The folder, made with all above it that is missing, each 0700."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        for path in reversed(missing):
            with disk_errors(path):
                path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ApplianceError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder
