"""One run that sends a blob to lab hosts: ``python -m bench.sending METHOD LAB FOLDER RUNTIME HEX SIZE PART-OF-SWARM``.

What it takes is all of it: the worker's start, SSH, leases, keys, the bytes, their check, the journal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from support.sending import Sending

from appliance.digest import Digest
from appliance.events import Outcome
from appliance.image.blobs import Blob, LayerBlob
from appliance.lab import registry


def main(method: str, name: str, folder: str, *digests_and_size: str) -> int:
    """Send; 0 when every host has the blob."""
    runtime, digest, size, part, part_size, tar = digests_and_size
    lab = registry.read(name)
    if lab is None:
        return 2
    swarm = LayerBlob(Blob(Digest(part), int(part_size)), Digest(tar))
    sending = Sending(lab, Path(folder), runtime=Digest(runtime), swarm=swarm)
    run = sending.start(method, (Blob(Digest(digest), int(size)),))
    ended = sending.ending(run)
    print(ended.failed, file=sys.stderr)
    return 0 if ended.outcome is Outcome.OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
