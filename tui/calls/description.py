"""The Clusterfile in the making: imported, kept, saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import files, plugins
from appliance.errors import RecipeError
from appliance.operations import parameters, sites
from appliance.plan.runtime import MakesNetworks
from appliance.recipe import addresses, clusterfile, networking
from appliance.recipe.yamltext import Document
from tui import typed
from tui.calls.hosts import with_keys
from tui.changes import with_cluster, with_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.operations.propose import Proposed
    from appliance.recipe.networking import Network
    from tui.engine import Engine
    from tui.session import Session


_TYPED = Document({}, {}, "")
_DESCRIPTIONS = (".yaml", ".yml", ".ini", ".csv", ".tsv")


def imported(engine: Engine, session: Session, text: str) -> tuple[Session, tuple[str, ...]] | None:
    """`session` with what is described in the file that `text` names, whose passwords go into the vault; and warnings.

    A Clusterfile, ours or sealer's, is all of a description; an Ansible inventory or a table lists hosts. None when
    `text` names no file: it may be addresses.
    """
    found = typed.path(text)
    if not text.endswith(_DESCRIPTIONS) and not typed.is_file(found):
        return None
    if sites.is_clusterfile(found):
        read = sites.read_clusterfile(engine.home, found)
        return with_keys(engine, with_cluster(session, read.cluster)), read.warnings
    listed = sites.read_hosts(found)
    sites.keep_secrets(engine.home, session.written.name, listed.secrets)
    return with_keys(engine, with_hosts(session, listed.hosts)), listed.warnings


def draft(engine: Engine, session: Session) -> Session | None:
    """`session` with the description that was last worked on for this delivery, if there is one."""
    found = sites.newest_draft(engine.home, session.delivery.image if session.delivery else "")
    if found is None:
        return None
    return with_keys(engine, with_cluster(session, sites.read_clusterfile(engine.home, found).cluster))


def keep_draft(engine: Engine, session: Session) -> None:
    """Keep what was described so far; secrets are left out."""
    if session.delivery and not session.added and session.delivery.spec and session.machines:
        sites.keep_draft(engine.folder(session.written.name), session.cluster, session.delivery.spec)


def save_clusterfile(proposed: Proposed, path: Path) -> None:
    """Write the Clusterfile, without secrets, to a file of the operator's choice; never over another."""
    files.write_text(path, clusterfile_text(proposed), replace=False)


def clusterfile_text(proposed: Proposed) -> str:
    """The Clusterfile that says what is proposed, as it may be shown."""
    return clusterfile.dump(proposed.cluster)


def kept_parameters(engine: Engine, session: Session) -> frozenset[str]:
    """Names of the secret parameters that the cluster's vault holds already."""
    owner = session.spec.name if session.added else ""
    return parameters.kept_parameters(session.spec, engine.vault(session.written.name), owner=owner)


def check_settings(engine: Engine, session: Session, *, networked: bool) -> tuple[str, ...]:
    """Whether the values hold: a sentence for each network range among them that clashes with hosts or another range.

    `networked`: the cluster's own networks are among them. Raises `RecipeError` for a value that the bundle does not
    take.
    """
    owner = session.spec.name if session.added else ""
    settled = parameters.settle(session.spec, session.parameters, engine.vault(session.written.name), owner=owner)
    ranges = dict(settled.values)
    if networked:
        for name, text in networking.network_texts(session.written.network).items():
            ranges |= {f"{name} {number}" if number else name: part for number, part in enumerate(text.split(","))}
    return addresses.clashes(ranges, [machine.address for machine in session.chosen])


def networks(session: Session) -> frozenset[str]:
    """What ``spec.network`` can say to this delivery: nothing where hosts use the site's network alone."""
    name = session.spec.runtime
    if session.added or name not in plugins.names(plugins.Group.RUNTIMES):
        return frozenset()
    runtime = plugins.runtime(name)
    return frozenset(runtime.networks()) if isinstance(runtime, MakesNetworks) else frozenset()


def network_of(texts: Mapping[str, str]) -> Network:
    """What was typed of ``spec.network``, defaults for what is empty. `RecipeError` says which of it is wrong."""
    given = {name: text.strip() for name, text in texts.items() if text.strip()}
    try:
        return networking.read_network(_TYPED, given)
    except RecipeError as error:
        name = next((name for name in given if not _holds({name: given[name]})), next(iter(given)))
        message = error.message.removeprefix(f"spec.network.{name}: ").removeprefix("spec.network: ")
        raise RecipeError(message, hint=error.hint, where=f"network.{name}") from error


def _holds(given: Mapping[str, str]) -> bool:
    try:
        networking.read_network(_TYPED, given)
    except RecipeError:
        return False
    return True
