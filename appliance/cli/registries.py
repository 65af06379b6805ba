"""`login`, `logout`, `push`, `pull`; and the options of every command that talks to registries."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from appliance.cli import prompts
from appliance.cli.options import FILE, Command, Option, Session, common, pass_session
from appliance.cli.text import plural
from appliance.errors import ApplianceError, RecipeError
from appliance.image.oci import Platform
from appliance.image.reference import DEFAULT_REGISTRY, Reference
from appliance.image.registry.mirrors import Mirror
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from types import ModuleType

    from appliance.events import Sink
    from appliance.operations.registries import Moved, Registries, Upstream

P = ParamSpec("P")
R = TypeVar("R")
Reach = Callable[[], "Registries"]
"""How a command comes to its registries, once it needs them."""


_option = functools.partial(click.option, cls=Option, section="Registries")


def registry_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command `registries`: how registries are reached."""

    @_option("--plain-http", is_flag=True, help="without TLS: only for a registry on this machine or line")
    @_option("--ca-file", type=FILE, help="the certificate of the authority that vouches for the registry (PEM)")
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        plain: Any = kwargs.pop("plain_http")
        ca_file: Any = kwargs.pop("ca_file")
        mirrors: Any = kwargs.pop("mirrors", ())
        reach = functools.partial(_registries, plain_http=plain, ca_file=ca_file, mirrors=mirrors)
        return command(*args, registries=reach, **kwargs)  # type: ignore[arg-type]  # added beside its own

    return wrapper


mirror_option = _option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="HOST=URL",
    envvar="APPLIANCE_MIRRORS",
    help="ask there before the registry HOST; repeatable ($APPLIANCE_MIRRORS, with spaces between)",
)
"""For commands with `registry_options` that take images from registries."""


def puller(session: Session, registries: Reach, sink: Sink) -> Callable[[Reference], object]:
    """What brings an image into the session's store."""
    return lambda reference: _operations().pull(session.store, reference, registries(), sink=sink)


def upstream(registries: Reach) -> Callable[[], Upstream]:
    """What opens the registries that container images come from."""
    return lambda: _operations().Upstream(registries())


def _registries(*, plain_http: bool, ca_file: Path | None, mirrors: tuple[str, ...]) -> Registries:
    operations = _operations()
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    access = operations.Access(plain_http=plain_http, ca_file=ca_file)
    found: Registries = operations.Registries(Path(folder), access, mirrors=tuple(map(Mirror.parse, mirrors)))
    return found


def _operations() -> ModuleType:
    try:
        from appliance.operations import registries  # noqa: PLC0415  (httpx is slow to import, and the packager's only)
    except ImportError as error:
        if error.name != "httpx":
            raise
        raise ApplianceError(
            "registries are spoken to with httpx, which is not installed here", hint="pip install 'appliance[packager]'"
        ) from error
    return registries


@click.command(cls=Command)
@click.argument("registry", default=DEFAULT_REGISTRY)
@click.option("-u", "--username", metavar="NAME", help="who you are there (asked for)")
@click.option("--password-file", metavar="FILE", help="the password or access token (- is stdin)")
@click.option("--password-stdin", is_flag=True, help="as --password-file -")
@registry_options
@pass_session
@common
def login(
    session: Session,
    *,
    registry: str,
    username: str | None,
    password_file: str | None,
    password_stdin: bool,
    registries: Reach,
) -> None:
    """Try a user and password at REGISTRY and keep them as docker does, in its config.json or credential helper.

    Example: appliance login registry.example --username ci --password-file token
    """
    from appliance.image.registry.credentials import Credential  # noqa: PLC0415  (not needed for help)

    reach = registries()
    if username is None and prompts.interactive():
        username = click.prompt("user", err=True)
    if not username:
        raise RecipeError("no user is named", hint="say --username")
    file = "-" if password_stdin else password_file
    password = prompts.secret(file, "APPLIANCE_REGISTRY_PASSWORD", "password", ask=True)
    if not password:
        raise RecipeError("no password is there", hint="--password-file, or $APPLIANCE_REGISTRY_PASSWORD")
    host = _host(registry)
    kept = _operations().login(host, Credential(username, password), reach)
    session.output.result(
        {"registry": host, "username": username, "kept": kept}, lambda: f"logged in at {host}; kept in {kept}"
    )


@click.command(cls=Command)
@click.argument("registry", default=DEFAULT_REGISTRY)
@registry_options
@pass_session
@common
def logout(session: Session, *, registry: str, registries: Reach) -> None:
    """Forget who we are at REGISTRY.

    Example: appliance logout registry.example
    """
    host = _host(registry)
    known = _operations().logout(host, registries())
    session.output.result(
        {"registry": host, "removed": known},
        lambda: f"logged out of {host}" if known else f"nothing was known of {host}",
    )


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@registry_options
@pass_session
@common
def push(session: Session, *, reference: str, registries: Reach) -> None:
    """Bring the image REF to the registry in its name, all platforms and all that it carries, bit by bit as it is.

    Stock tools copy it whole, too: skopeo copy --all, oras cp -r, crane copy. Plain skopeo copy takes one root file
    system only.

    Example: appliance push registry.example/etcd:1.0.0
    """
    reach = registries()
    moved = _operations().push(session.store, Reference.parse(reference), reach, sink=session.output.sink())
    _moved(session, moved, "pushed")


@click.command(cls=Command)
@click.argument("reference", metavar="REF")
@click.option("--platform", "platforms", metavar="P,…", default="", help="such as linux/amd64 (all that there are)")
@registry_options
@mirror_option
@pass_session
@common
def pull(session: Session, *, reference: str, platforms: str, registries: Reach) -> None:
    """Bring the cluster image REF into the local store.

    With --platform, only those: the image has another digest then.

    Example: appliance pull registry.example/etcd:1.0.0
    """
    reach = registries()
    wanted = tuple(Platform.parse(word) for word in platforms.split(",") if word)
    moved = _operations().pull(
        session.store, Reference.parse(reference), reach, platforms=wanted, sink=session.output.sink()
    )
    _moved(session, moved, "pulled")


def _moved(session: Session, moved: Moved, verb: str) -> None:
    document = {
        "reference": moved.reference.familiar,
        "digest": str(moved.digest),
        "bytes": moved.size,
        "there": moved.there,
        "mounted": moved.mounted,
    }
    there = f", {plural(moved.there, 'blob')} there" if moved.there else ""
    mounted = f", {plural(moved.mounted, 'blob')} mounted" if moved.mounted else ""
    session.output.result(
        document,
        lambda: f"{moved.reference.familiar}  {moved.digest}\n{verb} {size_text(moved.size)}{there}{mounted}",
    )


def _host(registry: str) -> str:
    """A registry as people name it, also as a URL or by Docker Hub's other names."""
    host = registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return Reference.parse(f"{host}/name").registry
