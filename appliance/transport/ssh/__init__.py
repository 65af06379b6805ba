"""SSH by paramiko: who the host is (hostkeys, handshake), who we are (auth), and running commands (session)."""
