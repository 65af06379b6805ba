"""How hosts are entered: the options of every command that does, and the question about host keys that are new."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from appliance.cli import prompts
from appliance.cli.options import FILE, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from appliance.cli.output import Output
    from appliance.inventory.hosts import Access, Host
    from appliance.transport.ssh.hostkeys import HostKeys

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What the command line says about entering hosts."""

    access: Access
    host_keys: Path | None
    accept_new: bool


def access_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options for SSH; it gets them as one `AccessOptions` named ``access``."""
    option = functools.partial(click.option, cls=Option, section="Entering hosts")

    @option("--user", metavar="NAME", default="", help="the user to enter hosts as; another than root uses sudo")
    @option("--key", "key_file", type=FILE, help="the private key to enter hosts with")
    @option("--port", type=click.IntRange(1, 65535), metavar="N", help="where sshd listens (22)")
    @option("--become", type=click.Choice(["none", "sudo"]), help="how to become root")
    @option("--ssh-password-file", metavar="FILE", help="the user's password (- is stdin)")
    @option("--become-password-file", metavar="FILE", help="the password for sudo (- is stdin)")
    @option("--key-passphrase-file", metavar="FILE", help="the key's passphrase (- is stdin)")
    @option("--ask-ssh-password", is_flag=True, help="ask for the user's password")
    @option("--ask-become-password", is_flag=True, help="ask for the password for sudo")
    @option("--host-keys", type=FILE, help="a known_hosts file whose keys are believed")
    @option("--accept-new-host-keys", is_flag=True, help="believe keys that are seen for the first time")
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        taken: dict[str, Any] = {name: kwargs.pop(name) for name in _NAMES}
        kwargs["access"] = _options(**taken)
        return command(*args, **kwargs)

    return wrapper


_NAMES = (
    "user",
    "key_file",
    "port",
    "become",
    "ssh_password_file",
    "become_password_file",
    "key_passphrase_file",
    "ask_ssh_password",
    "ask_become_password",
    "host_keys",
    "accept_new_host_keys",
)


def _options(
    *,
    user: str,
    key_file: Path | None,
    port: int | None,
    become: str | None,
    ssh_password_file: str | None,
    become_password_file: str | None,
    key_passphrase_file: str | None,
    ask_ssh_password: bool,
    ask_become_password: bool,
    host_keys: Path | None,
    accept_new_host_keys: bool,
) -> AccessOptions:
    from appliance.inventory.hosts import Access  # noqa: PLC0415  (not needed for help)
    from appliance.transport.base import Become  # noqa: PLC0415

    access = Access(
        user=user,
        port=port or 0,
        key=key_file,
        become=Become(become) if become else None,
        key_passphrase=prompts.secret(key_passphrase_file, "APPLIANCE_KEY_PASSPHRASE", ""),
        password=prompts.secret(ssh_password_file, "APPLIANCE_SSH_PASSWORD", "SSH password", ask=ask_ssh_password),
        become_password=prompts.secret(
            become_password_file, "APPLIANCE_BECOME_PASSWORD", "sudo password", ask=ask_become_password
        ),
    )
    return AccessOptions(access, host_keys, accept_new_host_keys)


def believed_keys(path: Path, options: AccessOptions) -> HostKeys:
    """The cluster's pinned keys, and what the options say about new ones; a terminal is asked by `confirm_keys`."""
    from appliance.transport.ssh import hostkeys  # noqa: PLC0415  (paramiko is slow to import)

    if options.accept_new:
        return hostkeys.HostKeys(path, decide=hostkeys.accept_new)
    if options.host_keys is None:
        return hostkeys.HostKeys(path)
    given = hostkeys.HostKeys(options.host_keys)
    return hostkeys.HostKeys(path, decide=lambda address, port, key: key in given.pinned(address, port))


def confirm_keys(hosts: Sequence[Host], keys: HostKeys, options: AccessOptions, output: Output) -> None:
    """On a terminal: show the keys of hosts that are new, ask once about all of them, and pin them if so told."""
    from appliance.inventory import scan  # noqa: PLC0415  (paramiko is slow to import)

    if options.accept_new or options.host_keys or not prompts.interactive():
        return
    new = [host.endpoint for host in hosts if not keys.pinned(host.endpoint.address, host.endpoint.port)]
    by_port = {port: [e.address for e in new if e.port == port] for port in {e.port for e in new}}
    found = [
        each for port, addresses in by_port.items() for each in scan.scan(addresses, port=port, sink=output.sink())
    ]
    if not found:
        return
    output.say("These hosts are new. Compare their keys with what their consoles show:")
    for each in found:
        for key in each.keys:
            output.say(f"  {each.address}  {key}")
    click.confirm("Believe these keys from now on?", abort=True, err=True)
    for each in found:
        keys.pin(each.address, each.port, *each.keys)
