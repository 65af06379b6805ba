"""The provenance of a delivery: an in-toto Statement v1 with SLSA provenance v1. Pure.

Unsigned here: the manifest's signature covers it, and a DSSE envelope beside the bundle signs it on its own. What the
recipe does not pin is annotated ``unpinned``; times, places and secrets of the packager's machine are not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bundle.inventory.holdings import Holdings

BUILD_TYPE = "urn:appliance:bundle:1"
_Document = dict[str, Any]


def provenance(holdings: Holdings, *, reference: str) -> bytes:
    """The statement about the image called `reference`: its recipe by instructions, its inputs, its builder."""
    return canonical.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": holdings.name, "digest": {"sha256": holdings.image.hex}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "reference": reference,
                        "version": holdings.version,
                        "arguments": dict(holdings.arguments),
                        "recipe": [
                            {
                                "platform": layer.platform,
                                "instruction": layer.instruction,
                                "layer": {"sha256": layer.digest.hex},
                            }
                            for layer in holdings.layers
                        ],
                    },
                    "internalParameters": {"sourceDateEpoch": holdings.created},
                    "resolvedDependencies": list(_inputs(holdings)),
                },
                "runDetails": {"builder": {"id": "urn:appliance", "version": {"appliance": holdings.builder}}},
            },
        }
    )


def _inputs(holdings: Holdings) -> Iterator[_Document]:
    for taken in holdings.inputs:
        unpinned = {} if taken.pinned else {"annotations": {"unpinned": True}}
        yield {"uri": taken.uri, "digest": {"sha256": taken.digest.hex}, **unpinned}
    for image in holdings.carried:
        for name in image.references:
            yield {"name": name, "uri": name, "digest": {"sha256": image.digest.hex}}
    for package in holdings.python_packages:
        if package.digest:
            yield {"uri": package.purl, "name": package.name, "digest": {"sha256": package.digest.hex}}
