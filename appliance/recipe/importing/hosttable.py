"""A table of hosts, as spreadsheets write them: a line a host, columns by their headings."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.addresses import expand
from appliance.recipe.clusterfile import SshSettings
from appliance.recipe.importing.hostlist import HostList, ListedHost
from appliance.recipe.importing.notes import Notes, checked_fingerprints, checked_port, checked_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COLUMNS = {
    "address": ("address", "addresses", "ip", "ipaddress", "host"),
    "name": ("name", "hostname"),
    "roles": ("role", "roles", "group", "groups"),
    "user": ("user", "username", "sshuser"),
    "port": ("port", "sshport"),
    "key": ("key", "keyfile", "sshkey"),
    "password": ("password", "sshpassword", "passwd"),
    "become_password": ("becomepassword", "sudopassword"),
    "fingerprints": ("fingerprint", "fingerprints", "hostkey", "hostkeys"),
}
_DELIMITERS = ",;\t"
_LABEL = "label:"
_HINT = "the first line names columns: address, role, user, port, key, password, fingerprint, label:NAME"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line's cells by their columns."""

    cells: Mapping[str, str]
    labels: Mapping[str, str]
    where: str


def load(text: str, *, source: str) -> HostList:
    """Read a table; `source` names it in errors. Raises `RecipeError` with the line."""
    notes = Notes()
    hosts = [host for line in _lines(text, source, notes) for host in _hosts(line, notes)]
    return HostList(tuple(hosts), notes.in_order, dict(notes.secrets))


def _lines(text: str, source: str, notes: Notes) -> Iterator[_Line]:
    rows = csv.reader(text.removeprefix("\ufeff").splitlines(), delimiter=_delimiter(text), strict=True)
    columns: list[str] = []
    try:
        for row in rows:
            cells, where = [cell.strip() for cell in row], f"{source}:{rows.line_num}"
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not columns:
                columns = _columns(cells, where, notes)
                continue
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                raise RecipeError("this line has more cells than there are columns", where=where, hint=_HINT)
            found = dict(zip(columns, cells, strict=False))
            labels = {name.removeprefix(_LABEL): found[name] for name in found if name.startswith(_LABEL)}
            yield _Line(found, {name: value for name, value in labels.items() if value}, where)
    except csv.Error as error:
        raise RecipeError(f"this is not a table: {error}", where=f"{source}:{rows.line_num}", hint=_HINT) from error


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return max(_DELIMITERS, key=first.count)


def _columns(heads: list[str], where: str, notes: Notes) -> list[str]:
    """What each column is; those that nobody knows are named."""
    columns: list[str] = []
    for head in heads:
        plain = head.lower().replace(" ", "").replace("_", "").replace("-", "")
        known = next((column for column, names in _COLUMNS.items() if plain in names), "")
        if head.lower().startswith(_LABEL):
            known = _LABEL + head[len(_LABEL) :].strip()
        if known and known in columns:
            raise RecipeError(f"the column {head!r} comes twice", where=where, hint="keep one of them")
        if not known:
            notes.warn(where, f"the column {head!r} is not used here")
        columns.append(known or f"?{len(columns)}")
    if "address" not in columns and "name" not in columns:
        raise RecipeError("no column says where the hosts are", where=where, hint=_HINT)
    return columns


def _hosts(line: _Line, notes: Notes) -> Iterator[ListedHost]:
    cells, where = line.cells, line.where
    address, name = cells.get("address", ""), cells.get("name", "")
    if not address and not name:
        raise RecipeError("this line has no address", where=where, hint="write one, or take the line out")
    groups = tuple(cells.get("roles", "").replace(";", " ").replace(",", " ").replace("+", " ").split())
    ssh = SshSettings(
        user=checked_user(cells.get("user", ""), where),
        port=checked_port(cells.get("port", ""), where),
        key=cells.get("key", ""),
        password_secret=_secret(cells, "password", where, notes),
        become_password_secret=_secret(cells, "become_password", where, notes),
    )
    prints = checked_fingerprints(cells.get("fingerprints", ""), where)
    written = address or name
    is_name = any(letter.isalpha() for letter in written) and ":" not in written
    found = (written,) if is_name else expand([written], where=where)
    if prints and len(found) > 1:
        raise RecipeError("a fingerprint is of one host", where=where, hint="give each host a line of its own")
    for each in found:
        called = name if name and len(found) == 1 else each
        yield ListedHost(called, each, where, groups, line.labels, ssh, prints)


def _secret(cells: Mapping[str, str], column: str, where: str, notes: Notes) -> str:
    password = cells.get(column, "")
    kind = f"inventory-{column.replace('_', '-')}"
    return notes.secret(kind, password, where=where, field_=f"the {column.replace('_', ' ')}") if password else ""
