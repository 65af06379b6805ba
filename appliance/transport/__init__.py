"""One connection to one host: run a command, put bytes, get bytes, as root where that was asked for."""
