"""A list of hosts of any kind that is known: an Ansible inventory (INI, YAML) or a table, told apart by its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.importing import hosttable, inventory_ini, inventory_yaml
from appliance.recipe.yamltext import TEXT_BYTES

if TYPE_CHECKING:
    from appliance.recipe.importing.hostlist import HostList

_CLUSTERFILE = re.compile(r"""(?:^|[{,]\s*)["']?(?:apiVersion|kind)["']?\s*:""", re.MULTILINE)
_YAML = re.compile(r"^(---|[\w.-]+:\s*(#.*)?$|all:)", re.MULTILINE)


def is_clusterfile(text: str) -> bool:
    """Whether a text says of itself that it is a Clusterfile, ours or sealer's, and not a list of hosts."""
    return _CLUSTERFILE.search(text) is not None


def load(text: str, *, source: str) -> HostList:
    """Read a list; `source` names it in errors. Raises `RecipeError` with the line."""
    if len(text) > TEXT_BYTES:
        raise RecipeError(f"this is larger than the {TEXT_BYTES} bytes allowed for it", where=source)
    if source.lower().endswith((".csv", ".tsv")):
        found = hosttable.load(text, source=source)
    elif source.lower().endswith((".yaml", ".yml")) or _YAML.search(text):
        found = inventory_yaml.load(text, source=source).read()
    else:
        found = inventory_ini.load(text, source=source).read()
    if not found.hosts:
        hint = "a line a host: an address, or a name with ansible_host=ADDRESS"
        raise RecipeError("no host is listed", where=source, hint=hint)
    return found
