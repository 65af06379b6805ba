"""Every text of the guide, so that another language is one file. What comes from elsewhere is cleaned, never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

from appliance.digest import Digest
from appliance.events import Outcome
from appliance.inventory.preflight import Verdict
from appliance.operations.propose import INSTALL
from appliance.recipe.quantities import size_text
from appliance.report.text import duration, headline, plain
from appliance.trust.words import words
from tui.session import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from appliance.errors import ApplianceError
    from appliance.inventory.facts import Facts
    from appliance.inventory.preflight import CheckResult
    from appliance.operations.propose import Proposed
    from appliance.plan.steps import Proposal, Stage
    from appliance.report.result import Report
    from appliance.report.view import HostView, RunView
    from appliance.trust.judgement import SignerResult
    from tui.calls.runs import KnownCluster
    from tui.fields import Field
    from tui.session import Delivery, Machine, Session

__all__ = ["INSTALL"]

PROGRAM = "appliance"

# Keys

KEY_NEXT = "next"
KEY_BACK = "back"
KEY_HELP = "help"
KEY_QUIT = "quit"
KEY_LEAVE = "close"
KEY_VERIFY = "verify"
KEY_CLUSTERS = "clusters"
KEY_KEYS = "keys"
KEY_ACCESS = "access"
KEY_ENTER = "test"
KEY_ROLE = "role"
KEY_PROPOSE = "propose"
KEY_SELECT = "select"
KEY_ALL = "select all"
KEY_LABELS = "labels"
KEY_REMOVE = "remove"
KEY_SORT = "sort"
KEY_FILTER = "filter"
KEY_FIND = "find hosts"
KEY_CHECK_ONE = "check host"
KEY_CHECK_ALL = "check all"
KEY_GO = "carry out"
KEY_SAVE = "save"
KEY_VIEW = "view"
KEY_AGAIN = "propose again"
KEY_PAUSE = "pause"
KEY_CANCEL = "stop"
KEY_RETRY = "retry"
KEY_LOG = "log"
KEY_REPORT = "report"
KEY_HTML = "save"
KEY_NEXT_CLUSTER = "next cluster"
KEY_LOOK = "look again"
KEY_RESET = "reset"

# Words used in several places

OF = "of"
LEFT = "{time} left"
WORKING = "Working:"
ERROR = "Error:"
NEXT = "Next:"
SAVED = "Written: {path}"
TYPE_EXACTLY = "type exactly: {name}"
STEPS = {
    Step.OPEN: "Open",
    Step.HOSTS: "Hosts",
    Step.SETTINGS: "Settings",
    Step.PREFLIGHT: "Preflight",
    Step.PLAN: "Plan",
    Step.RUN: "Run",
}


def _title(step: Step) -> str:
    return f"{STEPS[step]} {step.value}/{len(Step)}"


def about(session: Session) -> str:
    """What all of this is about, beside the screen's title."""
    parts = []
    if session.delivery and session.delivery.spec:
        parts.append(f"{session.delivery.spec.name} {session.delivery.spec.version}")
    if session.written.name:
        parts.append(f"cluster {session.written.name}")
    if session.machines:
        parts.append(f"{len(session.chosen)} of {plural(len(session.machines), 'host')}")
    return "  ".join(parts)


