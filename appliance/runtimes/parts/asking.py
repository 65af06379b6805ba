"""Ask a registry for all that a listing (see `registrystorage`) says it has; a program for a host's own Python.

Arguments: port, the file of the authority that vouches for the registry, the listing. Silent and 0 when each tag means
on 127.0.0.1 what the listing says; else one sentence on standard error, and 1. Imports what a host's Python has.
"""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"
SECONDS = 10.0
TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def main(arguments: list[str]) -> int:
    """Ask; the exit status."""
    port, authority, listing = arguments
    try:
        missing = ask(int(port), authority, wanted(Path(listing).read_text(encoding="utf-8")))
    except OSError as error:
        missing = f"the registry does not answer: {error}"
    if missing:
        sys.stderr.write(f"{missing}\n")
    return 1 if missing else 0


def wanted(listing: str) -> list[tuple[str, str, str]]:
    """Name, tag and the digest that it means, of all tags in a listing."""
    found = []
    for line in listing.splitlines():
        what, digest, path = line.split(" ", 3)[:3]
        name, mark, rest = path.removeprefix("repositories/").partition("/_manifests/tags/")
        if what == "link" and mark:
            found.append((name, rest.partition("/")[0], f"sha256:{digest}"))
    return found


def ask(port: int, authority: str, images: list[tuple[str, str, str]]) -> str:
    """A sentence about the first of `images` that the registry does not have; empty if it has all. `OSError`."""
    trust = ssl.create_default_context(cafile=authority)
    accepted = ", ".join(TYPES)
    with (
        socket.create_connection((LOOPBACK, port), timeout=SECONDS) as line,
        trust.wrap_socket(line, server_hostname=LOOPBACK) as safe,
        safe.makefile("rwb") as conversation,
    ):
        for name, tag, digest in images:
            request = f"HEAD /v2/{name}/manifests/{tag} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAccept: {accepted}\r\n\r\n"
            conversation.write(request.encode())
            conversation.flush()
            answer = list(iter(lambda: conversation.readline().decode().strip(), ""))
            if f"docker-content-digest: {digest}" not in map(str.lower, answer):
                return f"{name}:{tag} is not served as {digest}: {answer[0] if answer else 'no answer'}"
    return ""


def program() -> str:
    """This program's own text, to be given to ``python -c``."""
    return Path(__file__).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
