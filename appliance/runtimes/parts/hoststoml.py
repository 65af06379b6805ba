"""What tells containerd where images come from at the site: a ``hosts.toml`` for each registry, all naming ours.

See containerd's ``docs/hosts.md``. `override_path` makes the path of a URL the whole path, so each registry has its
own below ours and its images keep their names. `server` is what containerd asks last, and here first as well: nothing
asks the registry that an image is named after.
"""

from __future__ import annotations

import json

CERTS_D = "/etc/containerd/certs.d"
ANY = "_default"
"""The folder for registries that have none of their own."""

# Without its last table containerd 1.6 passes over the file, and asks the registry that the image is named after.
_TEXT = """\
server = {url}
capabilities = ["pull", "resolve"]
ca = {authority}
override_path = true

[host]
"""


def path(registry: str) -> str:
    """The file that says where images of `registry` (``localhost:5000``, or `ANY`) come from."""
    return f"{CERTS_D}/{registry}/hosts.toml"


def text(url: str, *, authority: str) -> str:
    """The content: images are below `url`; `authority` is the file of the certificate that vouches for it."""
    return _TEXT.format(url=json.dumps(url), authority=json.dumps(authority))
