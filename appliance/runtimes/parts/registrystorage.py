"""What the site's registry holds, and how its files lie: the storage of CNCF distribution, made of links. Pure.

Below ``STORAGE/SET/docker/registry/v2`` (SET is the digest of what is in it)::

    blobs/sha256/HE/HEX/data                                 the bytes: hard links of blobs that the host received
    repositories/NAME/_layers/sha256/HEX/link                of config and layers: ``sha256:HEX``
    repositories/NAME/_manifests/revisions/sha256/HEX/link   of manifests and indexes
    repositories/NAME/_manifests/tags/TAG/current/link       of what a tag means

NAME begins with the registry that an image is of (see `store_name`), so that equal paths of different ones never meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.image.reference import Reference
from appliance.plan import footprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.image.blobs import Blob
    from appliance.plan.runtime import CarriedImage, ImagePart

STORAGE = f"{footprint.NODE}/registry"
BLOBS = f"{footprint.NODE}/blobs/sha256"

LAY_OUT = """
set -eu
umask 022
blobs=$1 root=$2/docker/registry/v2 list=$3
mkdir -p "$root"
while read -r what hex path; do
    place=$root/$path
    mkdir -p "${place%/*}"
    case $what in
    data)
        [ -f "$blobs/$hex" ] || { echo "the blob $hex is not on the host" >&2; exit 1; }
        [ "$blobs/$hex" -ef "$place" ] || ln -f "$blobs/$hex" "$place" || {
            echo "$root cannot hold links of $blobs: both must lie on one file system" >&2
            exit 1
        } ;;
    link)
        found=
        [ ! -f "$place" ] || read -r found <"$place" || true
        [ "$found" = "sha256:$hex" ] || {
            printf 'sha256:%s' "$hex" >"$place.part"
            mv -f "$place.part" "$place"
        } ;;
    esac
done <"$list"
sync
"""
"""Make what a listing names stand, out of received blobs; what stands already stays. Arguments: blobs, root, list."""

LAID_OUT = """
blobs=$1 root=$2/docker/registry/v2 list=$3
[ -s "$list" ] || exit 1
while read -r what hex path; do
    case $what in
    data) [ "$blobs/$hex" -ef "$root/$path" ] || exit 1 ;;
    link)
        found=
        read -r found <"$root/$path" || true
        [ "$found" = "sha256:$hex" ] || exit 1 ;;
    esac
done <"$list"
"""
"""Whether all of a listing stands, whole."""

DROP = """
set -eu
cd "$1"
find . -mindepth 1 -maxdepth 1 -type d ! -name "$2" -exec rm -rf {} +
"""
"""Delete sets that are no longer served. Arguments: where sets lie, the one that stays."""

DROPPED = """
[ -d "$1" ] || exit 0
cd "$1" && [ -z "$(find . -mindepth 1 -maxdepth 1 -type d ! -name "$2")" ]
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the registry holds: its `listing`, and the `blobs` that must have been received before it is laid out.

    A line of the listing is ``data HEX PATH`` or ``link HEX PATH``.
    """

    listing: str
    blobs: tuple[Blob, ...]

    @property
    def set(self) -> str:
        """The name of the folder in which it lies: another content, another name."""
        return Digest.of(self.listing.encode()).short

    @property
    def root(self) -> str:
        """The folder, on a host."""
        return f"{STORAGE}/{self.set}"


def contents(parts: Iterable[ImagePart]) -> Contents:
    """What a registry holds that serves all that `parts` carry, and each reference by the digest that it means.

    Raises `PlanError` when one name and tag means two images.
    """
    images = [image for part in parts for image in part.carried]
    links: dict[str, Digest] = {}
    for image in images:
        for path, digest in _links(image):
            if links.setdefault(path, digest) != digest:
                raise _two_meanings(image)
    blobs = sorted({blob for image in images for blob in _blobs(image)}, key=lambda blob: blob.digest)
    lines = [f"data {blob.digest.hex} {_data(blob.digest)}" for blob in blobs]
    lines += [f"link {digest.hex} {path}" for path, digest in sorted(links.items())]
    return Contents("".join(f"{line}\n" for line in lines), tuple(blobs))


def registries(parts: Iterable[ImagePart]) -> tuple[str, ...]:
    """The registries that carried images are of, as references name them."""
    return tuple(sorted({Reference.parse(image.reference).registry for part in parts for image in part.carried}))


def store_name(reference: Reference) -> str:
    """The name of the repository in our registry: ``docker.io/library/redis``, ``localhost_5000/app``."""
    return f"{store_registry(reference.registry)}/{reference.repository}"


def store_registry(registry: str) -> str:
    """The first part of `store_name`, for a registry as references name it (``localhost:5000``, ``[fd00::1]:5000``).

    Distribution stores under names of small letters, digits and ``. - _``. No registry's name has an underscore, so
    what stands for a colon meets no other name; capitals mean nothing in the name of a host.
    """
    address, bracket, port = registry.lower().rpartition("]")
    first = f"ipv6__{address.removeprefix('[').replace(':', 'x')}" if bracket else ""
    return first + port.replace(":", "_")


def _two_meanings(image: CarriedImage) -> PlanError:
    return PlanError(
        f"{image.reference} is one image for some hosts and another for others",
        hint="publish it as one image for several platforms, or give each its own tag, and build again",
    )


def _links(image: CarriedImage) -> Iterator[tuple[str, Digest]]:
    """The places that lead to the image's documents and blobs; a reference's tag, unless it names a digest."""
    reference = Reference.parse(image.reference)
    repository = f"repositories/{store_name(reference)}"
    meant = image.index or image.manifest
    if reference.digest is None:
        yield f"{repository}/_manifests/tags/{reference.tag}/current/link", meant.digest
    for digest in {meant.digest, image.manifest.digest}:
        yield f"{repository}/_manifests/revisions/sha256/{digest.hex}/link", digest
    for blob in image.blobs:
        yield f"{repository}/_layers/sha256/{blob.digest.hex}/link", blob.digest


def _data(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


def _blobs(image: CarriedImage) -> Iterator[Blob]:
    yield image.manifest
    if image.index:
        yield image.index
    yield from image.blobs
