"""What differs between versions of Kubernetes: one row a minor version. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError

if TYPE_CHECKING:
    from appliance.recipe.bundlefile import BundleSpec

_VERSION = re.compile(r"v?1\.(?P<minor>[0-9]+)\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class Release:
    """A minor version: the API of kubeadm's configuration, and the image of the process that holds a pod.

    `repository` is where kubeadm's images come from unless it is told otherwise.
    """

    kubeadm_api: str
    repository: str
    pause: str

    @property
    def lists_arguments(self) -> bool:
        """Whether ``extraArgs`` is a list of names and values; before, it is an object."""
        return self.kubeadm_api == "v1beta4"


_OLD, _NEW = "k8s.gcr.io", "registry.k8s.io"
_RELEASES = {
    20: Release("v1beta2", _OLD, "3.2"),
    21: Release("v1beta2", _OLD, "3.4.1"),
    22: Release("v1beta3", _OLD, "3.5"),
    23: Release("v1beta3", _OLD, "3.6"),
    24: Release("v1beta3", _OLD, "3.7"),
    25: Release("v1beta3", _NEW, "3.8"),
    26: Release("v1beta3", _NEW, "3.9"),
    27: Release("v1beta3", _NEW, "3.9"),
    28: Release("v1beta3", _NEW, "3.9"),
    29: Release("v1beta3", _NEW, "3.9"),
    30: Release("v1beta3", _NEW, "3.9"),
    31: Release("v1beta4", _NEW, "3.10"),
    32: Release("v1beta4", _NEW, "3.10"),
    33: Release("v1beta4", _NEW, "3.10"),
    34: Release("v1beta4", _NEW, "3.10.1"),
}


@dataclass(frozen=True, slots=True)
class Version:
    """A version of Kubernetes: its name as Kubernetes writes it (``v1.20.2``), and what counts for it."""

    name: str
    release: Release


def version_of(spec: BundleSpec) -> Version:
    """The version that ``bundle.yaml`` says: that of the runtime, else its own.

    `RecipeError` when that is no version of Kubernetes, or one that this runtime does not know.
    """
    text = spec.runtime_version or spec.version
    where = "bundle.yaml: runtime.version"
    found = _VERSION.fullmatch(text)
    if not found:
        hint = "write the version that kubeadm says, like 1.31.4"
        raise RecipeError(f"{text!r} is not a version of Kubernetes", where=where, hint=hint)
    release = _RELEASES.get(int(found["minor"]))
    if release is None:
        hint = f"take one of 1.{min(_RELEASES)} to 1.{max(_RELEASES)}, or a newer appliance"
        raise RecipeError(f"Kubernetes {text} is not known", where=where, hint=hint)
    return Version(f"v{text.removeprefix('v')}", release)
