"""Sticks that answer the second read differently: a file system on a loop device whose sectors change under it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hosts

READER = '''
import fcntl, os, random, sys
from pathlib import Path
from support.bundles import write_bundle
from support.signing import NOW
from appliance.bundle.layout import CHUNK_BYTES
from appliance.digest import Digest
from appliance.errors import BundleError
from appliance.files import put_blob
from appliance.operations import deliver, verification

BLKFLSBUF = 0x1261
image, stick, store = map(Path, sys.argv[1:4])
small, large = random.Random(1).randbytes(5000), random.Random(2).randbytes(3 * CHUNK_BYTES)


def overwrite(wanted, data):
    """Change the sectors in which `wanted` stands, and let the kernel forget what it has read."""
    whole = image.read_bytes()
    assert whole.count(wanted) == 1
    with image.open("r+b") as file:
        file.seek(whole.index(wanted))
        file.write(data)
        os.fsync(file.fileno())
    forget()


def forget():
    descriptor = os.open(next(stick.glob("*.run")), os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    device = os.open(sys.argv[4], os.O_RDONLY)
    fcntl.ioctl(device, BLKFLSBUF, 0)
    os.close(device)


def seen(action):
    try:
        return action()
    except BundleError as error:
        return error.message


written = write_bundle(stick, small, large)
os.sync()
trust = written.vendor.trust()
path = written.path
'''

STORIES = {
    "what changes between opening and reading is not taken out": """
with deliver.open_delivery(path, trust, now=NOW) as bundle:
    overwrite(small[:4096], bytes(4096))
    said = seen(lambda: deliver.take_out(bundle, store, [Digest.of(small)]))
assert "chunk 0 (bytes 1048544 to" in said and "blobs/sha256/" in said, said
assert list(store.iterdir()) == []
""",
    "what changes in the middle of a member ends it": """
with deliver.open_delivery(path, trust, now=NOW) as bundle, bundle.open(Digest.of(large)) as source:
    first = source.read(CHUNK_BYTES)
    overwrite(large[-8192:-4096], bytes(4096))
    said = seen(lambda: put_blob(store, source, Digest.of(large[len(first):]), size=len(large) - len(first)))
assert "is not what was signed" in said, said
assert large.startswith(first) and list(store.iterdir()) == []
""",
    "what is good while it is verified and bad when it is used is not used": """
assert verification.verify(path, trust, now=NOW).verified
with deliver.open_delivery(path, trust, now=NOW) as bundle:
    overwrite(large[:4096], b"x" * 4096)
    said = seen(lambda: deliver.extract(bundle, store / "out"))
assert "is not what was signed" in said, said
assert Digest.of(large).hex not in {p.name for p in (store / "out").rglob("*")}
""",
    "what is bad at first and good afterwards was seen": """
overwrite(small[:4096], bytes(4096))
report = verification.verify(path, trust, now=NOW)
assert not report.verified and "chunk 0 (" in report.findings[0], report
overwrite(bytes(4096) + small[4096:], small[:4096])
assert verification.verify(path, trust, now=NOW).verified
""",
    "a front that changes after it was read is not read again": """
with deliver.open_delivery(path, trust, now=NOW) as bundle:
    overwrite(written.manifest[:512], b"{" * 512)
    assert bundle.manifest_bytes == written.manifest
    assert deliver.take_out(bundle, store, [Digest.of(large)]).blobs == 1
assert "not verified" in seen(lambda: deliver.open_delivery(path, trust, now=NOW).close())
""",
}

MOUNTED = """
truncate -s 64M "$1"
mkfs.ext4 -q -b 4096 -O ^has_journal "$1"
device=$(losetup --show -f "$1")
trap 'cd /; umount "$2" || true; losetup -d "$device"' EXIT
mount -o noatime "$device" "$2"
"$4" -c "$5" "$1" "$2" "$3" "$device"
"""


def tell(story: str, folder: Path) -> None:
    """Carry a story out with a file system of its own as the stick."""
    image, stick, store = folder / "image", folder / "stick", folder / "store"
    stick.mkdir()
    store.mkdir()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", MOUNTED, "sh"]
    done = subprocess.run(
        [*command, image, stick, store, sys.executable, READER + story],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_nothing_is_used_but_what_was_checked_at_that_moment(tmp_path: Path, story: str) -> None:
    tell(story, tmp_path)


SAME_MEDIUM = """
keys = stick / "keys"
keys.mkdir()
from appliance.trust import certificates, policy
for folder in (keys, store):
    (folder / "root.pem").write_bytes(certificates.certificate_pem(written.vendor.root))
(stick / "deliveries").mkdir()
path = path.rename(stick / "deliveries" / path.name)
for folder, words in ((keys, "lies on the same medium as the bundle"), (store, "")):
    trust = policy.Trust(policy.read_anchors(folder / "root.pem"))
    report = verification.verify(path, trust, now=NOW)
    said = [sentence for sentence in report.not_checked if "root.pem" in sentence]
    assert report.verified and len(said) == bool(words) and all(words in s for s in said), said
"""


def test_a_root_that_came_on_the_same_stick_is_pointed_out(tmp_path: Path) -> None:
    tell(SAME_MEDIUM, tmp_path)