def plural(count: int, what: str) -> str:
    """``1 host``, ``3 hosts``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def clean(text: str) -> str:
    """Text from elsewhere, in one line, that a terminal does not obey."""
    return plain(" ".join(text.split()))


def printable(text: str) -> str:
    """Text from elsewhere, in its lines, that a terminal does not obey."""
    return "\n".join(plain(line.expandtabs()) for line in text.splitlines())


# Leaving, and coming back

QUIT_TITLE = "Leave the guide?"
QUIT_TEXT = "Nothing is lost: what you described is kept, and a run goes on without this screen."
QUIT_NO = "Stay"
QUIT_YES = "Leave"
RESUME_TITLE = "Go on where you stopped?"
RESUME_TEXT = (
    "Cluster {cluster} with {hosts} hosts was described here before and not yet installed.\nPasswords were not kept."
)
RESUME_YES = "Go on"
RESUME_NO = "Begin anew"
LIVING_TITLE = "A run goes on"
LIVING_TEXT = "Run {run} of cluster {cluster} was started here before and is not over."
LIVING_YES = "Watch it"
LIVING_NO = "Not now"
CRASHED = (
    "The guide ended because of a fault in it: {error}\n"
    "Nothing on a host depends on it: a run goes on without it. {where}\n"
    "Set APPLIANCE_DEBUG=1 to see where the fault is, and report it."
)
CRASHED_JOURNAL = "The journal of the last run: {journal}"
ENDED = "The guide was ended by a signal. A run goes on without it; start the guide again, or: attach"
NO_TERMINAL = "the guide needs a terminal that it can write to and read from"
DUMB_TERMINAL = "this terminal ({term}) cannot be drawn on"

# The palette

PALETTE_THEME = "Light or dark"
PALETTE_THEME_HELP = "Change the colours"
PALETTE_CLUSTERS = "Clusters"
PALETTE_CLUSTERS_HELP = "What is installed where, and what was done"
PALETTE_STEP = "Go to: {title}"
PALETTE_STEP_HELP = "Back to this step"
PALETTE_QUIT = "Leave"

# Open

OPEN_TITLE = _title(Step.OPEN)
OPEN_LEAD = "Choose the delivery: every byte of it is verified. Nothing is installed yet."
OPEN_BUNDLE = "Bundle"
OPEN_BUNDLE_HINT = "path of the .run file"
OPEN_TRUST = "Whom to believe"
OPEN_TRUST_HINT = "root.pem or sha256:…; empty: this site's store"
OPEN_NONE = "No bundle beside this program or on a mounted stick; type its path."
OPEN_NOT_YET = "The delivery is not verified yet: only what is verified is installed."
OPEN_ACCEPT = "Accept the licence first (space)."
OPEN_LICENCE = "I accept the licence: {licence}"
OPEN_HELP = """\
Bundles beside the program and on mounted sticks are listed; Enter takes one, or type a path. Verification reads all of
it: the signatures, the policy of this site, and every byte.

"Whom to believe" is a certificate or key that the vendor gave you by another way than this stick. Where your site keeps
roots in /etc/appliance/trust it can stay empty.

