"""Every text of the guide, and nothing else: another language is another file like this one, and one like `tui.helps`.

``{words}`` in braces are filled in by `tui.wording`. What is counted has a text for each form that `plural_form` names.
"""

PROGRAM = "appliance"


def plural_form(count: int) -> int:
    """Which of the texts for something counted is right for `count` of it."""
    return int(count != 1)


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
KEY_NEXT_CLUSTER = "next"
KEY_LOOK = "look again"
KEY_RESET = "reset"
KEY_CHANGE = "change"

# Words used in several places

OF = "of"
LEFT = "{time} left"
WORKING = "Working:"
ERROR = "Error:"
NEXT = "Next:"
SAVED = "Written: {path}"
TYPE_EXACTLY = "type exactly: {name}"
CLUSTER_NAMED = "cluster {name}"
HOSTS_CHOSEN = "{chosen} of {hosts}"
HOSTS = ("{count:,} host", "{count:,} hosts")
STEPS_COUNTED = ("{count:,} step", "{count:,} steps")
STAGES = ("{count:,} stage", "{count:,} stages")
CHECKS = ("{count:,} check", "{count:,} checks")
WARNINGS = ("{count:,} warning", "{count:,} warnings")
CHUNKS = ("{count:,} chunk", "{count:,} chunks")
FILES = ("{count:,} file", "{count:,} files")
STEPS = ("Open", "Hosts", "Settings", "Preflight", "Plan", "Run")

# Leaving, and coming back

QUIT_TITLE = "Leave the guide?"
QUIT_TEXT = "Nothing is lost: what you described is kept, and a run goes on without this screen."
QUIT_NO = "Stay"
QUIT_YES = "Leave"
OFFER_TITLE = "Go on with what is here already?"
OFFER_TEXT = "To change, repair or upgrade a cluster is to go the steps again. Passwords were not kept."
OFFER_DRAFT = "Go on describing {cluster}: {hosts}, not installed yet"
OFFER_INSTALLED = "Cluster {cluster}: {version}, {hosts}"
OFFER_PARTLY = "not wholly installed"
OFFER_ANEW = "None of these: begin anew"
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

OPEN_LEAD = "Choose the delivery: every byte of it is verified. Nothing is installed yet."
OPEN_BUNDLE = "Bundle"
OPEN_BUNDLE_HINT = "path of the .run file"
OPEN_TRUST = "Whom to believe"
OPEN_TRUST_HINT = "root.pem or sha256:…; empty: this site's store"
OPEN_NONE = "No bundle beside this program or on a mounted stick; type its path."
OPEN_WANTED = "To change it, verify the bundle of {product} that it shall be made of; then choose it."
OPEN_NOT_YET = "The delivery is not verified yet: only what is verified is installed."
OPEN_ACCEPT = "Accept the licence first (space)."
OPEN_LICENCE = "I accept the licence: {licence}"
OPEN_VERIFYING = "Verifying {name}: signatures, policy, every byte …"
VERIFIED = "VERIFIED"
NOT_VERIFIED = "NOT VERIFIED"
CHECKED = "Checked"
FOUND = "Found"
NOT_CHECKED = "Not checked"
CHECKED_BYTES = "{bytes:,} bytes in {chunks}, {files}"
SIGNED_BY = "signed by {name}: {trusted}, {reason}{when}"
TRUSTED = {True: "trusted", False: "not trusted"}
NAMELESS = "a key without a name"
SIGNED_AT = ", {time:%Y-%m-%d %H:%M} UTC by its own word"

# Hosts

