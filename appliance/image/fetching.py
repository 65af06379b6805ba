"""URLs that a Kubefile adds: fetched once, known by digest, and compared with ``Kubefile.lock`` ever after.

The lock is JSON beside the Kubefile: ``{"format": 1, "urls": {URL: {"digest", "size"}}}``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import ApplianceError, RecipeError
from appliance.files import has_blob, lock, put_blob, read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from appliance.recipe.instructions import Instruction

URL = re.compile(r"https?://", re.IGNORECASE)
GIT = re.compile(r"git@|git://|ssh://|https?://[^#?]+\.git(#.*)?$", re.IGNORECASE)
LOCK_BYTES = 4 << 20
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Fetched:
    """A URL's bytes: where they lie, and whether the Kubefile says their digest (`pinned`)."""

    url: str
    path: Path
    digest: Digest
    size: int
    pinned: bool

    @property
    def name(self) -> str:
        """The file name that the URL ends with; empty when it ends with none."""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the lock knows of a URL."""

    digest: Digest
    size: int


class Downloads:
    """Fetches into `folder`, where blobs lie under their digests; `lock_path` is the Kubefile's lock.

    With `locked`, what the lock does not know is refused.
    """

    def __init__(self, folder: Path, lock_path: Path, *, locked: bool) -> None:
        self._folder = folder
        self._lock_path = lock_path
        self._locked = locked

    def get(
        self, instruction: Instruction, url: str, *, checksum: str = "", progress: Callable[[int], None] | None = None
    ) -> Fetched:
        """The bytes of `url`, as `checksum` or the lock know them; `RecipeError` when they are others."""
        if checksum:
            digest = _checksum(instruction, checksum)
            known = self._find(digest) or self._fetch(instruction, url, digest, "the checksum says", progress)
            return Fetched(url, self._folder / known.digest.hex, known.digest, known.size, pinned=True)
        entry = self._entries().get(url)
        if entry is None and self._locked:
            hint = "build once without --locked, look at what was fetched, and keep the lock with the Kubefile"
            raise instruction.error(f"{url} is not in {self._lock_path.name}", hint=hint)
        if entry is None:
            entry = self._fetch(instruction, url, None, "", progress)
            self._remember(url, entry)
        elif not has_blob(self._folder, entry.digest, entry.size):
            entry = self._fetch(instruction, url, entry.digest, f"{self._lock_path.name} says", progress)
        return Fetched(url, self._folder / entry.digest.hex, entry.digest, entry.size, pinned=False)

    def _find(self, digest: Digest) -> _Entry | None:
        path = self._folder / digest.hex
        return _Entry(digest, path.stat().st_size) if path.exists() else None

    def _fetch(
        self,
        instruction: Instruction,
        url: str,
        wanted: Digest | None,
        who: str,
        progress: Callable[[int], None] | None,
    ) -> _Entry:
        from appliance import download  # noqa: PLC0415  (httpx is slow to import, and most builds fetch nothing)

        fresh = self._folder / f"fetch-{Digest.of(url.encode()).hex}"
        with lock(self._folder / f"{fresh.name}.lock"):
            try:
                digest, size = download.download(url, fresh, progress=progress)
                if wanted is not None and digest != wanted:
                    hint = f"see whether the change is meant; then write {digest} where {wanted.short} stands"
                    raise instruction.error(f"{url} gives {digest.short}, where {who} {wanted.short}", hint=hint)
                with fresh.open("rb", buffering=0) as source:
                    put_blob(self._folder, source, digest, size=size)
            except RecipeError:
                raise
            except ApplianceError as error:
                raise instruction.error(error.message, hint=error.hint) from error
            finally:
                fresh.unlink(missing_ok=True)
        return _Entry(digest, size)

    def _entries(self) -> Mapping[str, _Entry]:
        try:
            document: Any = canonical.loads(read_bounded(self._lock_path, LOCK_BYTES), limit=LOCK_BYTES)
            entries = {url: _Entry(Digest.parse(e["digest"]), int(e["size"])) for url, e in document["urls"].items()}
            known = document["format"] == _FORMAT
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "restore it, or remove it and look at what is fetched anew"
            raise RecipeError(f"this is no lock: {error}", where=str(self._lock_path), hint=hint) from error
        if not known:
            raise RecipeError("this lock is of a newer format", where=str(self._lock_path), hint="use a newer version")
        return entries

    def _remember(self, url: str, entry: _Entry) -> None:
        with lock(self._folder / "lock"):
            entries = {**self._entries(), url: entry}
            urls = {name: {"digest": str(e.digest), "size": e.size} for name, e in sorted(entries.items())}
            text = json.dumps({"format": _FORMAT, "urls": urls}, indent=2)
            write_bytes(self._lock_path, f"{text}\n".encode())


def _checksum(instruction: Instruction, text: str) -> Digest:
    try:
        return Digest.parse(text)
    except ValueError as error:
        raise instruction.error(f"{text!r} is not a checksum", hint="expected --checksum=sha256:HEX") from error
