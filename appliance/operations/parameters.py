"""A site's parameters: checked, and those that are secrets (``writeOnly``) taken apart from what may be written down.

A secret parameter lives in the cluster's vault as ``parameter/NAME``; templates, plans and the Clusterfile as applied
know it by that name only. Once it is there, it need not be given again.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.plan.steps import SecretRef
from appliance.recipe.parameters import check_parameters, secret_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.clusterfile import Cluster
    from appliance.vault import Vault

_PREFIX = "parameter/"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What templates see: values, and references in the place of secrets; and the secrets' texts by vault name."""

    values: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)

    def keep(self, vault: Vault) -> None:
        """Seal the secrets that are new or others than before."""
        there = set(vault.names())
        for name, text in self.secrets.items():
            if name not in there or vault.get(name) != text.encode():
                vault.put(name, text.encode())


def settle(spec: BundleSpec, given: Mapping[str, object], vault: Vault, *, owner: str = "") -> Parameters:
    """The parameters of a site: those `given`, secrets from the `vault` where none is given, and the defaults.

    `owner` is the application whose they are, where they are not the cluster's own. Nothing is kept yet. Raises
    `RecipeError` for values that the bundle does not take.
    """
    secret = secret_parameters(spec)
    there = set(vault.names())
    prefix = _prefix(owner)
    kept = {name: vault.get(prefix + name).decode() for name in secret if prefix + name in there}
    values = check_parameters(spec, {**kept, **given})
    return Parameters(
        {name: SecretRef(prefix + name) if name in secret else value for name, value in values.items()},
        {prefix + name: _text(value) for name, value in values.items() if name in secret},
    )


def kept_parameters(spec: BundleSpec, vault: Vault, *, owner: str = "") -> frozenset[str]:
    """Names of the secret parameters that are in the `vault`, and need not be given again; `owner` as in `settle`."""
    there, prefix = set(vault.names()), _prefix(owner)
    return frozenset(name for name in secret_parameters(spec) if prefix + name in there)


def without_secrets(spec: BundleSpec, cluster: Cluster) -> Cluster:
    """`cluster` as it may be written down."""
    return dataclasses.replace(cluster, parameters=told(spec, cluster.parameters))


def told(spec: BundleSpec, parameters: Mapping[str, object]) -> dict[str, object]:
    """Those of `parameters` that are no secrets."""
    secret = secret_parameters(spec)
    return {name: value for name, value in parameters.items() if name not in secret}


def _prefix(owner: str) -> str:
    return f"{_PREFIX}{owner}/" if owner else _PREFIX


def _text(value: object) -> str:
    """As a template would put it out; what is no scalar as JSON, from which `check_parameters` reads it back."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
