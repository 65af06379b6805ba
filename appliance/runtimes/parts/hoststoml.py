"""What tells containerd where images come from at the site: a ``hosts.toml`` for each registry, all naming ours.

See containerd's ``docs/hosts.md``. `override_path` makes the path of a URL the whole path, so each registry has its
own below ours and its images keep their names. `server` is what containerd asks last; it is ours too, so that nothing
asks the registry that an image is named after.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CERTS_D = "/etc/containerd/certs.d"
ANY = "_default"
"""The folder for registries that have none of their own."""

_KEYS = """capabilities = ["pull", "resolve"]
ca = %s
override_path = true
"""
# Without this table containerd 1.6 passes over the file, and asks the registry that the image is named after.
_NO_HOSTS = "\n[host]\n"


def path(registry: str) -> str:
    """The file that says where images of `registry` (``localhost:5000``, or `ANY`) come from."""
    return f"{CERTS_D}/{registry}/hosts.toml"


def text(urls: Sequence[str], *, authority: str) -> str:
    """The content: `urls` are asked in order; `authority` is the file of the certificate that vouches for them."""
    *first, last = urls
    keys = _KEYS % json.dumps(authority)
    tables = [f"\n[host.{json.dumps(url)}]\n{keys}" for url in first]
    return "".join((f"server = {json.dumps(last)}\n{keys}", *(tables or [_NO_HOSTS])))
