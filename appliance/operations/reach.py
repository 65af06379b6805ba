"""Whether hosts reach each other on the port by which they pass blobs on: asked of them before anything is sent."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from appliance.inventory.preflight import CheckResult, Verdict, own_stamp
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.operations.survey import Survey
    from appliance.plan.runtime import SiteHost
    from appliance.recipe.clusterfile import Distribution
    from appliance.transport.base import Transport

CHECK = "distribution"
MOST_NEIGHBOURS = 16
"""Of how many others a host is asked: those that follow it in the list, round about."""

# A port on which nobody listens refuses at once; one behind a packet filter does not answer, or says something else.
_KNOCK = """
port=$1; shift
LC_ALL=C; export LC_ALL
if ! command -v bash || ! command -v timeout; then echo unknown; exit 0; fi >/dev/null
for address; do
    {
        said=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$address" "$port" 2>&1)
        case $?:$said in
            0:*) echo "taken $address" ;;
            *refused*) echo "free $address" ;;
            *) echo "shut $address" ;;
        esac
    } &
done
wait
"""


def reach(found: Survey, distribution: Distribution, *, image: str) -> tuple[CheckResult, ...]:
    """A result for each host that gets something and has others; a warning where a host does not reach another.

    Nothing is asked where no host passes on to another.
    """
    hosts = tuple(host for host in found.hosts if not host.host.endpoint.local)
    stamps = {host.name: own_stamp(host.facts) for host in hosts}
    wanting = [host for host in hosts if not ((stamp := stamps[host.name]) and stamp.image == image)]
    if distribution.method == "unicast" or len(wanting) < 2:  # noqa: PLR2004  (one has nobody to pass on to)
        return ()
    names = {_near(host): host.name for host in wanting}
    answers = found.ask(lambda host, line: _ask(host, line, tuple(names), port=distribution.port))
    return tuple(_judge(host.name, answers[host.name], names, port=distribution.port) for host in wanting)


def _near(host: SiteHost) -> str:
    """The address at which others reach the host: its only one, where the one it is known by is none of its own."""
    known = host.host.endpoint.address
    try:
        version = ip_address(known).version
    except ValueError:
        return known
    own = [each for each in host.facts.addresses if ip_address(each).version == version]
    return own[0] if len(own) == 1 and known not in own else known


def _ask(host: SiteHost, line: Transport, addresses: tuple[str, ...], *, port: int) -> tuple[str, ...]:
    own = _near(host)
    if own not in addresses:
        return ()
    place = addresses.index(own)
    others = (*addresses[place + 1 :], *addresses[:place])[:MOST_NEIGHBOURS]
    return tuple(line.run(Command.shell(_KNOCK, str(port), *others, timeout=30.0)).stdout.splitlines())


def _judge(host: str, answers: Sequence[str], names: dict[str, str], *, port: int) -> CheckResult:
    found: dict[str, list[str]] = {}
    for answer in answers:
        what, _, address = answer.partition(" ")
        found.setdefault(what, []).append(names.get(address, address))
    if shut := found.get("shut"):
        return CheckResult(
            CHECK,
            host,
            Verdict.WARN,
            f"does not reach {', '.join(shut)} on port {port}",
            f"open TCP port {port} between the hosts, or name another as distribution.port; where addresses are"
            " translated, write hosts down by their own (docs/operator.md); else all is sent from here",
        )
    if taken := found.get("taken"):
        return CheckResult(
            CHECK,
            host,
            Verdict.WARN,
            f"another program listens on port {port} of {', '.join(taken)}",
            "name another port as distribution.port in the Clusterfile; else nobody takes from there",
        )
    if "free" in found:
        others = "1 other" if len(found["free"]) == 1 else f"{len(found['free'])} others"
        return CheckResult(CHECK, host, Verdict.PASS, f"reaches {others} on port {port}")
    return CheckResult(CHECK, host, Verdict.PASS, "whether it reaches the others cannot be asked there: no bash")
