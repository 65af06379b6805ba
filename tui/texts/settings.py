"""Settings."""

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
