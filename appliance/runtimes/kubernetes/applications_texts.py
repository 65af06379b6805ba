"""The site's own texts over the image's tree: rendered templates, and the Clusterfile's Config documents. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.plan.render import render
from appliance.plan.steps import PutText, SecretRef, Step
from appliance.recipe import overlays
from appliance.runtimes.parts.templatevalues import values_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.plan.runtime import Site, SiteHost, TextFile
    from appliance.recipe.overlays import Overlay
    from appliance.runtimes.kubernetes.applications_steps import Place

FOLDERS = ("etc/", "manifests/")
"""Where templates are rendered for the applications."""
_TEMPLATE = ".j2"


@dataclass(frozen=True, slots=True)
class SiteText:
    """A text for the working copy, at `path` in the image's tree; 0600 with a secret in it."""

    path: str
    parts: tuple[str | SecretRef, ...]
    mode: int = 0o644

    @property
    def secret(self) -> bool:
        """Whether a secret stands in it."""
        return any(isinstance(part, SecretRef) for part in self.parts)

    @property
    def text(self) -> str:
        """The text without its secrets."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def step(self, place: Place) -> Step:
        """The step that writes it beside the copy."""
        path = f"{place.texts}/{self.path}"
        mode = 0o600 if self.secret else self.mode
        return Step(f"{place.host}/write:{path}", f"Write {self.path}", place.host, PutText(path, self.parts, mode))


def site_texts(site: Site, host: SiteHost) -> tuple[SiteText, ...]:
    """The texts that are laid over the image's tree, by path. `RecipeError` for what cannot be rendered or merged."""
    texts = {text.path: text for text in site.parts[host.facts.architecture].texts}
    found = {text.path: text for text in _rendered(site, host, texts)}
    for overlay in overlays.read(site.documents):
        found[overlay.path] = _overlaid(overlay, found.get(overlay.path), texts.get(overlay.path))
    return tuple(found[path] for path in sorted(found))


def _rendered(site: Site, host: SiteHost, texts: Mapping[str, TextFile]) -> list[SiteText]:
    values = values_for(site, host)
    return [
        SiteText(path.removesuffix(_TEMPLATE), render(text.text, values, where=path), text.mode)
        for path, text in texts.items()
        if path.startswith(FOLDERS) and path.endswith(_TEMPLATE)
    ]


def _overlaid(overlay: Overlay, found: SiteText | None, text: TextFile | None) -> SiteText:
    if found and found.secret and overlay.merge:
        hint = "write strategy: overwrite, or a parameter of the template"
        raise RecipeError(
            f"{overlay.path} holds a secret, so nothing is merged into it", where=overlay.where, hint=hint
        )
    below = found.text if found else text.text if text else None
    mode = found.mode if found else text.mode if text else 0o644
    return SiteText(overlay.path, (overlay.onto(below),), mode)
