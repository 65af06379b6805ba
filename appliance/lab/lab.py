"""Labs: several hosts on this machine on a network of their own, made, found and taken down.

`up` either returns a lab whose hosts all answer or leaves nothing. A lab outlives the process that made it, unless it
is tied; what a killed process left half made is removed by `sweep`, `down`, or the next `up` of that name.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from appliance import files, state
from appliance.errors import StateError
from appliance.events import Outcome, TaskFinished, TaskProgress, TaskStarted, silent
from appliance.lab import cgroups, host, identity, limits, network, programs, registry, storage
from appliance.lab.registry import Lab, LabHost, Maker
from appliance.lab.root import RootSpec, prepare
from appliance.lab.spec import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from appliance.events import Sink
    from appliance.lab.spec import HostSpec, LabSpec

_ROOTS = "roots"
_DISKS = "hosts"
_AT_ONCE = 8


def up(spec: LabSpec, *, sink: Sink = silent) -> Lab:
    """Make the lab and boot its hosts, all at once; returns when sshd answers on each.

    Raises `RecipeError` for a spec that cannot be, `StateError` when a lab of that name stands already, and
    `ApplianceError` when this machine cannot do it (with the packages to install as hint) or a host does not boot.
    """
    check(spec)
    programs.require()
    limits.raise_watchers()
    cache = spec.cache or default_cache()
    storage.check(cache)
    with registry.locked(spec.name):
        standing = registry.read(spec.name)
        if standing and not standing.abandoned:
            raise StateError(f"lab {spec.name} is up already", hint=f"appliance lab down {spec.name}")
        try:
            _clear(spec.name)
            roots = _prepare_roots(spec, cache, sink)
            return _build(_register(spec, cache), spec, roots, sink)
        except BaseException:
            _dismiss(spec.name)
            raise


def down(name: str) -> bool:
    """Take the lab down at once and leave nothing of it; whether there was anything. Waits for its maker."""
    if name not in _names():
        return False
    programs.require()
    with registry.locked(name):
        _dismiss(name)
    return True


def find(name: str) -> Lab:
    """The lab of that name, standing; `StateError` naming those that stand if there is none."""
    standing = labs()
    for lab in standing:
        if lab.name == name:
            return lab
    there = f"these are: {', '.join(lab.name for lab in standing)}" if standing else "appliance lab up"
    raise StateError(f"no lab {name} is up", hint=there)


def labs() -> tuple[Lab, ...]:
    """All labs that stand on this machine."""
    return tuple(lab for lab in map(registry.read, registry.names()) if lab and lab.complete)


def sweep(prefix: str = "") -> tuple[str, ...]:
    """Take down labs that were never completed or whose maker, to which they were tied, is gone; their names.

    Only those whose names begin with `prefix`. One that another process holds right now is left to it.
    """
    programs.require()
    swept = []
    for name in _names():
        if not name.startswith(prefix):
            continue
        try:
            with registry.locked(name, wait=False):
                lab = registry.read(name)
                if lab is None or lab.abandoned:
                    _dismiss(name)
                    swept.append(name)
        except StateError:
            continue
    return tuple(swept)


def ssh_command(lab: Lab, name: str = "1", *, user: str = "root") -> tuple[str, ...]:
    """The ssh(1) command that enters the host of that `name` or number; arguments can follow."""
    options = {
        "IdentitiesOnly": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "UserKnownHostsFile": str(lab.known_hosts),
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
    }
    words = (word for option, value in options.items() for word in ("-o", f"{option}={value}"))
    return ("ssh", "-F", "none", "-i", str(lab.key), *words, f"{user}@{lab.host(name).address}")


def default_cache() -> Path:
    """Where root file systems and hosts' disks are kept unless a spec says otherwise."""
    return state.cache("lab")


def _names() -> tuple[str, ...]:
    """Labs of which there is any trace; a restart of the machine leaves only folders on disk."""
    disks = default_cache() / _DISKS
    on_disk = {folder.name for folder in disks.iterdir()} if disks.is_dir() else set[str]()
    return tuple(sorted({*registry.names(), *cgroups.labs(), *on_disk}))


