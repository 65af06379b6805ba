"""What Alpine's apk writes down of the packages installed. Pure. Source: apk-tools, doc/apk-package.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.inventory.parts import Package, PackageKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def installed(text: str) -> tuple[Package, ...]:
    """The packages of a ``lib/apk/db/installed``."""
    return tuple(_package(fields) for block in text.split("\n\n") if "P" in (fields := _fields(block)))


def _fields(block: str) -> dict[str, str]:
    """The fields of the package itself, which stand before those of its files and folders."""
    fields: dict[str, str] = {}
    for line in block.strip().splitlines():
        key, colon, value = line.partition(":")
        if key in ("F", "R"):
            break
        if colon:
            fields[key] = value.strip()
    return fields


def _package(fields: Mapping[str, str]) -> Package:
    licence = fields.get("L", "")
    return Package(
        PackageKind.APK,
        fields["P"],
        fields.get("V", ""),
        fields.get("A", ""),
        f"{fields.get('o', fields['P'])}={fields.get('V', '')}",
        (licence,) if licence else (),
    )
