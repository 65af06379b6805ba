"""One run that sends a blob to the hosts of a lab: ``python -m bench.sending METHOD LAB FOLDER HEX SIZE``.

What it takes is all of it: the worker's start, SSH, leases, keys, the bytes, their check, the journal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.sending import Sending

from appliance.digest import Digest
from appliance.events import Outcome
from appliance.image.blobs import Blob
from appliance.lab import registry


def main(method: str, name: str, folder: str, digest: str, size: str) -> int:
    """Send; 0 when every host has the blob."""
    lab = registry.read(name)
    if lab is None:
        return 2
    sending = Sending(lab, Path(folder), install=False)
    run = sending.start(method, (Blob(Digest(digest), int(size)),))
    ended = sending.ending(run)
    print(ended.failed, file=sys.stderr)
    return 0 if ended.outcome is Outcome.OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
