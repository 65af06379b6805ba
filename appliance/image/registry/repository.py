"""`Repository`: manifests and blobs of one name at a registry. Source: OCI distribution-spec 1.1, § Pull and § Push.

Manifests are kept as the bytes they are. Blobs come and go in bounded memory, and go on where a cut line left them.
"""

from __future__ import annotations

import contextlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from appliance.digest import Digest
from appliance.errors import AuthRefused, BundleError, RecipeError, TransferFailed
from appliance.files import COPY_BYTES
from appliance.image.oci import DOCUMENT_BYTES, INDEXES, MANIFESTS, Descriptor
from appliance.image.registry.patience import PassingFault, Patience
from appliance.image.registry.upload import Upload
from appliance.image.sources import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.image.reference import Reference
    from appliance.image.registry.answers import Answer
    from appliance.image.registry.session import Session
    from appliance.image.registry.upload import Open

_ACCEPT = ", ".join((*INDEXES, *MANIFESTS))


class Repository:
    """One repository, for reading or, with `writing`, for both; a `Source` of images."""

    def __init__(self, session: Session, name: str, *, writing: bool = False) -> None:
        self.name = name
        self._session = session
        self._actions = "pull,push" if writing else "pull"
        self._scopes = (f"repository:{name}:{self._actions}",)

    def find(self, reference: Reference) -> tuple[Descriptor, bytes]:
        """The document that a tag or digest means; `RecipeError` when the registry has none."""
        which = str(reference.digest) if reference.digest else reference.tag
        answer = self._get(which)
        if answer is None:
            raise RecipeError(
                f"there is no image {reference.familiar} at {self._session.registry}",
                hint="look at its name and tag; some registries say so, too, of what one may not see: appliance login",
            )
        digest = Digest.of(answer.body)
        named = reference.digest or _named(answer) or digest
        if digest != named:
            raise self._lie(f"{which} is not what the registry says it is: {digest.short}, not {named.short}")
        return Descriptor(_media_type(answer), digest, len(answer.body)), answer.body

    def document(self, descriptor: Descriptor) -> bytes:
        """The bytes of a manifest or index by its digest."""
        if descriptor.size > DOCUMENT_BYTES:
            raise BundleError(f"document {descriptor.digest.short} is larger than {DOCUMENT_BYTES} bytes")
        answer = self._get(str(descriptor.digest))
        if answer is None:
            raise TransferFailed(
                f"the registry lacks manifest {descriptor.digest.short} of {self.name}",
                where=self._session.registry,
                hint="the image was pushed in part: push it again",
            )
        if Digest.of(answer.body) != descriptor.digest:
            raise self._lie(f"manifest {descriptor.digest.short} arrived with other content")
        return answer.body

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[BlobReader]:
        """A blob's bytes as they come, unchecked."""
        reader = BlobReader(self._session, self._blob_path(descriptor.digest), self._scopes, descriptor)
        try:
            yield reader
        finally:
            reader.close()

    def has(self, descriptor: Descriptor) -> bool:
        """Whether a blob is there."""
        answer = self._session.ask("HEAD", self._blob_path(descriptor.digest), scopes=self._scopes)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise self._session.refusal(answer, f"let us look into {self.name}")
        return answer.status == HTTPStatus.OK

    def put_blob(
        self, descriptor: Descriptor, content: Open, *, mount: str = "", progress: Callable[[int], None]
    ) -> Sent:
        """Bring a blob in, if it is not there: out of the registry's repository `mount`, if that has it, or uploaded.

        `content` opens the blob at an offset; `progress` gets the bytes of each piece.
        """
        if self.has(descriptor):
            progress(descriptor.size)
            return Sent.THERE
        start = self._mount(descriptor.digest, mount) if mount else None
        if start and start.status == HTTPStatus.CREATED:
            progress(descriptor.size)
            return Sent.MOUNTED
        begun = start if start and start.status == HTTPStatus.ACCEPTED else None
        Upload(self._session, self._uploads, self._scopes, progress).send(descriptor, content, start=begun)
        return Sent.UPLOADED

    def _mount(self, digest: Digest, source: str) -> Answer | None:
        """The answer to the wish for a blob of another repository; None where we may not even ask."""
        query = urlencode({"mount": str(digest), "from": source})
        try:
            scopes = (*self._scopes, f"repository:{source}:pull")
            return self._session.ask("POST", f"{self._uploads}?{query}", scopes=scopes)
        except AuthRefused:
            return None

    def put_document(self, descriptor: Descriptor, data: bytes, *, tag: str = "") -> None:
        """Bring a manifest or index in, under its digest or a tag; `TransferFailed` when the registry changes it."""
        which = tag or str(descriptor.digest)
        answer = self._session.ask(
            "PUT",
            f"{self._path('manifests')}/{which}",
            scopes=self._scopes,
            headers={"Content-Type": descriptor.media_type, "Content-Length": str(len(data))},
            content=data,
        )
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise self._session.refusal(answer, f"take the manifest of {self.name}:{which}")
        if (named := _named(answer)) and named != descriptor.digest:
            raise self._lie(f"it stored {self.name}:{which} as {named.short}, not {descriptor.digest.short}")

    def _get(self, which: str) -> Answer | None:
        """A manifest or index; None when there is none."""
        path = f"{self._path('manifests')}/{which}"
        answer = self._session.ask("GET", path, scopes=self._scopes, headers={"Accept": _ACCEPT})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise self._session.refusal(answer, f"give {self.name}:{which}")
        return answer

    @property
    def _uploads(self) -> str:
        return f"{self._path('blobs')}/uploads/"

    def _path(self, kind: str) -> str:
        return f"/v2/{self.name}/{kind}"

    def _blob_path(self, digest: Digest) -> str:
        return f"{self._path('blobs')}/{digest}"

    def _lie(self, message: str) -> TransferFailed:
        hint = "the registry, or what stands before it, is damaged or dishonest: nothing of it was kept"
        return TransferFailed(message, where=self._session.registry, hint=hint)


