"""A Clusterfile of either kind, ours or sealer's, told apart by what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.recipe import clusterfile
from appliance.recipe.importing import sealer
from appliance.recipe.yamltext import load_documents

if TYPE_CHECKING:
    from appliance.recipe.clusterfile import Clusterfile


def load(text: str, *, source: str) -> Clusterfile:
    """Read a Clusterfile; `source` names it in errors. `RecipeError` with line, field path and what would be valid."""
    documents = load_documents(text, source=source)
    return sealer.read(documents) if sealer.is_sealers(documents) else clusterfile.load(text, source=source)
