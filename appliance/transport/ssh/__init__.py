"""SSH by paramiko: who the host is (hostkeys, handshake), who we are (auth), and running commands (session)."""

import sys

# paramiko imports it for `Match exec` in ssh_config alone, which is read elsewhere here: a fifth of a run's start.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]  # None is how an import is declined
