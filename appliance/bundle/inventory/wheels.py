"""What a Python distribution says of itself, installed or as a wheel. Source: core metadata specifications; PEP 639."""

from __future__ import annotations

import email.parser
import re
import zipfile
from typing import TYPE_CHECKING, BinaryIO

from appliance.bundle.inventory.parts import Package, PackageKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

METADATA = re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA")
_METADATA_BYTES = 1 << 20
_LICENCE_CHARACTERS = 80
_CLASSIFIER = "License :: "
_CERTAIN: Mapping[str, str] = {
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Classifiers that can mean one licence only."""


def installed(text: str) -> Package:
    """The distribution that a METADATA file describes; `ValueError` when it has no name or version."""
    message = email.parser.HeaderParser().parsestr(text)
    name, version = message["Name"], message["Version"]
    if not name or not version:
        raise ValueError("metadata without name or version")
    return Package(PackageKind.PYTHON, name, version, licences=_licences(message))


def _licences(message: Message) -> tuple[str, ...]:
    """The expression; without one a licence in few words, or what the classifiers say."""
    for field in ("License-Expression", "License"):
        text = (message[field] or "").strip()
        if text and "\n" not in text and len(text) <= _LICENCE_CHARACTERS and text != "UNKNOWN":
            return (text,)
    classified = (value.split(" :: ") for value in message.get_all("Classifier", []) if value.startswith(_CLASSIFIER))
    named = {parts[-1] for parts in classified if parts[-1] != "OSI Approved"}
    return tuple(sorted(_CERTAIN.get(name, name) for name in named))


def carried(file: BinaryIO) -> Package:
    """The distribution in a wheel; `ValueError` for what is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(filter(METADATA.fullmatch, archive.namelist()), None)
            if name is None or archive.getinfo(name).file_size > _METADATA_BYTES:
                raise ValueError("a wheel without metadata")
            return installed(archive.read(name).decode(errors="replace"))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError("not a wheel") from error
