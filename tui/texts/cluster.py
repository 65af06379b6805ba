"""Cluster, and help."""

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
