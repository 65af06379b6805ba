"""How hosts are entered: the options of every command that does, and the question about host keys that are new."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from appliance.cli import prompts
from appliance.cli.options import FILE, Option
from appliance.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from appliance.cli.output import Output
    from appliance.inventory.hosts import Access, Host
    from appliance.recipe.clusterfile import SshSettings
    from appliance.transport.base import Endpoint
    from appliance.transport.ssh.hostkeys import HostKeys
    from appliance.transport.sshconfig import SshConfig

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What the command line says about entering hosts."""

    access: Access
    host_keys: Path | None
    accept_new: bool

    def settings(self) -> SshSettings:
        """What of it a Clusterfile may say: no secrets."""
        from appliance.recipe.clusterfile import SshSettings  # noqa: PLC0415  (not needed for help)

        said = self.access
        return SshSettings(
            user=said.user,
            port=said.port,
            key=str(said.key or ""),
            become=said.become.value if said.become else "",
            jump=said.jump,
            unsafe_legacy_algorithms=said.unsafe_legacy_algorithms,
        )


def access_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options for SSH; it gets them as one `AccessOptions` named ``access``."""
    option = functools.partial(click.option, cls=Option, section="Entering hosts")

    @option("--user", metavar="NAME", default="", help="the user to enter hosts as; another than root uses sudo")
    @option("--key", "key_file", type=FILE, help="the private key to enter hosts with")
    @option("--port", type=click.IntRange(1, 65535), metavar="N", help="where sshd listens (22)")
    @option("--jump", metavar="HOSTS", default="", help="go through these hosts, as ssh -J: ops@bastion:22,… (or none)")
    @option("--become", type=click.Choice(["none", "sudo", "su"]), help="how to become root")
    @option("--ssh-password-file", metavar="FILE", help="the user's password (- is stdin)")
    @option("--become-password-file", metavar="FILE", help="the password for sudo, or root's for su (- is stdin)")
    @option("--jump-password-file", metavar="FILE", help="the password at jump hosts (- is stdin)")
    @option("--key-passphrase-file", metavar="FILE", help="the key's passphrase (- is stdin)")
    @option("--ask-ssh-password", is_flag=True, help="ask for the user's password")
    @option("--ask-become-password", is_flag=True, help="ask for the password for sudo, or root's for su")
    @option("--ssh-config", type=FILE, help="in place of ~/.ssh/config, where nothing else says how to enter (or none)")
    @option("--host-keys", type=FILE, help="a known_hosts file whose keys are believed")
    @option("--accept-new-host-keys", is_flag=True, help="believe keys that are seen for the first time")
    @option(
        "--unsafe-legacy-ssh-algorithms", is_flag=True, help="take broken ciphers too: others may read what is sent"
    )
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
    "jump",
    "become",
    "ssh_password_file",
    "become_password_file",
    "jump_password_file",
    "key_passphrase_file",
    "ask_ssh_password",
    "ask_become_password",
    "ssh_config",
    "host_keys",
    "accept_new_host_keys",
    "unsafe_legacy_ssh_algorithms",
)


def _options(
    *,
    user: str,
    key_file: Path | None,
    port: int | None,
    jump: str,
    become: str | None,
    ssh_password_file: str | None,
    become_password_file: str | None,
    jump_password_file: str | None,
    key_passphrase_file: str | None,
    ask_ssh_password: bool,
    ask_become_password: bool,
    ssh_config: Path | None,
    host_keys: Path | None,
    accept_new_host_keys: bool,
    unsafe_legacy_ssh_algorithms: bool,
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
            become_password_file, "APPLIANCE_BECOME_PASSWORD", "become password", ask=ask_become_password
        ),
        jump=_jump(jump),
        jump_password=prompts.secret(jump_password_file, "APPLIANCE_JUMP_PASSWORD", ""),
        unsafe_legacy_algorithms=unsafe_legacy_ssh_algorithms,
        config=_config(ssh_config),
    )
    return AccessOptions(access, host_keys, accept_new_host_keys)


def _jump(text: str) -> str:
    from appliance.recipe import jumphosts  # noqa: PLC0415  (not needed for help)

    try:
        jumphosts.parse(text)
    except ValueError as error:
        raise RecipeError(str(error), where="--jump", hint=jumphosts.HINT) from error
    return text


def _config(path: Path | None) -> SshConfig:
    from appliance.transport.sshconfig import SshConfig  # noqa: PLC0415  (not needed for help)

    if path is None:
        return SshConfig.of_user()
    if str(path) == "none":
        return SshConfig()
    if not path.is_file():
        raise RecipeError("there is no such file", where=f"--ssh-config {path}")
    return SshConfig.read(path)


def believed_keys(path: Path, options: AccessOptions) -> HostKeys:
    """The cluster's pinned keys, and what the options say about new ones; a terminal is asked by `confirm_keys`.

    Authorities in the file of ``--host-keys`` are believed from now on.
    """
    from appliance.transport.ssh import hostkeys  # noqa: PLC0415  (paramiko is slow to import)

    keys = hostkeys.HostKeys(path)
    if options.host_keys:
        keys.adopt(options.host_keys)
    if options.accept_new:
        return hostkeys.HostKeys(path, decide=hostkeys.accept_new)
    if options.host_keys is None:
        return keys
    given = hostkeys.HostKeys(options.host_keys)
    return hostkeys.HostKeys(path, decide=lambda address, port, key: key in given.pinned(address, port))


def confirm_keys(hosts: Sequence[Host], keys: HostKeys, options: AccessOptions, output: Output) -> None:
    """Pin the keys of new hosts that are as their inventory has them; on a terminal, ask once about all others.

    Raises `HostKeyChanged` for a host that shows none of those keys, whatever the options say. Jump hosts come first,
    as they must be entered to see the keys of those behind them.
    """
    asks = prompts.interactive() and not (options.accept_new or options.host_keys)
    ways = dict.fromkeys(each for host in hosts if not host.endpoint.local for each in host.endpoint.stations)
    for depth in range(max((len(each.jumps) for each in ways), default=-1) + 1):
        _confirm([each for each in ways if len(each.jumps) == depth], keys, output, asks=asks)


def _confirm(endpoints: Sequence[Endpoint], keys: HostKeys, output: Output, *, asks: bool) -> None:
    from appliance.inventory import scan  # noqa: PLC0415  (paramiko is slow to import)

    new = [e for e in endpoints if (asks or e.fingerprints) and not keys.vouched(e.address, e.port)]
    found = scan.keys_of(new, keys, sink=output.sink()) if new else ()
    carried = [(endpoint, shown) for endpoint, shown in found if endpoint.fingerprints]
    for endpoint, shown in carried:
        keys.pin_carried(endpoint.address, endpoint.port, *shown, carried=endpoint.fingerprints)
    if carried:
        output.say(f"new hosts whose keys are as in the inventory, now pinned: {len(carried)}")
    found = tuple(each for each in found if not keys.vouched(each[0].address, each[0].port))
    if not found:
        return
    output.say("These hosts are new. Compare their keys with what their consoles show:")
    for endpoint, shown in found:
        for key in shown:
            output.say(f"  {endpoint.address}  {key}")
    click.confirm("Believe these keys from now on?", abort=True, err=True)
    for endpoint, shown in found:
        keys.pin(endpoint.address, endpoint.port, *shown)
