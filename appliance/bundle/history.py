"""Whether a bundle is older than what this site had, and whether somebody may and does allow to go back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bundle import sidecars
from appliance.errors import RecipeError, VerificationError
from appliance.trust import floors, judgement
from appliance.trust.rules import VENDOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appliance.bundle.manifest import BundleManifest
    from appliance.bundle.sidecars import Beside
    from appliance.digest import Digest
    from appliance.trust.judgement import Verdict
    from appliance.trust.policy import Trust


@dataclass(frozen=True, slots=True)
class History:
    """A bundle before what was installed here: the verdict on its signatures, and the permit beside it, if any."""

    verdict: Verdict
    beside: Beside
    trust: Trust
    now: datetime

    def seen(self, manifest: BundleManifest) -> floors.Seen:
        """The bundle, as this site remembers what it installed."""
        return floors.Seen(manifest.name, manifest.epoch, manifest.image, self.verdict.anchors_of(VENDOR))

    def require_recent(self, manifest: BundleManifest) -> None:
        """Raise `VerificationError` when it is below the policy's minimum, or below a floor without a permit."""
        least = self.trust.policy.minimum_epoch(manifest.name)
        if manifest.epoch < least:
            raise VerificationError(
                f"its epoch {manifest.epoch} is below {least}, the least that the policy of this site takes",
                hint="ask the vendor for a newer one; minimum_epoch in the policy says which",
            )
        below = floors.below(self.trust.floors, self.seen(manifest))
        if below and not self.permitted(manifest, [floor.image for floor in below]):
            raise VerificationError(
                f"its epoch {manifest.epoch} is lower than {below[0].epoch}, which was installed here before",
                hint=f"whom the policy names must sign a permit: appliance trust permit --from {below[0].image}",
            )

    def permitted(self, manifest: BundleManifest, images: Sequence[Digest]) -> bool:
        """Whether those who satisfy the policy allow to go back to this bundle from each of `images`."""
        if self.beside.permit is None:
            return False
        signatures, faults = sidecars.countersignatures(self.beside.permit_signatures)
        try:
            permit = floors.read_permit(self.beside.permit.data)
        except RecipeError:
            return False
        verdict = judgement.check(self.beside.permit.data, signatures, self.trust, now=self.now)
        asked = (floors.Permit(manifest.name, image, manifest.image) for image in images)
        return verdict.accepted and not faults and all(each == permit for each in asked)