VERIFIED says that a key you believe signed exactly these bytes. What that does not prove stands below it: read it.

  Enter    take the bundle          Ctrl-R  verify again
  Tab      next field               Ctrl-N  go on
  c        clusters on this machine"""


def found_bundle(path: Path, size: int) -> Content:
    """A line of the list."""
    return Content(f"{clean(str(path))}  ({size_text(size)})")


def verifying(name: str) -> Content:
    """While it runs."""
    return Content(f"Verifying {clean(name)}: signatures, policy, every byte …")


def verdict(delivery: Delivery) -> Content:
    """The verdict in one word, then what was and what was not checked."""
    report = delivery.report
    if report is None:
        return Content("")
    lines: list[Content] = []
    if report.verified:
        spec = delivery.spec
        what = clean(f"{spec.title or spec.name} {spec.version}, {spec.vendor}".rstrip(", ")) if spec else report.name
        lines.append(Content.assemble(("VERIFIED", "bold $success"), f"  {what}"))
        if spec and spec.description:
            lines.append(Content(f"  {clean(spec.description)}"))
    else:
        lines.append(Content.assemble(("NOT VERIFIED", "bold $error"), f"  {clean(report.name)}"))
        lines += [Content(f"  {clean(finding)}") for finding in report.findings]
        if report.hint:
            lines.append(Content(f"  {NEXT} {clean(report.hint)}"))
    checked = report.checked
    if report.signers or checked.bytes:
        lines.append(Content("Checked" if report.verified else "Found").stylize("bold"))
    if checked.bytes:
        whole = f"{checked.bytes:,} bytes in {plural(checked.chunks, 'chunk')}, {plural(checked.files, 'file')}"
        lines.append(Content(f"  {whole}"))
    lines += [Content(f"  {line}") for line in _signers(report.signers)]
    lines.append(Content("Not checked").stylize("bold"))
    lines += [Content(f"  - {clean(sentence)}") for sentence in report.not_checked]
    return Content("\n").join(lines)


def _signers(signers: Sequence[SignerResult]) -> Iterable[str]:
    for name, fingerprint in dict.fromkeys((signer.name, signer.fingerprint) for signer in signers):
        forms = [signer for signer in signers if (signer.name, signer.fingerprint) == (name, fingerprint)]
        first = forms[0]
        trusted = "trusted" if any(form.trusted for form in forms) else "not trusted"
        when = f", {first.signing_time:%Y-%m-%d %H:%M} UTC by its own word" if first.signing_time else ""
        yield f"signed by {clean(name) or 'a key without a name'}: {trusted}, {clean(first.reason)}{when}"
        yield f"  {clean(fingerprint)}"


# Hosts

HOSTS_TITLE = _title(Step.HOSTS)
HOSTS_LEAD = "Find hosts, compare their keys, enter them, give roles. Nothing is changed."
HOSTS_FIND = "Find hosts"
HOSTS_FIND_HINT = "10.0.0.11-13, 10.0.1.0/24, names, or a Clusterfile"
HOSTS_HEADS = (" ", "address", "role", "name", "key", "entry", "what it is")
HOSTS_EMPTY = "No host yet. Type addresses above and press Enter: all that answer by SSH are listed."
HOSTS_NOBODY = "Nobody answers by SSH there."
HOSTS_NO_ROLE = "no host has a role"
HOSTS_NO_ROLE_HINT = "r changes the role of a host, p proposes roles for all"
HOSTS_HELP = """\
Type ranges (10.0.0.11-13), networks (10.0.1.0/24), single addresses or names, or the path of a Clusterfile, and press
Enter. What answers by SSH is listed with its host keys: compare their fingerprints with what the hosts' consoles show
(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then believe all at once. Only believed hosts are entered.

  o, /     find hosts, filter         k  compare and believe host keys
  space    select, * all              a  user, key and passwords for entering
  r        next role                  t  enter them again, sudo included
  p        propose roles for all      l  labels        d  take off the list
  s        sort by the next column

What is changed counts for the selected hosts, or for the one with the cursor. Passwords stay in memory."""
KEY_PINNED = "believed"
KEY_NEW = "NEW"
KEYS_TITLE = "New host keys"
KEYS_NONE = "No new key: all hosts that answered are believed."
KEYS_NO = "Not yet"
KEYS_YES = "Believe all"
ENTER_UNPINNED = "No host to enter: their keys are not believed yet (k)."
LABELS_TITLE = "Labels"
LABELS_TEXT = "NAME=VALUE, with spaces between; none takes them away"
FILTER_TITLE = "Filter"
FILTER_TEXT = "Show hosts in which this occurs (address, role, system, problem); empty shows all"
SORTED = {
    "": "In the order in which they came",
    "address": "Sorted by address",
    "role": "Sorted by role",
    "entry": "Those that cannot be entered first",
    "size": "The largest first",
}
ACCESS_TITLE = "How hosts are entered"
ACCESS_ALL = "For all hosts. Keys are tried first; passwords stay in memory."
ACCESS_SOME = "For the {count} selected hosts: user, port and key; passwords count for all and stay in memory."
ACCESS_USER = "User"
ACCESS_PORT = "Port"
ACCESS_KEY = "Private key"
ACCESS_KEY_HINT = "empty: the agent's, and those in ~/.ssh"
ACCESS_PASSPHRASE = "The key's passphrase"  # noqa: S105  (a label)
ACCESS_PASSWORD = "The user's password"  # noqa: S105  (a label)
ACCESS_BECOME = "Password for sudo"
ACCESS_BECOME_HINT = "if sudo asks for one"
ACCESS_GO = "Enter the hosts"
ACCESS_NO_KEY = "There is no file {path}"


def of_machine(machine: Machine) -> str:
    """All that is known of a machine, for the filter."""
    facts = machine.facts
    words = [machine.address, *machine.roles, *machine.labels.values(), machine.entry.value, machine.problem]
    return " ".join([*words, *((facts.hostname, facts.os_name) if facts else ())])


def hardware(facts: Facts) -> str:
    """What a host is, in few words."""
    root = max((disk.free for disk in facts.disks), default=0)
    system = f"{facts.os_id} {facts.os_version}".strip()
    cores, memory = f"{facts.cpus} CPU", size_text(facts.memory)
    stamp = f", has {facts.stamp.cluster}" if facts.stamp and facts.stamp.machine_id == facts.machine_id else ""
    return clean(f"{cores}, {memory}, {system}, {size_text(root)} free{stamp}")


def machine_detail(machine: Machine) -> str:
    """What there is to say of the machine with the cursor."""
    lines = []
    if machine.problem:
        lines.append(f"{machine.address}: {clean(machine.problem)}")
    if machine.hint:
        lines.append(f"{NEXT} {clean(machine.hint)}")
    if machine.facts:
        facts = machine.facts
        about_it = (
            f"{facts.hostname}: {facts.os_name}, {facts.architecture}, kernel {facts.kernel}, systemd {facts.systemd}"
        )
        lines.append(clean(about_it))
    lines += [f"{key.kind} {key.fingerprint}" for key in machine.keys[:2]]
    if machine.labels:
        lines.append(clean("labels: " + ", ".join(f"{name}={value}" for name, value in machine.labels.items())))
    return "\n".join(lines)


def keys_text(machines: Iterable[Machine]) -> str:
    """The keys to compare."""
    lines = ["Compare with what each host's console shows:", "  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", ""]
    for machine in machines:
        lines.append(machine.address)
        for key in machine.keys:
            lines += [f"  {key.kind} {key.fingerprint}", f"    {words(Digest.of(key.raw))}"]
    return "\n".join(lines)


def entered(count: int, refused: Sequence[Machine]) -> str:
    """How entering went."""
    said = f"{plural(count, 'host')} entered, root is possible there."
    if not refused:
        return said
    first = refused[0]
    return f"{said} {len(refused)} not: {first.address}: {clean(first.problem)}"


# Settings

SETTINGS_TITLE = _title(Step.SETTINGS)
SETTINGS_LEAD = "What can be chosen. Values are checked as you type. Nothing is changed yet."
SETTINGS_NAME = "Name of the cluster"
SETTINGS_NAME_HINT = "lower-case letters, digits, hyphens; hosts and this machine know it by that name"
YES = "yes"
SETTINGS_NONE = "This delivery has nothing else to choose."
SETTINGS_KEPT = "kept in the vault; empty leaves it"
SETTINGS_HELP = """\
The fields come from the delivery. A field that is left as it is has the delivery's default. Secrets are masked; they go
into this cluster's vault on this machine, never into the Clusterfile.

  Tab, Enter   next field         Ctrl-N   go on
  Shift-Tab    field before       Space    change a box"""


def field_hint(field: Field) -> str:
    """What stands below a field."""
    default = f"default {field.text_of(field.default)}" if field.default is not None else ""
    return clean("; ".join(filter(None, (field.description, field.bounds, default))))


def fault(error: ApplianceError) -> str:
    """What is wrong with a value."""
    return clean(f"! {error.message}" + (f"; {error.hint}" if error.hint else ""))


# Preflight

PREFLIGHT_TITLE = _title(Step.PREFLIGHT)
PREFLIGHT_LEAD = "Are the hosts fit? Failures first, with what to do. Nothing is changed."
PREFLIGHT_HOST = "host"
PREFLIGHT_TOGETHER = "(together)"
PREFLIGHT_WAIT = "The hosts are not checked yet."
PREFLIGHT_FAILED = "Put right what failed, then check again (a, or r for one host)."
PREFLIGHT_HELP = """\
A line is a host, a column a check: ok, warn or FAIL; hosts and checks with failures come first. Below stands what was
found on the host with the cursor, why that matters and what to do about it.

  r  check the host with the cursor again       a  check all again
  Ctrl-N  go on, when nothing failed            arrows  look around"""
VERDICTS = {Verdict.PASS: "ok", Verdict.WARN: "warn", Verdict.FAIL: "FAIL"}


def checks_counted(results: Sequence[CheckResult]) -> str:
    """The result in one line."""
    failed = sum(result.verdict is Verdict.FAIL for result in results)
    warned = sum(result.verdict is Verdict.WARN for result in results)
    hosts = len({result.host for result in results if result.host})
    counted = f"{plural(len(results), 'check')} on {plural(hosts, 'host')}"
    return f"{'not fit' if failed else 'fit'}: {counted}, {failed} failed, {plural(warned, 'warning')}"


def checks_detail(results: Sequence[CheckResult]) -> Content:
    """What was found: failures and warnings with what to do, then what passed; named by host when it is of several."""
    several = len({result.host for result in results}) > 1
    lines: list[Content] = []
    for result in results:
        color = {Verdict.FAIL: "bold $error", Verdict.WARN: "bold $warning", Verdict.PASS: ""}[result.verdict]
        host = f"{clean(result.host)}, " if several and result.host else ""
        said = f" {host}{clean(result.check)}: {clean(result.detail)}"
        lines.append(Content.assemble((f"{VERDICTS[result.verdict]:<4}", color), said))
        if result.hint and result.verdict is not Verdict.PASS:
            lines.append(Content(f"     {NEXT} {clean(result.hint)}"))
    return Content("\n").join(lines)


# Plan

PLAN_TITLE = _title(Step.PLAN)
PLAN_LEAD = "What would be done, stage by stage. Nothing is changed before you say so."
PLAN_STAGES = "Stages"
PLAN_CHANGES = "Changes"
PLAN_CLUSTERFILE = "Clusterfile"
PLAN_WAIT = "The plan is not made yet."
PLAN_EMPTY = "Nothing to do: the hosts are as they should be."
PLAN_STARTING = "The run is being started; wait a moment."
PLAN_HELP = """\
The tree shows stages in order; inside a stage hosts work in parallel. A stage by which something is lost says LOST.
Changes says the same host by host. Clusterfile is what the command line would need for the same: save it, and
`apply BUNDLE -f FILE` does what this does.

  v  next view          Enter, arrows  open, close and go through the tree
  s  save Clusterfile   g, Ctrl-N      carry it out (asks first)
  r  propose again"""
CONFIRM_TITLE = "Carry it out?"
CONFIRM_NO = "No"
CONFIRM_YES = "Yes, do it"
CONFIRM_LOSS = "Something is lost by this and cannot be brought back"
SAVE_TITLE = "Save the Clusterfile"
SAVE_TEXT = "Where? An existing file is not overwritten; there is no secret in it."


def _counts(proposed: Proposed) -> str:
    plan = proposed.proposal.plan
    steps = sum(len(stage.steps) for stage in plan.stages)
    hosts = len({step.host for stage in plan.stages for step in stage.steps})
    return f"{plural(steps, 'step')} in {plural(len(plan.stages), 'stage')} on {plural(hosts, 'host')}"


def plan_lead(proposed: Proposed) -> str:
    """What the plan is, above it."""
    lost = "; something is LOST by it" if proposed.proposal.plan.destructive else ""
    return f"{proposed.proposal.operation} of {proposed.cluster.name}: {_counts(proposed)}{lost}"


def confirm_plan(proposed: Proposed) -> str:
    """What is asked."""
    plan, name = proposed.proposal.plan, proposed.cluster.name
    lines = [f"{proposed.proposal.operation} of cluster {name}: {_counts(proposed)}."]
    if plan.destructive:
        lost = [stage.title for stage in plan.stages if stage.destructive and stage.steps]
        lines += [
            f"LOST by it: {clean(', '.join(lost))}.",
            f"Type the cluster's name, {name}, to do it; Escape does nothing.",
        ]
    else:
        lines.append(
            "It can be paused and stopped; what was done until then stays, and the same again goes on with it."
        )
    return "\n".join(lines)


def stage_label(number: int, stage: Stage) -> Text:
    """A stage in the tree."""
    hosts = len({step.host for step in stage.steps})
    label = Text(f"{number}. {clean(stage.title)}  ({plural(len(stage.steps), 'step')}, {plural(hosts, 'host')})")
    return label.append("  LOST: something is lost by this", "bold") if stage.destructive else label


def step_label(title: str, hosts: Sequence[str]) -> Text:
    """A step in the tree, once for all hosts that do it."""
    return Text(f"{clean(title)}  [{plural(len(hosts), 'host')}]")


_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def changes(proposal: Proposal) -> str:
    """What changes, host by host."""
    by_host: dict[str, list[str]] = {}
    for change in proposal.changes:
        by_host.setdefault(change.host, []).append(f"  {_SIGNS.get(change.verb, '?')} {clean(change.what)}")
    lines = [line for host, said in by_host.items() for line in (clean(host), *said)]
    return "\n".join([*lines, *(f"note: {clean(notice)}" for notice in proposal.notices)])


# Run

RUN_TITLE = _title(Step.RUN)
RUN_LEAD = "It runs by itself: you may leave, close the terminal, and come back."
RUN_HEADS = ("host", "", "steps", "doing")
PAUSED = "Paused: steps underway end, no other begins. p goes on."
RESUMED = "Going on."
CANCEL_TITLE = "Stop the run?"
CANCEL_TEXT = (
    "Stop after the steps underway: each host ends the step that it is at; nothing is left half done.\n"
    "Stop now: connections are cut; what runs on a host is ended.\n\n"
    "Nothing is undone either way. Proposing the same again goes on from there."
)
CANCEL_NO = "Let it run"
CANCEL_AFTER = "After the steps underway"
CANCEL_NOW = "Now"
STOPPING = {"cancel": "Stopping after the steps underway.", "stop": "Stopping now."}
RETRYING = "Trying again on {host}."
LOG_TITLE = "What commands wrote on {host}"
LOG_EMPTY = "Nothing was written."
REPORT_TITLE = "Report"
REPORT_SAVE = "Save it as a page: where? An existing file is not overwritten."
RUN_HELP = """\
The run is a process of its own. Leaving this screen, losing the terminal or a fault of the guide does not touch it:
start the guide again and it offers to watch it; `attach` does so on the command line.

  p  pause, go on                  l  the log of the host with the cursor
  x  stop: asks how, and says      e  the report, once it is over
     what that means               h  save the report as a page
  r  retry the failed host         Escape, c  leave; the run goes on"""


def whole(view: RunView, drawn: str) -> str:
    """The whole run in two lines."""
    stage = view.stage
    at = f"stage {stage.number + 1} of {len(view.stages)}: {clean(stage.title)}" if stage else "beginning"
    done = f"{drawn} {view.done} of {plural(view.total, 'step')}, {duration(view.seconds)}"
    failed = sum(host.failure is not None for host in view.hosts)
    return f"{view.operation} of {clean(view.cluster)}: {at}\n{done}" + (
        f"   FAILED on {plural(failed, 'host')}" * bool(failed)
    )


def doing(host: HostView, *, complete: bool) -> str:
    """What a host does, in few words."""
    if host.failure:
        word = "FAILED" if host.failure.outcome is Outcome.FAILED else "stopped"
        return f"{word}: {clean(host.failure.title)}"
    step = host.current
    if step is None:
        return "done" if complete else "waits"
    if not step.total:
        return clean(step.title)
    mib = 1 << 20
    left = f", {duration(step.seconds_left)} left" if step.seconds_left is not None else ""
    return f"{step.done / mib:.0f}/{step.total / mib:.0f} MiB, {step.rate / mib:.0f} MiB/s{left}"


def lane_detail(host: HostView, why: str) -> Content:
    """What there is to say of a host: why it failed and what to do, or its last output."""
    lines: list[Content] = []
    if host.failure:
        said = clean(host.failure.detail or why)
        lines.append(Content.assemble((clean(host.name), "bold"), f" at “{clean(host.failure.title)}”: {said}"))
        if host.failure.hint:
            lines.append(Content(f"{NEXT} {clean(host.failure.hint)}"))
    elif host.current:
        lines.append(Content.assemble((clean(host.name), "bold"), f": {clean(host.current.title)}"))
    lines += [Content(plain(line)) for line in host.output[-6:]]
    return Content("\n").join(lines)


def run_ended(report: Report) -> str:
    """The line above a run that is over."""
    return f"{headline(report)}"


# Cluster

CLUSTER_TITLE = "Cluster"
CLUSTER_LEAD = "What is installed where, how it is, and what was done."
CLUSTER_RUNS = "Runs, newest first (Enter shows one)"
CLUSTER_NOTHING = "Nothing was applied to this cluster from here."
STATUS_HEADS = ("", "host", "address", "version", "services")
WELL = "ok"
NOT_WELL = "NOT WELL"
CLUSTER_HELP = """\
The hosts are asked how they are: which version is installed, and whether all services run. Below are all runs of the
cluster; Enter shows one, with its report.

  n  next cluster                u  look again
  a  how hosts are entered       z  reset: propose to take everything off
  Escape  back"""


def which_cluster(cluster: KnownCluster | None, at: int, count: int) -> str:
    """Which cluster is shown."""
    if cluster is None:
        return "This machine has installed nothing yet."
    more = f"  ({at + 1} of {count})" if count > 1 else ""
    return f"Cluster {cluster.name}{more}" + ("" if cluster.applied else ": described, nothing applied yet")


def run_line(name: str, said: str, *, alive: bool) -> Content:
    """A run in the list."""
    return Content(clean(f"{name}  {said}" + (" (goes on)" if alive else "")))


def well(count: int, hosts: int) -> str:
    """The cluster's health in one line."""
    return f"{count} of {plural(hosts, 'host')} well"


# Help

HELP_TITLE = "Help"
HELP_LEAD = "Escape goes back."
HELP_MANUALS = "Manuals in the delivery (Enter shows one)"
_EVERYWHERE = """\
Everywhere

  Tab, Shift-Tab  next thing, thing before      Escape  back
  Ctrl-N          next step                     ?, F1   this help
  Ctrl-P          palette: all commands         Ctrl-Q  leave; a run goes on"""


def help_page(title: str, text: str) -> str:
    """The help of a screen: prose in whole paragraphs, which the screen wraps, and lines of keys as they are."""
    paragraphs = f"{title}\n\n{text}\n\n{_EVERYWHERE}".split("\n\n")
    return "\n\n".join(each if each.startswith("  ") else " ".join(each.split()) for each in paragraphs)
