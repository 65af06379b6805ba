"""Hosts, and in their place for an application: onto which cluster it goes."""

# Hosts

HOSTS_LEAD = "Find hosts, compare their keys, enter them, give roles. Nothing is changed."
HOSTS_FIND = "Find hosts"
HOSTS_FIND_HINT = "10.0.0.11-13, 10.0.1.0/24, names, or a file of hosts"
HOSTS_HEADS = (" ", "address", "role", "name", "key", "entry", "what it is")
HOSTS_EMPTY = "No host yet. Type addresses above and press Enter: all that answer by SSH are listed."
IMPORTED_TITLE = "Read, with this to know (Escape goes on)"
HOSTS_NOBODY = "Nobody answers by SSH there. Behind a jump host? Say so first (Tab, a), then find them."
HOSTS_NONE = "no host is listed"
HOSTS_NONE_HINT = "type addresses above and press Enter"
HOSTS_UNBELIEVED = "the key of {address} is not believed yet"
HOSTS_UNBELIEVED_HINT = "k shows it once the host answers; d takes the host off the list"
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
KEYS_LATER = "Nobody is entered before their keys are believed: k shows them again."
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
ACCESS_NO_PORT = "{port} is no port: they end with 65535"
ACCESS_NO_KEY = "There is no file {path}"
HARDWARE = "{cpus} CPU, {memory}, {system}, {free} free"
STAMPED = ", has {cluster}"
MACHINE = "{name}: {os}, {arch}, kernel {kernel}, systemd {systemd}"
MACHINE_LABELS = "labels: {labels}"
KEYS_COMPARE = "Compare with what each host's console shows:\n  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
ENTERED_NONE = "No host was entered."
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
