"""The terminal is given back whatever happens: a fault, a signal, a hang-up. Poor ones get ASCII."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from tui import terminal, texts
from tui.driver import KeyParser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LEAVES_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"
FAULTY = """
import sys
from pathlib import Path
from appliance.state import Home
from tui.engine import Engine
from tui.screens.open import OpenPage
from tui.terminal import start
def broken(self):
    password = "hunter2"
    raise ZeroDivisionError("by nothing")
OpenPage.action_verify = broken
sys.exit(start(Engine(Home.of(Path(sys.argv[1])), media=())))
"""
RESTLESS = """
import sys
from pathlib import Path
from appliance.state import Home
from tui.engine import Engine
from tui.screens.open import OpenPage
from tui.terminal import start
def draw(self):
    for _ in range(100):
        self.app.bell()
OpenPage.on_show = lambda self: self.set_interval(0.01, self.draw)
OpenPage.draw = draw
sys.exit(start(Engine(Home.of(Path(sys.argv[1])), media=())))
"""


@dataclass
class Terminal:
    """A process on a terminal of its own."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[object]
    said: bytes = b""

    def until(self, what: bytes, seconds: float = 60.0) -> None:
        """Read until the process has written `what`."""
        end = time.monotonic() + seconds
        while what not in self.said:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{what!r} was not written: {self.said[-2000:]!r}"
            self.said += os.read(self.master, 65536)

    def ended(self) -> int:
        """Read to the end of the process; its exit code."""
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.05)[0]:
                self.said += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0.0)[0]:
            self.said += os.read(self.master, 65536)
        return self.process.returncode

    def require_restored(self) -> None:
        """Fail unless screen, cursor and modes are as before."""
        assert self.said.rindex(LEAVES_SCREEN) > self.said.index(b"\x1b[?1049h")
        assert SHOWS_CURSOR in self.said
        assert termios.tcgetattr(self.slave) == self.before


def on_terminal(argv: list[str], folder: Path, **environment: str) -> Terminal:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    termios.tcsetwinsize(slave, (24, 80))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        **environment,
    }
    process = subprocess.Popen(
        argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env, start_new_session=True
    )
    return Terminal(process, master, slave, before)


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    """What a test starts; ended with it."""
    started: list[Terminal] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()
        os.close(each.master)
        os.close(each.slave)


def guide(opened: list[Terminal], folder: Path, **environment: str) -> Terminal:
    argv = [sys.executable, "-m", "appliance", "--home", str(folder / "home"), "tui"]
    opened.append(on_terminal(argv, folder, **environment))
    return opened[0]


def test_leaving_gives_the_terminal_back(opened: list[Terminal], tmp_path: Path) -> None:
    shown = guide(opened, tmp_path)
    shown.until(b"No bundle")
    os.write(shown.master, b"\x11")  # Ctrl-Q
    assert shown.ended() == 0
    shown.require_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(opened: list[Terminal], tmp_path: Path, number: signal.Signals) -> None:
    shown = guide(opened, tmp_path)
    shown.until(b"No bundle")
    shown.process.send_signal(number)
    assert shown.ended() == 130
    shown.require_restored()
    assert b"The guide was ended by a signal" in shown.said


def test_a_terminal_that_is_gone_ends_it(opened: list[Terminal], tmp_path: Path) -> None:
    shown = guide(opened, tmp_path)
    shown.until(b"No bundle")
    shown.process.send_signal(signal.SIGHUP)
    os.close(shown.master)
    os.close(shown.slave)
    opened.clear()
    assert shown.process.wait(60) == 130


def test_a_terminal_that_is_gone_ends_it_though_only_its_parent_is_told(opened: list[Terminal], tmp_path: Path) -> None:
    line = f"trap '' HUP; {sys.executable} -m appliance --home {tmp_path / 'home'} tui; echo $? >{tmp_path / 'status'}"
    opened.append(on_terminal(["sh", "-c", line], tmp_path))
    shown = opened[0]
    shown.until(b"No bundle")
    os.close(shown.master)
    os.close(shown.slave)
    opened.clear()
    shown.process.wait(60)
    assert (tmp_path / "status").read_text() == "130\n"


