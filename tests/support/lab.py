"""Real hosts for tests: one lab that a session's tests share, and labs of a test's own.

    @pytest.mark.hosts
    def test_…(lab: Lab) -> None: ...                       # three hosts: one, two, three; see USERS
    def test_…(make_lab: MakeLab) -> None:
        mine = make_lab(HostSpec("bare", python=False))     # gone after the test

The shared hosts are everybody's: leave them as they were, or take your own. A fixture of another scope uses `lab_of`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from appliance.errors import ApplianceError
from appliance.lab import host as machines
from appliance.lab import identity, network, programs, root, storage
from appliance.lab import lab as labs
from appliance.lab.registry import Lab, LabHost
from appliance.lab.root import RootSpec
from appliance.lab.spec import HostSpec, LabSpec, LabUser, Sudo

MakeLab = Callable[..., Lab]

DEPUTY_PASSWORD = "correct horse $taple"
GUEST_PASSWORD = "just looking"
OPS = LabUser("ops", sudo=Sudo.NOPASSWD)
DEPUTY = LabUser("deputy", password=DEPUTY_PASSWORD, sudo=Sudo.PASSWORD)
GUEST = LabUser("guest", password=GUEST_PASSWORD)
USERS = (OPS, DEPUTY, GUEST)

PREFIX = "test-"
_numbers = itertools.count(1)


def obstacle() -> str:
    """Why no lab can be made here; empty if one can."""
    try:
        programs.require()
    except ApplianceError as error:
        return f"{error}; {error.hint}"
    return ""


@contextmanager
def lab_of(*hosts: HostSpec, ipv6: bool = False) -> Iterator[Lab]:
    """A lab of these hosts, under a name that no other process has, while the block runs."""
    spec = LabSpec(f"{PREFIX}{os.getpid()}-{next(_numbers)}", hosts, tied=True, ipv6=ipv6)
    standing = labs.up(spec)
    try:
        yield standing
    finally:
        labs.down(spec.name)


def made_anew(lab: Lab, host: LabHost) -> None:
    """Put another machine in the place of a host of `make_lab` or `lab_of`: its address, and nothing else of it.

    Its machine id and its SSH key are new; the lab's ``known_hosts`` has that.
    """
    machines.power_off(host)
    storage.discard(host.netns, host.root, host.storage)
    host.netns.unlink()
    host.root.rmdir()
    network.remove(host.link)
    network.attach(lab.network, lab.hosts.index(host), netns=host.netns, bandwidth=None)
    spec = HostSpec(host.name, suite=host.suite, python=host.python, containers=host.containers)
    clean = root.prepare(RootSpec(host.suite, python=host.python), folder=labs.default_cache() / "roots")
    storage.mount(clean, host.storage, root=host.root, disk=None)
    key = lab.key.with_name(f"{lab.key.name}.pub").read_text().strip()
    identity.give(host.root, spec, address=host.address, key=key)
    others = [line for line in lab.known_hosts.read_text().splitlines() if line.split(" ")[0] != host.address]
    shown = f"{host.address} {identity.host_key(host.root).read_text().strip()}"
    lab.known_hosts.write_text("".join(f"{line}\n" for line in (*others, shown)))
    machines.power_on(host)
    machines.wait(host)


@pytest.fixture(scope="session")
def swept() -> None:
    """Labs that earlier test processes left when they were killed."""
    labs.sweep(PREFIX)


@pytest.fixture(scope="session")
def lab(swept: None) -> Iterator[Lab]:
    """Three hosts that all tests of this process share: one, two and three, with `USERS`."""
    with lab_of(*(HostSpec(name, users=USERS) for name in ("one", "two", "three"))) as standing:
        yield standing


@pytest.fixture
def make_lab(swept: None) -> Iterator[MakeLab]:
    """Makes labs of the given hosts; they go when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *hosts: stack.enter_context(lab_of(*hosts))
