"""What several screens say, their keys, and the palette."""

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
KEY_CHOOSE = "choose, scroll; Enter takes"
KEYS_ARROWS = "arrows"
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
TRY_AGAIN = "see to that on this machine, then do the same again"
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
OFFER_DRAFT = "Go on describing {cluster}: {hosts}, not applied yet"
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

# What the engine's advice calls an option, and what it is here; longer ones first

OPTIONS = {
    "accept it on a terminal, name a file with --host-keys, or give --accept-new-host-keys": "believe it: Hosts, k",
    "--trust root.pem": "root.pem in “Whom to believe”",
    "--trust": "“Whom to believe”",
    "--key-passphrase-file": "“The key's passphrase” (Hosts, a)",
    "--ssh-password-file": "“The user's password” (Hosts, a)",
    "--become-password-file": "“Password for that” (Hosts, a)",
    "--become sudo": "“Root is become by: sudo” (Hosts, a)",
    "--key": "“Private key” (Hosts, a)",
}