class BlobReader:
    """Reads a blob of known size; a line that is cut, or a registry that pauses, is gone on with from there."""

    def __init__(self, session: Session, path: str, scopes: tuple[str, ...], descriptor: Descriptor) -> None:
        self._session = session
        self._path = path
        self._scopes = scopes
        self._descriptor = descriptor
        self._offset = 0
        self._since_fault = 0
        self._patience = Patience(session.clock)
        self._open = contextlib.ExitStack()
        self._pieces: Iterator[bytes] | None = None
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._rest and self._offset < self._descriptor.size:
            try:
                self._rest = self._next()
            except PassingFault as fault:
                self.close()
                if self._since_fault >= COPY_BYTES:
                    self._patience.renew()
                self._since_fault = 0
                self._patience.wait(fault)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        """Let go of the connection."""
        self._open.close()
        self._pieces = None

    def _next(self) -> bytes:
        if self._pieces is None:
            self._pieces = self._request()
        piece = next(self._pieces, b"")
        if not piece:
            short = f"blob {self._descriptor.digest.short} ended after {self._offset} of {self._descriptor.size} bytes"
            raise PassingFault(TransferFailed(short, where=self._session.registry))
        self._offset += len(piece)
        self._since_fault += len(piece)
        return piece

    def _request(self) -> Iterator[bytes]:
        """The pieces from our offset on, whether or not the registry can begin there."""
        headers = {"Range": f"bytes={self._offset}-"} if self._offset else {}
        answer, pieces = self._open.enter_context(
            self._session.stream(self._path, scopes=self._scopes, headers=headers)
        )
        begins = answer.headers.get("content-range", "").startswith(f"bytes {self._offset}-")
        if answer.status == HTTPStatus.PARTIAL_CONTENT and begins:
            return pieces
        if answer.status != HTTPStatus.OK:
            raise self._session.refusal(answer, f"give blob {self._descriptor.digest.short}")
        return _without(self._offset, pieces)


def _without(count: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces without their first `count` bytes."""
    for piece in pieces:
        if count < len(piece):
            yield piece[count:]
        count = max(0, count - len(piece))


def _named(answer: Answer) -> Digest | None:
    """The digest that a registry gives what it sent or took; None for none, or one that is no SHA-256."""
    with contextlib.suppress(ValueError):
        return Digest.parse(answer.headers.get("docker-content-digest", ""))
    return None


def _media_type(answer: Answer) -> str:
    """What a document says that it is, which counts before what it was sent as."""
    with contextlib.suppress(ValueError, AttributeError):
        said = json.loads(answer.body).get("mediaType")
        if isinstance(said, str):
            return said
    return answer.headers.get("content-type", "").partition(";")[0].strip()
