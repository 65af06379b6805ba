"""Clusterfiles as an operator brings them, and what this machine keeps of a cluster that is still being described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import files
from appliance.errors import RecipeError, StateError
from appliance.operations.parameters import without_secrets
from appliance.recipe import clusterfile
from appliance.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.clusterfile import Cluster, Clusterfile
    from appliance.state import ClusterDir, Home

_CLUSTERFILE_BYTES = 4 << 20


def read_clusterfile(home: Home, path: Path) -> Clusterfile:
    """The Clusterfile at `path`; passwords that stand in it are kept in its cluster's vault from now on.

    Raises `RecipeError` when it cannot be read or used.
    """
    try:
        text = files.read_bounded(path, _CLUSTERFILE_BYTES).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8 text") from error
    except StateError as error:
        raise _unreadable(path, "it is too large") from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    read = clusterfile.load(text, source=str(path))
    if read.secrets:
        folder = home.cluster(read.cluster.name)
        vault = Vault.open(folder.vault, folder.vault_key)
        for name, value in read.secrets.items():
            vault.put(name, value.encode())
    return read


def _unreadable(path: Path, why: str) -> RecipeError:
    hint = "name a readable text file in UTF-8"
    return RecipeError(f"cannot read the Clusterfile: {why}", where=str(path), hint=hint)


def keep_draft(folder: ClusterDir, cluster: Cluster, spec: BundleSpec) -> None:
    """Keep `cluster`, without secrets, so that its description can be gone on with."""
    files.write_text(folder.draft, clusterfile.dump(without_secrets(spec, cluster)), mode=0o600)


def newest_draft(home: Home, bundle: str) -> Path | None:
    """The description last worked on that is for the bundle called `bundle` and was not applied since, if any."""
    found = []
    for name in home.clusters():
        draft = home.cluster(name).draft
        if draft.is_file() and clusterfile.load(draft.read_text(), source=str(draft)).cluster.image == bundle:
            found.append(draft)
    return max(found, key=lambda draft: draft.stat().st_mtime, default=None)