HOSTS_LEAD = "Find hosts, compare their keys, enter them, give roles. Nothing is changed."
HOSTS_FIND = "Find hosts"
HOSTS_FIND_HINT = "10.0.0.11-13, 10.0.1.0/24, names, or a file of hosts"
HOSTS_HEADS = (" ", "address", "role", "name", "key", "entry", "what it is")
HOSTS_EMPTY = "No host yet. Type addresses above and press Enter: all that answer by SSH are listed."
IMPORTED_TITLE = "Read, with this to know (Escape goes on)"
HOSTS_NOBODY = "Nobody answers by SSH there. Behind a jump host? Say so first (Tab, a), then find them."
HOSTS_NO_ROLE = "no host has a role"
HOSTS_NO_ROLE_HINT = "r changes the role of a host, p proposes roles for all"
KEY_PINNED = "believed"
KEY_NEW = "NEW"
KEY_UNLIKE = "OTHER"
KEYS_TITLE = "New host keys"
KEYS_JUMPS_TITLE = "New keys of jump hosts, which come first"
KEYS_NONE = "No new key: all hosts that answered are believed."
KEYS_NONE_BUT = "No new key to believe; what shows other keys than the inventory has is not entered."
KEYS_ALIKE = "as in the inventory"
KEYS_ALIKE_TOO = "These are {alike}, and believed:"
KEYS_UNLIKE = "it shows other keys than the inventory has"
KEYS_UNLIKE_HINT = "find out why; if it was installed anew, compare with its console and correct the inventory"
KEYS_CARRIED = "the inventory has {prints}"
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
ACCESS_OTHERS = "For all hosts that have no way of their own. Keys are tried first; passwords stay in memory."
ACCESS_SOME = "Only for what is selected: {hosts}. A password left empty is that of all. They stay in memory."
ACCESS_OWN = "entered in a way of its own: user {user}, port {port}, {secrets}"
ACCESS_SECRETS = {True: "own passwords", False: "the passwords of all"}
ACCESS_USER = "User"
ACCESS_PORT = "Port"
ACCESS_KEY = "Private key"
ACCESS_KEY_HINT = "empty: the agent's, and those in ~/.ssh"
ACCESS_PASSPHRASE = "The key's passphrase"  # noqa: S105  (a label)
ACCESS_PASSWORD = "The user's password"  # noqa: S105  (a label)
ACCESS_ROOT = "Root is become by"
ACCESS_ROOT_BY = {"": "sudo, if need be", "sudo": "sudo", "su": "su", "none": "nothing: the user can do all"}
ACCESS_BECOME = "Password for that"
ACCESS_BECOME_HINT = "the user's for sudo, root's for su, if asked for"
ACCESS_JUMP = "Jump hosts"
ACCESS_JUMP_HINT = "ops@bastion:22, or several; empty: none"
ACCESS_JUMP_PASSWORD = "Password there"  # noqa: S105  (a label)
ACCESS_JUMP_PASSWORD_HINT = "if jump hosts ask for one"  # noqa: S105  (a label)
ACCESS_KEPT = "Noted. Now find the hosts."
ACCESS_GO = "Enter the hosts"
ACCESS_NO_KEY = "There is no file {path}"
HARDWARE = "{cpus} CPU, {memory}, {system}, {free} free"
STAMPED = ", has {cluster}"
MACHINE = "{name}: {os}, {arch}, kernel {kernel}, systemd {systemd}"
MACHINE_LABELS = "labels: {labels}"
KEYS_COMPARE = "Compare with what each host's console shows:\n  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
ENTERED = "{hosts} entered, root is possible there."
NOT_ENTERED = " {count} not: {address}: {problem}"

# Onto which cluster

ONTO_LEAD = "Onto which cluster does it go? Its hosts are only looked at."
ONTO_FILE = "Or a Clusterfile"
ONTO_FILE_HINT = "of a cluster that was installed from another machine"
ONTO_CLUSTER = "{cluster}: {version}, {hosts}{apps}"
ONTO_APPS = ", with {apps}"
ONTO_NOBODY = "This machine has installed no cluster."
ONTO_EMPTY = "Choose a cluster (arrows, Enter), or name its Clusterfile."
ONTO_NONE = "no cluster is chosen"
ONTO_NONE_HINT = "choose one with Enter, or type the path of its Clusterfile"
ONTO_NOT_ENTERED = "none of its hosts was entered"
ONTO_NOT_ENTERED_HINT = "k believes their keys, a says how they are entered, t tries again"

# Settings

SETTINGS_LEAD = "What can be chosen. Values are checked as you type. Nothing is changed yet."
SETTINGS_NAME = "Name of the cluster"
SETTINGS_NAME_HINT = "lower-case letters, digits, hyphens; hosts and this machine know it by that name"
YES = "yes"
SETTINGS_NAME_THERE = "the cluster that it goes onto"
SETTINGS_NETWORK = {
    "podSubnet": ("Network of the pods", "a range that nothing else at this site uses"),
    "serviceSubnet": ("Network of the services", "another such range"),
    "controlPlaneEndpoint": ("Control plane, as HOST:PORT", "what clients call it by; empty: as the delivery chooses"),
    "vip": ("Address that moves between its hosts", "a free one in the hosts' own network; empty: none"),
}
SETTINGS_NONE = "This delivery has nothing else to choose."
SETTINGS_KEPT = "kept in the vault; empty leaves it"
DEFAULT = "default {value}"

# Preflight

PREFLIGHT_LEAD = "Are the hosts fit? Failures first, with what to do. Nothing is changed."
PREFLIGHT_HOST = "host"
PREFLIGHT_TOGETHER = "(together)"
PREFLIGHT_WAIT = "The hosts are not checked yet."
PREFLIGHT_FAILED = "Put right what failed, then check again (a, or r for one host)."
VERDICTS = {"pass": "ok", "warn": "warn", "fail": "FAIL"}
FIT = {True: "fit", False: "not fit"}
CHECKS_COUNTED = "{fit}: {checks} on {hosts}, {failed} failed, {warnings}"

# Plan

