"""Laws of quoting and of the talk with sudo."""

from __future__ import annotations

import itertools
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.transport.base import quote
from appliance.transport.shellline import Begun, line
from appliance.transport.sudo import SudoTalk

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), max_size=6)


@settings(max_examples=40)
@given(WORDS, st.sampled_from(["dash", "bash", "mksh", "yash"]))
def test_any_posix_shell_takes_a_quoted_line_apart_into_the_same_words(words: list[str], shell: str) -> None:
    text = quote(("printf", "%s\\0", *words))
    done = subprocess.run([shell, "-c", text], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout == b"".join(word.encode() + b"\0" for word in words or [""])


@settings(max_examples=40)
@given(WORDS, st.sampled_from(["dash", "bash", "mksh", "yash"]))
def test_any_login_shell_runs_the_same_words_and_noise_is_left_behind(words: list[str], shell: str) -> None:
    text = "echo noise; " + line(("printf", "%s\\0", *words), mark="MARK:")
    done = subprocess.run([shell, "-c", text], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"})
    stream = Begun(b"MARK:")
    assert stream.hear(done.stdout) == b"".join(word.encode() + b"\0" for word in words or [""])
    assert (stream.noise, done.stderr) == (b"", b"MARK:")


@given(st.binary(max_size=50), st.booleans(), st.lists(st.integers(0, 120)))
def test_the_talk_is_the_same_in_whatever_pieces_it_comes(rest: bytes, asked: bool, cuts: list[int]) -> None:
    stream = b"lecture\n" + (b"PROMPT\n" if asked else b"") + b"BEGIN" + rest
    edges = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    talk = SudoTalk("pa55", where="", prompt="PROMPT", begin="BEGIN")
    answers, told, begun = b"", b"", False
    for start, end in itertools.pairwise(edges):
        if begun:
            told += stream[start:end]
            continue
        turn = talk.hear(stream[start:end])
        answers += turn.answer
        told += turn.rest
        begun = turn.begun
    assert begun
    assert told == rest
    assert answers in ((b"pa55\n", b"") if asked else (b"",))
