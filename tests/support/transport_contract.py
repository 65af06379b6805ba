"""What every transport promises: one suite, which each kind of connection runs as a class of its own."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from typing import TYPE_CHECKING

import pytest

from appliance.errors import TransferFailed, Unreachable, VerificationError
from appliance.transport.base import Command, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
BINARY = os.urandom(5 * MIB + 3)
AWKWARD = (
    "",
    " ",
    "a b",
    "it's",
    'say "x"',
    "$HOME",
    "`id`",
    "\\n",
    "a\nb",
    "*",
    "~",
    "-n",
    "ü€",
    "!x",
    "#",
    "a;b&c|d",
)


class Broken(io.RawIOBase):
    """A stream that gives a good start and then finds out that it is not what was signed."""

    def __init__(self, good: bytes) -> None:
        self._good = good

    def read(self, size: int = -1) -> bytes:
        if not self._good:
            raise VerificationError("chunk 7 is damaged")
        piece, self._good = self._good[:size], self._good[size:]
        return piece


class OneWay(io.BytesIO):
    """A stream that cannot go back and does not know its size."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


class TransportContract:
    """Subclasses bring the fixture `transport`."""

    @pytest.fixture
    def folder(self, transport: Transport) -> Iterator[str]:
        """An empty folder of root's on the host."""
        path = transport.run(Command(("mktemp", "-d"))).stdout.strip()
        yield path
        transport.run(Command(("rm", "-rf", path)))

    def test_a_program_ends_with_a_status_and_two_streams(self, transport: Transport) -> None:
        result = transport.run(Command.shell('echo out; echo "err $1" >&2; exit 7', "x"))
        assert (result.status, result.stdout, result.stderr) == (7, "out\n", "err x\n")
        assert not result.ok

    def test_it_runs_as_root(self, transport: Transport) -> None:
        assert transport.run(Command(("id", "-u"))).stdout == "0\n"

    def test_arguments_arrive_as_they_are(self, transport: Transport) -> None:
        result = transport.run(Command.shell('for a; do printf "<%s>\\n" "$a"; done', *AWKWARD))
        assert result.stdout == "".join(f"<{word}>\n" for word in AWKWARD)

    def test_a_program_that_is_not_there_is_status_127(self, transport: Transport) -> None:
        result = transport.run(Command(("no-such-program", "x")))
        assert result.status == 127
        assert "not found" in result.stderr

    def test_a_program_that_a_signal_ends_has_a_status_above_128(self, transport: Transport) -> None:
        assert transport.run(Command.shell("kill -9 $$")).status > 128

    def test_input_is_the_same_byte_for_byte(self, transport: Transport) -> None:
        result = transport.run(Command(("sha256sum",)), stdin=BINARY)
        assert result.stdout == f"{hashlib.sha256(BINARY).hexdigest()}  -\n"

    def test_without_input_the_program_reads_nothing(self, transport: Transport) -> None:
        assert transport.run(Command(("wc", "-c"))).stdout.strip() == "0"

    def test_much_input_and_much_output_at_once_do_not_lock_up(self, transport: Transport) -> None:
        came = hashlib.sha256()
        result = transport.run(Command.shell("tee /dev/stderr"), stdin=io.BytesIO(BINARY), output=came.update)
        assert result.ok
        assert came.digest() == hashlib.sha256(BINARY).digest()

    def test_a_result_keeps_the_last_mebibyte_of_a_stream(self, transport: Transport) -> None:
        result = transport.run(Command.shell("seq 300000; seq 300000 >&2; echo end; echo END >&2"))
        assert len(result.stdout) == len(result.stderr) == MIB
        assert result.stdout.endswith("300000\nend\n")
        assert result.stderr.endswith("300000\nEND\n")

    def test_output_comes_while_the_program_still_runs(self, transport: Transport) -> None:
        heard = threading.Event()

        class Answer(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                assert heard.wait(20)
                return b"" if self.closed or self.__dict__.setdefault("said", False) else self._say()

            def _say(self) -> bytes:
                self.__dict__["said"] = True
                return b"answer\n"

        result = transport.run(
            Command.shell('echo question; read -r line; echo "$line"', timeout=30),
            stdin=Answer(),  # type: ignore[arg-type]  # it reads bytes
            output=lambda _: heard.set(),
        )
        assert result.stdout == "question\nanswer\n"

    def test_a_program_may_leave_its_input_unread(self, transport: Transport) -> None:
        assert transport.run(Command(("true",)), stdin=BINARY).ok

    def test_a_program_that_does_not_end_in_time_is_given_up(self, transport: Transport) -> None:
        with pytest.raises(Unreachable, match=r"did not (begin|end) within 0\.3 seconds"):
            transport.run(Command(("sleep", "30"), timeout=0.3))
        assert transport.run(Command(("echo", "still here"))).stdout == "still here\n"

    def test_input_that_fails_raises_its_own_error(self, transport: Transport) -> None:
        with pytest.raises(VerificationError, match="chunk 7 is damaged"):
            transport.run(Command(("cat",)), stdin=Broken(BINARY))  # type: ignore[arg-type]  # it reads bytes
        assert transport.run(Command(("echo", "still here"))).stdout == "still here\n"

    def test_an_output_callback_that_fails_ends_the_program(self, transport: Transport) -> None:
        def fail(data: bytes) -> None:
            raise VerificationError("not what was expected")

        with pytest.raises(VerificationError, match="not what was expected"):
            transport.run(Command.shell("echo x; exec sleep 30"), output=fail)
        assert transport.run(Command(("echo", "still here"))).stdout == "still here\n"

    @pytest.mark.parametrize("data", [b"", b"one line\n", BINARY], ids=["empty", "small", "large"])
    def test_a_file_is_put_and_got(self, transport: Transport, folder: str, data: bytes) -> None:
        path = f"{folder}/new/deep/it's a file"
        transport.put(data, path, mode=0o640, owner="daemon:nogroup")
        assert transport.get(path, limit=len(data)) == data
        assert transport.run(Command(("stat", "-c", "%a %U:%G", path))).stdout == "640 daemon:nogroup\n"
        assert transport.run(Command(("stat", "-c", "%a", f"{folder}/new"))).stdout == "755\n"
        assert transport.run(Command(("ls", "-A", f"{folder}/new/deep"))).stdout == "it's a file\n"

    @pytest.mark.parametrize("stream", [io.BytesIO, OneWay])
    def test_a_file_is_put_from_a_stream(self, transport: Transport, folder: str, stream: type[io.BytesIO]) -> None:
        transport.put(stream(BINARY), f"{folder}/file")
        assert transport.get(f"{folder}/file", limit=len(BINARY)) == BINARY
        assert transport.run(Command(("stat", "-c", "%a %U:%G", f"{folder}/file"))).stdout == "600 root:root\n"

    def test_a_stream_is_put_from_where_it_stands(self, transport: Transport, folder: str) -> None:
        source = io.BytesIO(b"head and tail")
        source.seek(9)
        transport.put(source, f"{folder}/file")
        assert transport.get(f"{folder}/file", limit=100) == b"tail"

    def test_a_put_that_breaks_off_leaves_what_was_there(self, transport: Transport, folder: str) -> None:
        class Sized(Broken):
            def seekable(self) -> bool:
                return True

            def tell(self) -> int:
                return 0

            def seek(self, offset: int, whence: int = 0) -> int:
                return 2 * len(BINARY) if whence else offset

        transport.put(b"old", f"{folder}/file")
        with pytest.raises(VerificationError):
            transport.put(Sized(BINARY), f"{folder}/file")  # type: ignore[arg-type]  # it reads bytes
        settle = 'for i in 1 2 3 4 5 6 7 8 9 10; do [ "$(ls -A "$1")" = file ] && break; sleep 0.2; done; ls -A "$1"'
        assert transport.run(Command.shell(settle, folder)).stdout == "file\n"
        assert transport.get(f"{folder}/file", limit=100) == b"old"

    def test_a_link_is_replaced_and_what_it_points_to_stays(self, transport: Transport, folder: str) -> None:
        transport.put(b"old", f"{folder}/target")
        transport.run(Command(("ln", "-s", "target", f"{folder}/link")))
        transport.put(b"new", f"{folder}/link")
        assert transport.get(f"{folder}/target", limit=100) == b"old"
        assert transport.get(f"{folder}/link", limit=100) == b"new"

    def test_a_file_cannot_take_a_folders_place(self, transport: Transport, folder: str) -> None:
        with pytest.raises(TransferFailed, match=f"cannot write {folder}: it is a folder"):
            transport.put(b"x", folder)
        assert transport.run(Command(("ls", "-A", folder))).stdout == ""

    @pytest.mark.parametrize("path", ["relative", "/ends/", "", "/nul\0"])
    def test_only_absolute_paths_of_files_are_taken(self, transport: Transport, path: str) -> None:
        with pytest.raises(TransferFailed, match="not an absolute path"):
            transport.put(b"x", path)
        with pytest.raises(TransferFailed, match="not an absolute path"):
            transport.get(path, limit=1)

    def test_an_unknown_owner_is_refused_and_nothing_stays(self, transport: Transport, folder: str) -> None:
        with pytest.raises(TransferFailed, match="invalid user"):
            transport.put(b"x", f"{folder}/file", owner="nobody-here:root")
        assert transport.run(Command(("ls", "-A", folder))).stdout == ""

    def test_a_file_that_is_not_there_or_too_large_cannot_be_got(self, transport: Transport, folder: str) -> None:
        with pytest.raises(TransferFailed, match="no such file"):
            transport.get(f"{folder}/none", limit=10)
        with pytest.raises(TransferFailed, match="no such file"):
            transport.get(folder, limit=10)
        transport.put(b"12345678901", f"{folder}/file")
        with pytest.raises(TransferFailed, match="larger than the 10 bytes"):
            transport.get(f"{folder}/file", limit=10)
        assert transport.get(f"{folder}/file", limit=11) == b"12345678901"