PLAN_LEAD = "What would be done, stage by stage. Nothing is changed before you say so."
PLAN_STAGES = "Stages"
PLAN_CHANGES = "Changes"
PLAN_CLUSTERFILE = "Clusterfile"
PLAN_WAIT = "The plan is not made yet."
PLAN_EMPTY = "Nothing to do: the hosts are as they should be."
PLAN_STARTING = "The run is being started; wait a moment."
PLAN_COUNTED = "{steps} in {stages} on {hosts}"
OPERATION = "{operation} of {cluster}"
OPERATIONS = {
    "apply": "apply {product} to {cluster}",
    "add": "add {product} to {cluster}",
    "remove": "take {product} away from {cluster}",
    "reset": "reset of {cluster}",
}
PLAN_ABOUT = "{what}: {counted}"
PLAN_LOST = "; something is LOST by it"
PLAN_STAGE = "{number}. {title}  ({steps}, {hosts})"
PLAN_STAGE_LOST = "LOST by it: "
PLAN_STEP = "{title}  [{hosts}]"
PLAN_NOTE = "note: {text}"
CONFIRM_TITLE = "Carry it out?"
CONFIRM_NO = "No"
CONFIRM_YES = "Yes, do it"
CONFIRM_LOSS = "Something is lost by this and cannot be brought back"
PLAN_COST = "At most {sent} sent to {hosts}; one writes {written}."
PLAN_TIME = "That alone takes {span}."
PLAN_NO_TIME = "Time: not measured."
LEASED_TITLE = "Another run has leased hosts"
LEASED = "{operator} has leased {hosts} for run {run} of cluster {cluster} since {since}: {names}."
LEASED_TYPE = (
    "Ask whether that run is dead. To take the hosts over ends what it does there, in the middle of a step.\n"
    "Type the cluster's name, {cluster}, to do it; Escape does nothing."
)
CONFIRM_ABOUT = "{what}: {counted}."
CONFIRM_LOST = "LOST by it: {stages}."
CONFIRM_TYPE = "Type the cluster's name, {cluster}, to do it; Escape does nothing."
CONFIRM_STOPPABLE = "It can be paused and stopped; what was done until then stays, and the same again goes on with it."
SAVE_TITLE = "Save the Clusterfile"
SAVE_TEXT = "Where? An existing file is not overwritten; there is no secret in it."

# Run

RUN_LEAD = "It runs by itself: you may leave, close the terminal, and come back."
RUN_HEADS = ("host", "", "steps", "doing")
RUN_ABOUT = "{stage}  ({operation} of {cluster})"
RUN_STAGE = "stage {number} of {count}: {title}"
RUN_BEGINNING = "beginning: hosts are entered"
RUN_DONE = "{bar} {done} of {steps}, {time}"
RUN_FAILED = "   FAILED on {hosts}"
LANE_FAILED = "FAILED: {step}"
LANE_STOPPED = "stopped: {step}"
LANE_DONE = "done"
LANE_NOTHING = "nothing to do"
LANE_WAITS = "waits"
LANE_ENDED = "stopped before its end"
LANE_BYTES = "{done:.0f}/{total:.0f} MiB, {rate:.0f} MiB/s"
LANE_LEFT = ", {time} left"
LANE_FAILED_AT = " at “{step}”: {why}"
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

# Cluster

CLUSTER_TITLE = "Cluster"
CLUSTER_LEAD = "What is installed where, how it is, and what was done."
CLUSTER_RUNS = "Runs, newest first (Enter shows one)"
CLUSTER_NOTHING = "Nothing was applied to this cluster from here."
STATUS_HEADS = ("", "", "name", "address", "version", "how it is")
HOST = "host"
NODE = "node"
POD = "pod"
APPLICATION = "app"
APPLICATIONS = ("{count:,} application", "{count:,} applications")
APPLICATIONS_WELL = "; {well} of {apps} well"
APPLICATION_STATES = {True: "ready", False: "not all of it is ready"}
NODE_READY = "node ready"
NODE_NOT_READY = "node NOT ready: {why}"
UNIT = "{unit} {state}"
ACTIVE = ("{count} service active", "{count} services active")
STATUS_LEASED = "a run works there"
CLUSTER_SILENT = "; the cluster does not answer: {why}"
CLUSTER_NO_APP = "Put the cursor on an application (app) to take it away."
WELL = "ok"
NOT_WELL = "NOT WELL"
HOSTS_WELL = "{well} of {hosts} well"
CLUSTER_NONE = "This machine has installed nothing yet."
CLUSTER_SHOWN = "Cluster {name}"
CLUSTER_OF = "  ({number} of {count})"
CLUSTER_DESCRIBED = ": described, nothing applied yet"
RUN_LINE = "{began:%Y-%m-%d %H:%M} UTC: {said}"
RUN_GOES_ON = " (goes on)"

# Help

HELP_TITLE = "Help"
HELP_LEAD = "Escape goes back."
HELP_MANUALS = "Manuals in the delivery (Enter shows one)"
