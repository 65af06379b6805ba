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
from appliance.image import oci
from appliance.image.oci import Descriptor, Index, Platform
from appliance.image.reference import Reference
from appliance.plan import footprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from appliance.image.blobs import Blob
    from appliance.plan.runtime import CarriedImage, ImagePart

STORAGE = f"{footprint.NODE}/registry"
BLOBS = f"{footprint.NODE}/blobs/sha256"

LAY_OUT = """
set -eu
umask 022
blobs=$1 root=$2/docker/registry/v2 list=$3
mkdir -p "$root"
put() { # TEXT
    found=
    { read -r found <"$place"; } 2>/dev/null || true
    [ "$found" = "$1" ] || { printf '%s' "$1" >"$place.part" && mv -f "$place.part" "$place"; }
}
while read -r what hex path text; do
    place=$root/$path
    [ -d "${place%/*}" ] || mkdir -p "${place%/*}"
    case $what in
    data)
        [ -f "$blobs/$hex" ] || { echo "the blob $hex is not on the host" >&2; exit 1; }
        [ "$blobs/$hex" -ef "$place" ] || ln -f "$blobs/$hex" "$place" || {
            echo "$root cannot hold links of $blobs: both must lie on one file system" >&2
            exit 1
        } ;;
    made) put "$text" ;;
    link) put "sha256:$hex" ;;
    esac
done <"$list"
sync
"""
"""Make what a listing names stand, out of received blobs; what stands already stays. Arguments: blobs, root, list."""

LAID_OUT = """
blobs=$1 root=$2/docker/registry/v2 list=$3
[ -s "$list" ] || exit 1
while read -r what hex path text; do
    case $what in
    data) [ "$blobs/$hex" -ef "$root/$path" ] || exit 1; continue ;;
    link) text=sha256:$hex ;;
    esac
    found=
    read -r found <"$root/$path" || true
    [ "$found" = "$text" ] || exit 1
done <"$list"
"""
"""Whether all of a listing stands, whole."""

LAY_OUT_WITH_ADDED = (
    """
set -eu
umask 077
{ cat "$4"/*/registry.list 2>/dev/null || true; cat "$3"; } >"$3.all"
set -- "$1" "$2" "$3.all"
"""
    + LAY_OUT
)
"""The same with what applications added to the set before. Where both say what a tag means, the listing is right.

The last argument is where the folders of added applications lie."""

LAID_OUT_WITH_ADDED = (
    LAID_OUT
    + """
for list in "$4"/*/registry.list; do
    [ -f "$list" ] || continue
    while read -r what hex path; do
        [ "$what" != data ] || [ "$blobs/$hex" -ef "$root/$path" ] || exit 1
    done <"$list"
done
"""
)

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

    A line of the listing is ``data HEX PATH`` (a received blob), ``made HEX PATH TEXT`` or ``link HEX PATH``.
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
    """What a registry holds that serves all that `parts` carry, each under its own name, tags and digests.

    A tag means the original index, if the image was chosen from one, else its manifest. Where that differs between
    architectures (each image came from an archive of its own), it means an index of those, which is made here. Raises
    `PlanError` when one name means two images of one architecture.
    """
    images = [(part.architecture, image) for part in parts for image in part.carried]
    blobs = sorted({blob for _, image in images for blob in _blobs(image)}, key=lambda blob: blob.digest)
    links = {path: digest for _, image in images for path, digest in _links(image)}
    made: dict[Digest, str] = {}
    for path, named in _tags(images).items():
        meant = {_meant(image) for image in named.values()}
        if len(meant) > 1:
            index = oci.index_to_json(_joined(named))
            meant = {Digest.of(index)}
            made[Digest.of(index)] = index.decode()
        (links[path],) = meant
        links.update(_revision(path.partition("/_manifests/")[0], digest) for digest in meant)
    lines = [f"data {blob.digest.hex} {_data(blob.digest)}" for blob in blobs]
    lines += [f"made {digest.hex} {_data(digest)} {text}" for digest, text in sorted(made.items())]
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


def _tags(images: Iterable[tuple[str, CarriedImage]]) -> dict[str, dict[str, CarriedImage]]:
    """Where each tag leads from, and the images that it means, by architecture."""
    tags: dict[str, dict[str, CarriedImage]] = {}
    for architecture, image in images:
        reference = Reference.parse(image.reference)
        if reference.digest is None:
            named = tags.setdefault(f"{_repository(reference)}/_manifests/tags/{reference.tag}/current/link", {})
            if _meant(named.setdefault(architecture, image)) != _meant(image):
                raise PlanError(
                    f"{image.reference} and {named[architecture].reference} are one name, but two images",
                    hint="give one of them another tag, and build again",
                )
    return tags


def _meant(image: CarriedImage) -> Digest:
    return image.index.digest if image.index else image.manifest.digest


def _joined(named: Mapping[str, CarriedImage]) -> Index:
    return Index(
        tuple(
            Descriptor(
                image.media_type, image.manifest.digest, image.manifest.size, platform=Platform("linux", architecture)
            )
            for architecture, image in sorted(named.items())
        )
    )


def _links(image: CarriedImage) -> Iterator[tuple[str, Digest]]:
    """The places that lead to the image's documents and blobs by their digests."""
    repository = _repository(Reference.parse(image.reference))
    yield _revision(repository, _meant(image))
    yield _revision(repository, image.manifest.digest)
    for blob in image.blobs:
        yield f"{repository}/_layers/sha256/{blob.digest.hex}/link", blob.digest


def _repository(reference: Reference) -> str:
    return f"repositories/{store_name(reference)}"


def _revision(repository: str, digest: Digest) -> tuple[str, Digest]:
    return f"{repository}/_manifests/revisions/sha256/{digest.hex}/link", digest


def _data(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


def _blobs(image: CarriedImage) -> Iterator[Blob]:
    yield image.manifest
    if image.index:
        yield image.index
    yield from image.blobs
