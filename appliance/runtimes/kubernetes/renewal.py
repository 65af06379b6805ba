"""Certificates that kubeadm made on control planes, for API server, controllers and administrator: renewed in time.

They last a year. kubelets renew their own while they run; those of etcd and of the registry are the operator's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.plan.steps import Run, Step
from appliance.runtimes.kubernetes import configuration
from appliance.runtimes.kubernetes.joining import ADMIN, INIT
from appliance.runtimes.kubernetes.members import API_PORT, place
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost

_DAYS = 60
"""How long before its end a certificate is renewed; of one that lasts for less, the last third of its time."""
_MARK = "/etc/kubernetes/renewing"
_SECONDS = 600.0

# Rows of kubeadm's table: NAME, MONTH DAY, YEAR HOUR:MINUTE ZONE, what is left (364d 23h 5m 3s <invalid>), and more.
# Authorities come after, in a table of their own: they are ours.
_FRESH = """
PATH=$1/bin:$PATH HOME=/var/lib/appliance/node/home
export PATH HOME
[ -e "$3" ] || exit 0
[ ! -e "$4" ] || exit 1
said=$(kubeadm certs check-expiration --config="$2") || exit 1
printf '%s\\n' "$said" | while read -r name month day year hour zone left rest; do
    [ "$name $month" != "CERTIFICATE AUTHORITY" ] || break
    case $name:$left in
        !MISSING!*|*:) ;;
        *:*y) ;;
        *:*d) [ "${left%d}" -ge "$5" ] || exit 1 ;;
        *:[0-9]*[hms]) [ "$5" -eq 0 ] || exit 1 ;;
        *:\\<invalid\\>) exit 1 ;;
    esac
done
"""
_RENEW = Path(__file__).with_name("renewal.sh").read_text(encoding="utf-8")


def step_id(host: SiteHost) -> str:
    """The id of the step that renews on `host`."""
    return f"{host.name}/renew:certificates"


def renew(site: Site, host: SiteHost, programs: str) -> Step:
    """Renew what ends soon on a control plane, and wait until its API server answers again; new ones are left alone."""
    server = f"https://{place(host, API_PORT)}"
    days = str(_days(configuration.certificate_validity(site)))
    return Step(
        id=step_id(host),
        title="Renew the certificates that kubeadm made, and start the control plane anew with them",
        host=host.name,
        action=Run(Command.shell(_RENEW, programs, configuration.SOCKET, INIT, ADMIN, _MARK, server, timeout=_SECONDS)),
        unless=Command.shell(_FRESH, programs, INIT, ADMIN, _MARK, days),
    )


def _days(validity: str) -> int:
    """`validity` is a duration as Go writes it: ``8760h0m0s``."""
    found = re.match(r"(\d{1,9})h", validity)
    return min(_DAYS, int(found[1]) // 24 // 3) if found else _DAYS
