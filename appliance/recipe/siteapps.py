"""``spec.apps`` of a Clusterfile: further applications on the cluster, and how each is set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.recipe.yamltext import Document


@dataclass(frozen=True, slots=True)
class SiteApp:
    """An application: `image` is its bundle's ``NAME:VERSION``."""

    image: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.image.partition(":")[0]


def read(document: Document, values: Sequence[Any]) -> tuple[SiteApp, ...]:
    """``spec.apps``, validated by the schema. `RecipeError` for a name without a version, or one that comes twice."""
    found: dict[str, SiteApp] = {}
    for number, value in enumerate(values):
        path = ("spec", "apps", number)
        app = SiteApp(value) if isinstance(value, str) else SiteApp(value["image"], value.get("parameters", {}))
        if not app.name or ":" not in app.image:
            raise document.error(path, f"{app.image!r} is not NAME:VERSION", hint="write it like hello:1.0.0")
        if app.name in found:
            raise document.error(path, f"the application {app.name} comes twice", hint="keep one of them")
        found[app.name] = app
    return tuple(found.values())


def documents(apps: Iterable[SiteApp]) -> list[object]:
    """``spec.apps`` again."""
    return [{"image": app.image, "parameters": dict(app.parameters)} if app.parameters else app.image for app in apps]


def at_version(apps: Iterable[SiteApp], image: str) -> tuple[SiteApp, ...]:
    """`apps` with the one that the bundle `image`, ``NAME:VERSION``, is of: in that version, and set as it was."""
    kept = tuple(apps)
    wanted = SiteApp(image)
    there = next((app for app in kept if app.name == wanted.name), wanted)
    return with_app(kept, replace(there, image=image))


def with_app(apps: Iterable[SiteApp], app: SiteApp) -> tuple[SiteApp, ...]:
    """`apps` with `app` in the place of the one of its name, or at the end."""
    kept = tuple(apps)
    if any(one.name == app.name for one in kept):
        return tuple(app if one.name == app.name else one for one in kept)
    return (*kept, app)