def _prepare_roots(spec: LabSpec, cache: Path, sink: Sink) -> dict[RootSpec, Path]:
    wanted = dict.fromkeys(_root_of(each) for each in spec.hosts)
    return {each: prepare(each, folder=cache / _ROOTS, sink=sink) for each in wanted}


def _root_of(spec: HostSpec) -> RootSpec:
    return RootSpec(spec.suite, python=spec.python, packages=tuple(sorted(set(spec.packages))))


def _register(spec: LabSpec, cache: Path) -> Lab:
    """Choose the lab's network and write down what will be made."""
    disks = cache / _DISKS / spec.name
    with registry.locked():
        others = [lab.network for lab in map(registry.read, registry.names()) if lab]
        net = network.choose(others)
        hosts = tuple(
            LabHost(
                lab=spec.name,
                name=each.name,
                address=str(net.address(number)),
                link=net.link(number),
                storage=disks / each.name,
                suite=each.suite,
                python=each.python,
                users=tuple(user.name for user in each.users),
                containers=each.containers,
                address6=str(network.sixth(net.address(number))) if spec.ipv6 else "",
            )
            for number, each in enumerate(spec.hosts)
        )
        lab = Lab(spec.name, network=net, storage=disks, hosts=hosts, maker=Maker.this(), tied=spec.tied)
        registry.write(lab)
    return lab


def _build(lab: Lab, spec: LabSpec, roots: Mapping[RootSpec, Path], sink: Sink) -> Lab:
    task = f"lab-{lab.name}"
    sink(TaskStarted(task, f"Boot lab {lab.name}", total=len(lab.hosts), unit="hosts"))
    try:
        key = identity.make_key(lab.key, f"appliance lab {lab.name}")
        network.make_bridge(lab.network, ipv6=spec.ipv6)
        hosts = _build_hosts(lab, spec, roots, key, lambda done, name: sink(TaskProgress(task, done, name)))
        files.write_text(lab.known_hosts, "".join(map(_known_host, hosts)))
        lab = dataclasses.replace(lab, hosts=hosts, complete=True)
        registry.write(lab)
    except BaseException as error:
        cancelled = not isinstance(error, Exception)
        sink(TaskFinished(task, Outcome.CANCELLED if cancelled else Outcome.FAILED, str(error)))
        raise
    sink(TaskFinished(task, Outcome.OK))
    return lab


def _known_host(host: LabHost) -> str:
    addresses = ",".join(filter(None, (host.address, host.address6)))
    return f"{addresses} {identity.host_key(host.root).read_text()}"


def _build_hosts(
    lab: Lab, spec: LabSpec, roots: Mapping[RootSpec, Path], key: str, progress: Callable[[int, str], None]
) -> tuple[LabHost, ...]:
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        jobs = [
            pool.submit(_build_host, lab, number, each, roots[_root_of(each)], key)
            for number, each in enumerate(spec.hosts)
        ]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                progress(done, job.result().name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            cgroups.kill(lab.name)  # so that nobody waits for the others to boot
            raise
        return tuple(job.result() for job in jobs)


def _build_host(lab: Lab, number: int, spec: HostSpec, root: Path, key: str) -> LabHost:
    made = lab.hosts[number]
    made.netns.parent.mkdir()
    network.attach(lab.network, number, netns=made.netns, bandwidth=spec.bandwidth, ipv6=bool(made.address6))
    storage.mount(root, made.storage, root=made.root, disk=spec.data_disk)
    identity.give(made.root, spec, address=made.address, key=key)
    host.power_on(made)
    host.wait(made)
    return dataclasses.replace(made, fingerprint=identity.fingerprint(identity.host_key(made.root)))


def _clear(name: str) -> None:
    """Remove everything of the lab but its lock, however far its making came."""
    lab = registry.read(name)
    disks = lab.storage if lab else default_cache() / _DISKS / name
    if lab:
        registry.write(dataclasses.replace(lab, complete=False))  # should we be killed, a sweep goes on
    cgroups.remove(name)
    if lab:
        network.remove(lab.network.bridge)
        host.clear(lab.hosts)
    storage.discard(registry.RUN / name, disks)
    registry.forget(name)


def _dismiss(name: str) -> None:
    """Remove everything of the lab, and the lock that the caller holds."""
    _clear(name)
    registry.release(name)
