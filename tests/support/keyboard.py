"""A person at a terminal: keys go in, and what is on the screen is read. The terminal is tmux."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Terminal:
    """80 by 24 characters, driven by keys and read as text."""

    socket: Path
    shown: str = field(default="")

    def tmux(self, *words: str) -> str:
        argv = ("tmux", "-f", "/dev/null", "-S", str(self.socket), *words)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tmux {words[0]}: {done.stderr}"  # a key that was not sent is no key
        return done.stdout

    def start(self, *argv: str) -> None:
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "a", shlex.join(argv))
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def stop(self) -> None:
        """End it; the next one has a socket of its own, as this server may take a moment to be gone."""
        if self.socket.exists():
            self.tmux("kill-server")
        self.socket = self.socket.with_name(f"{self.socket.name}-next")

    def until(self, pattern: str, seconds: float = 120.0) -> None:
        """Wait until the screen shows `pattern`."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.shown, re.MULTILINE):
            assert time.monotonic() < end, f"{pattern!r} is not on the screen:\n{self.shown}"
            self.shown = self.tmux("capture-pane", "-p", "-t", "a")
        self.shown = ""

    def ended(self, seconds: float = 120.0) -> None:
        """Wait until the program has left the terminal; tmux itself may be late to say so on the screen."""
        end = time.monotonic() + seconds
        while self.tmux("display-message", "-p", "-t", "a", "#{pane_dead}").strip() != "1":
            assert time.monotonic() < end, f"it goes on:\n{self.tmux('capture-pane', '-p', '-t', 'a')}"

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "a", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys as a person does: a move of the focus takes effect before the next key."""
        for key in keys:
            self.tmux("send-keys", "-t", "a", key)
            time.sleep(0.3)

    def focused(self, pattern: str) -> None:
        """Wait for the screen, and until what it focuses takes keys."""
        self.until(pattern)
        time.sleep(0.5)  # a terminal does not tell which widget has the focus