def test_a_terminal_that_is_gone_ends_a_guide_that_draws_all_the_time(opened: list[Terminal], tmp_path: Path) -> None:
    script = [sys.executable, "-c", RESTLESS, str(tmp_path / "home")]
    opened.append(on_terminal(["sh", "-c", f"trap '' HUP; {shlex.join(script)}; echo $? >status"], tmp_path))
    shown = opened[0]
    shown.until(b"\a" * 100)
    os.close(shown.master)
    os.close(shown.slave)
    opened.clear()
    shown.process.wait(60)
    assert (tmp_path / "status").read_text() == "130\n"


def test_a_fault_gives_the_terminal_back_and_shows_no_values(opened: list[Terminal], tmp_path: Path) -> None:
    opened.append(on_terminal([sys.executable, "-c", FAULTY, str(tmp_path / "home")], tmp_path))
    shown = opened[0]
    shown.until(b"No bundle")
    os.write(shown.master, b"\x12")  # Ctrl-R
    assert shown.ended() == 1
    shown.require_restored()
    assert b"ZeroDivisionError: by nothing" in shown.said
    assert b"hunter2" not in shown.said
    assert b"Traceback" not in shown.said


@pytest.mark.parametrize("term", ["linux", "vt100"])
def test_poor_terminals_get_ascii(opened: list[Terminal], tmp_path: Path, term: str) -> None:
    shown = guide(opened, tmp_path, TERM=term)
    shown.until(b"No bundle")
    os.write(shown.master, b"\x11")
    assert shown.ended() == 0
    assert shown.said.isascii()
    shown.require_restored()


@pytest.mark.parametrize("key", [b"x", b"\x0e"])  # what answers the dialog could do so before it is drawn
def test_an_escape_that_arrives_together_with_the_next_key_is_one(
    opened: list[Terminal], tmp_path: Path, key: bytes
) -> None:
    shown = guide(opened, tmp_path)
    shown.until(b"No bundle")
    os.write(shown.master, b"\x1b" + key)  # which is what Alt and the key say, too
    shown.until(b"Leave the guide?")
    os.write(shown.master, b"\x11")
    assert shown.ended() == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("\x1b\r", "escape enter"),
        ("\x1b\x0e", "escape ctrl+n"),
        ("\x1bf", "escape f"),
        ("\x1b1", "escape 1"),
        ("\x1bé", "escape é"),
        ("\x1b\x1b[C", "escape right"),
        ("\x1b[Cx", "right x"),
        ("\x1bOP", "f1"),
        ("\x1b\t", "shift+tab"),
        ("\x1b\x7f", "ctrl+w"),
        ("\x1b[120;3u", "alt+x"),
    ],
)
def test_keys_are_told_apart_however_close_they_come(typed: str, meant: str) -> None:
    messages = KeyParser().feed(typed)
    assert " ".join(message.key for message in messages if isinstance(message, Key)) == meant


def test_without_arguments_a_terminal_gets_the_guide_and_a_dumb_one_the_usage(
    opened: list[Terminal], tmp_path: Path
) -> None:
    opened.append(on_terminal([sys.executable, "-m", "appliance"], tmp_path, APPLIANCE_HOME=str(tmp_path / "home")))
    opened[0].until(b"No bundle")
    os.write(opened[0].master, b"\x11")
    assert opened[0].ended() == 0
    opened.append(on_terminal([sys.executable, "-m", "appliance"], tmp_path, TERM="dumb"))
    assert opened[1].ended() == 2
    assert b"Usage" in opened[1].said


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "appliance", "--home", tmp_path, "tui"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert texts.NO_TERMINAL in done.stderr


def test_every_column_is_one_character_of_ascii() -> None:
    assert terminal.in_ascii("┌─┐│└▁▄█ › ‹ … é 漢") == "+-+|+### > < ~ e ??"
    assert len(terminal.in_ascii("╭━╋╸▔▏")) == 6


@pytest.mark.parametrize(
    ("term", "locale", "poor"),
    [("linux", "C.UTF-8", True), ("vt100", "", True), ("xterm", "de_DE.utf8", False), ("xterm", "C", True)],
)
def test_which_terminals_are_poor(term: str, locale: str, poor: bool) -> None:
    assert terminal.poor(term, locale) is poor


def test_the_command_line_does_not_know_the_guide() -> None:
    code = "import sys, appliance.cli.main, appliance.cli.guide; print({'tui', 'textual'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"
    named = [
        path
        for path in (ROOT / "appliance").rglob("*.py")
        if re.search(r"^\s*(from|import) tui\b", path.read_text(), re.MULTILINE)
    ]
    assert named == [ROOT / "appliance" / "__main__.py"]
