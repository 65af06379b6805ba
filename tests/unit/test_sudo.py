"""Quoting, places, and the talk with sudo."""

from __future__ import annotations

import pytest

from appliance.errors import AuthRefused
from appliance.transport.base import CommandResult, Credential, Endpoint, quote
from appliance.transport.shellline import PLAIN
from appliance.transport.ssh.auth import _Answers
from appliance.transport.sudo import Sudo, SudoTalk
from appliance.transport.talk import Turn


def talk(password: str | None = "pa55") -> SudoTalk:
    return SudoTalk(password, where="h:22", prompt="PROMPT", begin="BEGIN")


def test_a_line_is_quoted_word_by_word() -> None:
    assert quote(("sh", "-c", "echo $1", "it's")) == """sh -c 'echo $1' 'it'"'"'s'"""


@pytest.mark.parametrize("argv", [(), ("a\0b",)])
def test_what_no_line_can_say_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no command line can say"):
        quote(argv)


@pytest.mark.parametrize(
    ("address", "port", "place"),
    [("10.0.0.1", 22, "10.0.0.1:22"), ("fd00::1", 2222, "[fd00::1]:2222"), ("", 0, "this machine")],
)
def test_an_endpoint_says_where_it_is(address: str, port: int, place: str) -> None:
    endpoint = Endpoint(address, port, "root")
    assert (endpoint.place, endpoint.local) == (place, place == "this machine")


def test_passwords_are_in_no_repr() -> None:
    credential = Credential(password="s3cret-1", key_passphrase="s3cret-2", become_password="s3cret-3")
    shown = repr(Endpoint("h", 22, "u", credential)) + repr(talk("s3cret-4"))
    assert "s3cret" not in shown


def test_the_command_is_announced_and_no_secret_is_in_it() -> None:
    argv = talk().argv(("cat", "a b"))
    assert argv[:8] == ("sudo", "-k", "-S", "-p", "PROMPT", "--", "sh", "-c")
    assert argv[8:] == (f'{PLAIN}; printf BEGIN >&2; exec "$@"', "sh", "cat", "a b")
    assert talk().argv(("x",)) != SudoTalk("pa55", where="").argv(("x",))


def test_the_password_is_said_when_asked_for_and_input_begins_after_begin() -> None:
    said = talk()
    assert said.hear(b"We trust you have received the usual lecture.\n") == Turn()
    assert said.hear(b"PROMPT") == Turn(answer=b"pa55\n")
    assert said.hear(b"\n") == Turn()
    assert said.hear(b"BEGINfirst error") == Turn(begun=True, rest=b"first error")


def test_without_a_question_no_password_is_said() -> None:
    assert talk().hear(b"sudo: unable to resolve host\nBEGIN") == Turn(begun=True)


def test_a_second_question_is_a_refusal() -> None:
    said = talk()
    said.hear(b"PROMPT")
    with pytest.raises(AuthRefused, match="h:22: sudo refused the password"):
        said.hear(b"Sorry, try again.\nPROMPT")


def test_what_the_command_says_is_not_read_as_sudos() -> None:
    said = talk()
    said.hear(b"PROMPT")
    assert said.hear(b"BEGINPROMPTPROMPT") == Turn(begun=True, rest=b"PROMPTPROMPT")


def test_a_password_that_is_missing_or_has_two_lines_is_said() -> None:
    with pytest.raises(AuthRefused, match="none was given"):
        talk(None).hear(b"PROMPT")
    with pytest.raises(AuthRefused, match="line break"):
        talk("a\nb").hear(b"PROMPT")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"PROMPTops is not in the sudoers file.\n", "ops is not in the sudoers file."),
        (b"sh: 1: sudo: not found\n\n", "sh: 1: sudo: not found"),
        (b"", "it ended without a word"),
    ],
)
def test_a_talk_that_ends_early_is_told_in_sudos_words(said: bytes, told: str) -> None:
    ended = talk()
    ended.hear(said)
    assert ended.ended().message == f"sudo did not run the command: {told}"


def test_endless_talk_is_cut_short() -> None:
    with pytest.raises(AuthRefused):
        talk().hear(b"x" * (1 << 17))


SORRY = b"sudo: sorry, you must have a tty to run sudo\n"


def test_with_a_terminal_the_command_keeps_its_own_streams() -> None:
    *_, script, name, line = SudoTalk("pa55", where="", terminal=True, prompt="P", begin="B").argv(("cat", "a b"))
    assert "<&3 >&4 2>&5" in script
    assert (name, line) == ("sh", quote(SudoTalk("pa55", where="", prompt="P", begin="B").argv(("cat", "a b"))))


def test_a_terminal_is_given_once_and_then_always() -> None:
    asked: list[bool] = []

    def attempt(talk: SudoTalk) -> CommandResult:
        asked.append(talk.terminal)
        if talk.terminal:
            return CommandResult(0, "", "")
        talk.hear(SORRY)
        raise talk.ended()

    sudo = Sudo("pa55", where="h:22")
    assert sudo.run(attempt).ok
    assert sudo.run(attempt).ok
    assert asked == [False, True, True]


def test_who_is_refused_with_a_terminal_is_refused() -> None:
    def attempt(talk: SudoTalk) -> CommandResult:
        talk.hear(SORRY)
        raise talk.ended()

    with pytest.raises(AuthRefused, match="must have a tty") as error:
        Sudo(None, where="h:22").run(attempt)
    assert "requiretty" in error.value.hint


def test_only_the_first_question_that_is_not_shown_gets_the_password() -> None:
    answers = _Answers("pa55")
    assert answers("", "", []) == []
    assert answers("", "", [("Name: ", True), ("Password: ", False), ("Again: ", False)]) == ["", "pa55", ""]
    assert answers("", "", [("New password: ", False)]) == [""]
    assert answers.unknown == "'Name:'"
