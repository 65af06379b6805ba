"""What other programs rely on: exit codes, the shapes of JSON, which stream says what, and how a bundle is called."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.images import fake_pythons
from support.shell import Shell

from appliance.clock import SystemClock
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import publish
from appliance.trust.keys import load_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KUBEFILE = "FROM scratch\nCOPY services services\nCOPY docs docs\n"
SPEC = """\
apiVersion: appliance/v1
kind: Bundle
name: demo
version: 1.2.0
vendor: Example Ltd
roles:
  db: {min: 1}
"""
ESCAPE = "\x1b"
PATIENCE = 300.0  # seconds for a word or the end: a machine that stood still for a while is no fault
BREATH = 10.0  # seconds of silence after which a person types once more


@dataclass(frozen=True, slots=True)
class Desk:
    """A packager's, an officer's and an operator's desk in one: an image, keys, and a bundle that carries no Python."""

    call: Shell
    bundle: Path
    root: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    call = Shell(folder)
    context = folder / "context"
    for name, text in {
        "Kubefile": KUBEFILE,
        "bundle.yaml": SPEC,
        "services/db/db.service": "[Service]\nExecStart=/bin/true\n",
        "docs/read-me.md": "# Read me\n",
    }.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(text)
    assert call("build", "-t", "demo:1.2.0", "context").returncode == 0
    assert call("key", "generate", "-O", "keys", "--name", "Example Ltd").returncode == 0
    signer = load_signer(folder / "keys/signer-key.pem")
    request = publish.PublishRequest(Reference.parse("demo:1.2.0"), folder / "out", (signer,))
    published = publish.publish(
        request, store=Store(folder / "store"), pythons=fake_pythons(folder), clock=SystemClock()
    )
    return Desk(call, published.files[0].path, folder / "keys/root.pem")


SHAPES: dict[str, tuple[str, set[str]]] = {
    "build": ("build -t again:1 context", {"reference", "digest", "platforms", "layers", "images", "seconds"}),
    "images": ("images", {"images"}),
    "inspect": ("inspect demo:1.2.0", {"reference", "digest", "platforms"}),
    "key generate": ("key generate -O other-keys", {"files", "fingerprint", "words", "root", "offline"}),
    "key show": (
        "key show keys/root.pem",
        {"kind", "type", "fingerprint", "words", "subject", "issuer", "not_before", "not_after"},
    ),
    "verify": (
        "verify BUNDLE TRUSTED",
        {
            "verified",
            "manifest_digest",
            "signers",
            "checked",
            "parts",
            "policy",
            "findings",
            "warnings",
            "not_verified",
        },
    ),
    "show contents": ("show BUNDLE contents TRUSTED", {"verified", "refusal", "files"}),
    "show images": ("show BUNDLE images TRUSTED", {"verified", "refusal", "image", "platforms"}),
    "show scripts": ("show BUNDLE scripts TRUSTED", {"verified", "refusal", "files", "commands"}),
    "show docs": ("show BUNDLE docs TRUSTED", {"verified", "refusal", "files"}),
    "show sbom": ("show BUNDLE sbom TRUSTED", {"verified", "refusal", "name", "document"}),
    "show provenance": ("show BUNDLE provenance TRUSTED", {"verified", "refusal", "name", "document"}),
    "show licenses": (
        "show BUNDLE licenses TRUSTED",
        {"verified", "refusal", "licenses", "packages", "not_read", "text"},
    ),
    "show against": (
        "show BUNDLE --against BUNDLE TRUSTED",
        {"verified", "refusal", "before", "after", "settings", "images", "packages", "files", "scripts"},
    ),
    "show packages against": (
        "show BUNDLE sbom --against BUNDLE TRUSTED",
        {"verified", "refusal", "before", "after", "packages"},
    ),
    "scan": ("scan 127.0.0.1 --port 1", {"hosts"}),
    "runs": ("runs", {"runs"}),
    "lab list": ("lab list", {"labs"}),
    "completion": ("completion bash", {"shell", "script"}),
}


def words(desk: Desk, line: str) -> list[str]:
    line = line.replace("BUNDLE", str(desk.bundle)).replace("TRUSTED", f"--trust {desk.root}")
    return line.split()


@pytest.mark.parametrize("name", SHAPES)
def test_a_result_is_one_document_of_a_known_shape(desk: Desk, name: str) -> None:
    line, keys = SHAPES[name]
    assert set(desk.call.json(*words(desk, line))) == keys


def test_lists_inside_the_documents_have_known_shapes(desk: Desk) -> None:
    built = desk.call.json("build", "-t", "demo:1.2.0", "context")
    assert set(built["layers"][0]) == {"digest", "size", "cached", "instruction"}
    assert set(desk.call.json("images")["images"][0]) == {"reference", "digest", "platforms", "size", "images"}
    verified = desk.call.json(*words(desk, "verify BUNDLE TRUSTED"))
    assert set(verified["checked"]) == {"bytes", "chunks", "files"}
    assert {"name", "fingerprint", "format"} <= set(verified["signers"][0])
    contents = desk.call.json(*words(desk, "show BUNDLE contents TRUSTED"))
    assert {"name", "offset", "length", "sha256"} <= set(contents["files"][0])


REFUSED = {
    "no such command": ("nosuch", 2, "UsageError"),
    "no such option": ("build --nosuch -t a:1 context", 2, "UsageError"),
    "a command of a later version": ("upgrade BUNDLE", 2, "UsageError"),
    "an argument is missing": ("verify", 2, "UsageError"),
    "no such topic": ("show BUNDLE nosuch", 2, "UsageError"),
    "nothing to compare manuals by": ("show BUNDLE docs --against BUNDLE TRUSTED", 2, "UsageError"),
    "an image that is not there": ("inspect nosuch:1", 2, "RecipeError"),
    "a Kubefile that is not there": ("build -t a:1 keys", 2, "RecipeError"),
    "not a fingerprint": ("trust remove 12", 2, "RecipeError"),
    "keys are never overwritten": ("key generate -O keys", 8, "StateError"),
    "a bundle that is not there": ("verify nosuch.run", 3, "BundleError"),
    "not a bundle": ("show keys/root.pem", 3, "BundleError"),
    "texts of a stranger's bundle": ("show BUNDLE scripts", 3, "VerificationError"),
    "a plan of a stranger's bundle": ("plan BUNDLE -f nosuch.yaml", 3, "VerificationError"),
    "a Clusterfile that is not there": ("plan BUNDLE TRUSTED -f nosuch.yaml", 2, "RecipeError"),
    "no host": ("run BUNDLE TRUSTED", 2, "UsageError"),
    "a role that is none": ("sign BUNDLE --key keys/signer-key.pem --role Customer", 2, "RecipeError"),
    "nobody signs": ("sign BUNDLE", 2, "UsageError"),
    "not a signature": ("sign BUNDLE --attach keys/root.pem", 2, "RecipeError"),
    "neither key nor prepared": ("bundle demo:1.2.0 -O out2", 2, "UsageError"),
    "no cluster": ("status", 8, "StateError"),
    "no such cluster": ("reset nosuch", 8, "StateError"),
    "nobody answers": ("run BUNDLE TRUSTED --hosts db=127.0.0.1 --port 1", 7, "Unreachable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_its_exit_code_and_says_what_and_what_next(desk: Desk, name: str) -> None:
    line, status, kind = REFUSED[name]
    error = desk.call.json(*words(desk, line), status=status)["error"]
    assert set(error) == {"kind", "message", "hint", "where"}
    assert error["kind"] == kind
    assert error["message"]

    said = desk.call(*words(desk, line))
    assert (said.returncode, said.stdout) == (status, "")
    assert f"error: {error['where']}: {error['message']}" in said.stderr or f"error: {error['message']}" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_stranger_s_bundle_is_shown_but_not_vouched_for(desk: Desk) -> None:
    refused = desk.call.json("verify", desk.bundle, status=3)
    assert (refused["verified"], len(refused["findings"])) == (False, 1)
    assert "not verified" in desk.call("verify", desk.bundle).stdout

    shown = desk.call("show", desk.bundle)
    fingerprint = desk.call.json("show", desk.bundle, status=3)["signers"][0]["fingerprint"]
    assert shown.returncode == 3
    assert shown.stdout.startswith("UNVERIFIED")
    assert fingerprint in shown.stdout


def test_nothing_of_a_bundle_reaches_the_terminal_unescaped(desk: Desk) -> None:
    """Titles, scripts, manuals, package names and instructions: all of them somebody else wrote."""
    controls = set("\x1b\x07\x9b\u202e\r\x08")
    evil = f"{''.join(sorted(controls))}]0;owned"
    folder, context = desk.call.folder / "evil", desk.call.folder / "evil/context"
    for name, text in {
        "Kubefile": f"FROM scratch\nCOPY . .\nRUN <<E\n: '{evil}'\nE\n",
        "bundle.yaml": SPEC,
        "scripts/evil.sh": f"#!/bin/sh\necho '{evil}'\n",
        "docs/evil.md": evil,
        "lib/apk/db/installed": f"P:{evil}\nV:{evil}\nL:{evil}\n",
    }.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(text, newline="")
    assert desk.call("build", "-t", "evil:1.2.0", context).returncode == 0
    signer = load_signer(desk.call.folder / "keys/signer-key.pem")
    request = publish.PublishRequest(Reference.parse("evil:1.2.0"), folder / "out", (signer,))
    store = Store(desk.call.folder / "store")
    made = publish.publish(request, store=store, pythons=fake_pythons(folder), clock=SystemClock()).files[0].path
    for topic in ("images", "scripts", "licenses", "docs"):
        said = desk.call(*words(desk, f"show {made} {topic} TRUSTED")).stdout
        assert said
        assert not set(said) & controls, topic
    said = desk.call(*words(desk, f"show {made} --against BUNDLE TRUSTED")).stdout
    assert "+echo '" in said
    assert not set(said) & controls


def test_events_come_as_lines_with_the_result_last(desk: Desk) -> None:
    done = desk.call(*words(desk, "verify BUNDLE TRUSTED -o jsonl"))
    *events, result = (json.loads(line) for line in done.stdout.splitlines())
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("TaskStarted", "TaskFinished")
    assert result["verified"] is True


def test_events_of_several_tasks_are_numbered_through(desk: Desk) -> None:
    done = desk.call("build", "-t", "demo:1.2.0", "context", "-o", "jsonl")
    *events, result = (json.loads(line) for line in done.stdout.splitlines())
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert sum(event["event"] == "TaskStarted" for event in events) == 4
    assert result["reference"] == "demo:1.2.0"


def test_an_error_is_the_last_line_of_events(desk: Desk) -> None:
    done = desk.call("verify", "nosuch.run", "-o", "jsonl")
    assert json.loads(done.stdout.splitlines()[-1])["error"]["kind"] == "BundleError"


def test_stdout_is_the_result_and_stderr_the_rest(desk: Desk) -> None:
    loud, quiet = (desk.call(*flag, *words(desk, "verify BUNDLE TRUSTED")) for flag in ((), ("-q",)))
    assert "Reading every byte" in loud.stderr
    assert "Reading every byte" not in loud.stdout
    assert quiet.stderr == ""
    assert quiet.stdout == loud.stdout


def test_options_of_all_commands_stand_before_or_after_the_command(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "store"
    for line in (
        ["--store", other, "-o", "json", "images"],
        ["images", "--store", other, "-o", "json"],
        ["-o", "json", "images", "--store", other],
    ):
        assert json.loads(desk.call(*line).stdout) == {"images": []}
    assert json.loads(desk.call("lab", "-o", "json", "list").stdout).keys() == {"labs"}


def test_the_environment_names_home_and_store_and_options_win(desk: Desk, tmp_path: Path) -> None:
    assert desk.call("images", APPLIANCE_STORE=str(tmp_path)).stdout.startswith("no image yet")
    assert "demo:1.2.0" in desk.call("images", "--store", desk.call.folder / "store", APPLIANCE_STORE="/nosuch").stdout
    assert desk.call("runs", APPLIANCE_HOME=str(tmp_path / "home")).stdout == "no run yet\n"


def test_the_manifest_s_bytes_are_exported_as_they_were_signed(desk: Desk) -> None:
    done = desk.call(*words(desk, "show BUNDLE TRUSTED --export-manifest exported.json"))
    assert done.returncode == 0
    beside = desk.bundle.with_name(f"{desk.bundle.name}.manifest.json")
    assert (desk.call.folder / "exported.json").read_bytes() == beside.read_bytes()


def test_whom_a_site_believes_is_added_listed_and_removed(desk: Desk, tmp_path: Path) -> None:
    officer = Shell(desk.call.folder, etc=tmp_path)
    nothing: dict[str, object] = {"trusted": [], "stampers": [], "revoked": [], "lists": [], "policy": ""}
    assert officer.json("trust", "list") == nothing
    added = officer.json("trust", "add", desk.root)["added"]
    assert officer.json("trust", "list") == nothing | {"trusted": added}
    assert officer("verify", desk.bundle).returncode == 0
    assert officer.json("trust", "remove", added[0]["fingerprint"]) == {"removed": added}
    assert officer("verify", desk.bundle).returncode == 3


# A bundle that was started as a program


def test_a_bundle_takes_commands_with_its_own_name_left_out(desk: Desk) -> None:
    verified = desk.call.json("verify", "--trust", desk.root, bundle=desk.bundle)
    assert verified["verified"] is True
    assert any("this bundle's own code" in sentence for sentence in verified["not_verified"])
    assert desk.call("show", "contents", "--trust", desk.root, bundle=desk.bundle).returncode == 0
    assert desk.call("plan", "--trust", desk.root, "-f", "nosuch.yaml", bundle=desk.bundle).returncode == 2
    assert desk.call("verify", "another.run", bundle=desk.bundle).returncode == 2


def test_help_of_a_bundle_names_it_and_its_commands_as_they_are_typed(desk: Desk) -> None:
    name = f"./{desk.bundle.name}"
    root = desk.call("--help", bundle=desk.bundle).stdout
    assert root.startswith(f"Usage: {name} ")
    assert "build" not in root
    command = desk.call("apply", "--help", bundle=desk.bundle).stdout
    assert "BUNDLE\n" not in command
    assert f"{name} apply -f cluster.yaml --yes" in command
    assert f"see {name} apply --help" in desk.call("apply", bundle=desk.bundle).stderr


def test_hints_name_the_program_that_was_started(desk: Desk) -> None:
    done = desk.call("trust", "remove", "0" * 64, bundle=desk.bundle)
    assert f"see: ./{desk.bundle.name} trust list" in done.stderr


def test_a_bundle_without_arguments_and_terminal_says_how_it_is_used(desk: Desk) -> None:
    done = desk.call(bundle=desk.bundle)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ./demo-1.2.0")


def test_a_bundle_without_arguments_on_a_poor_terminal_is_verified_and_says_what_next(desk: Desk) -> None:
    status, said = on_terminal(desk.call, bundle=desk.bundle, term="dumb")
    assert status == 3
    assert "NOT VERIFIED" in said
    assert "run --hosts ROLE=ADDRESSES --trust root.pem" in said


def test_a_bundle_without_arguments_on_a_terminal_is_the_guide(desk: Desk) -> None:
    leaves_screen = "\x1b[?1049l"
    status, said = on_terminal(desk.call, bundle=desk.bundle, typed=("NOT VERIFIED", "\x11"))
    assert status == 0
    assert said.rindex(leaves_screen) > said.index("NOT VERIFIED")


def test_a_site_that_believes_the_vendor_is_told_the_bundle_s_roles(desk: Desk, tmp_path: Path) -> None:
    officer = Shell(desk.call.folder, etc=tmp_path)
    assert officer("trust", "add", desk.root).returncode == 0
    status, said = on_terminal(officer, bundle=desk.bundle, term="dumb")
    assert status == 0
    assert "VERIFIED  demo-1.2.0" in said
    assert "origin: checked by this bundle's own code" in said
    assert "run --hosts db=ADDRESSES\r\n" in said


def test_extraction_is_for_those_who_trust_it_and_overwrites_nothing(desk: Desk) -> None:
    look = desk.call.folder / "look"
    assert desk.call("--extract-only", look, bundle=desk.bundle).returncode == 3
    assert not look.exists()
    done = desk.call.json("--extract-only", look, "--trust", desk.root, bundle=desk.bundle)
    assert set(done) == {"folder", "files"}
    assert sorted(map(str, (p for p in look.rglob("*") if p.is_file()))) == sorted(done["files"])
    assert desk.call(f"--extract-only={look}", "--trust", desk.root, bundle=desk.bundle).returncode == 8
    assert desk.call("--extract-only", look).returncode == 2


# Terminals, pipes and odd names


def on_terminal(
    call: Shell, *line: str, bundle: Path | None = None, typed: tuple[str, str] = ("", ""), term: str = "xterm"
) -> tuple[int, str]:
    """Call it on a terminal; when it has said the first of `typed`, type the second. Its exit code, and all it said.

    What is typed before a prompt is whole may be thrown away: who asks for a password empties the line first. A signal
    that comes just before the program begins to read waits for the next key; so, like a person, type once more.

    One that falls silent without ending is killed, and its test fails. Ctrl-C counts there even if these tests were
    started where it does not, as in the background of a script."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "env", "--default-signal=INT", *call.command(*line, bundle=bundle)],
        cwd=call.folder,
        env=call.environment(TERM=term, COLUMNS="80", LANG="C.UTF-8"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said, waiting = b"", bool(typed[0])

    def again() -> None:
        if typed[0] and not waiting:
            os.write(ours, typed[1].encode())

    for data in _chunks(ours, silent=again):
        said += data
        if waiting and typed[0].encode() in said:
            waiting = False
            os.write(ours, typed[1].encode())
    os.close(ours)
    try:
        return process.wait(timeout=PATIENCE), said.decode()
    finally:
        process.kill()


def _chunks(descriptor: int, *, silent: Callable[[], None]) -> Iterator[bytes]:
    quiet = 0.0
    while quiet < PATIENCE:
        if not select.select([descriptor], [], [], BREATH)[0]:
            quiet += BREATH
            silent()
            continue
        quiet = 0.0
        try:
            data = os.read(descriptor, 4096)
        except OSError:  # the other side is closed
            return
        if not data:
            return
        yield data


def test_ctrl_c_ends_it_with_130_and_one_word(desk: Desk) -> None:
    line = words(desk, "plan BUNDLE TRUSTED -f nosuch.yaml --ask-ssh-password")
    status, said = on_terminal(desk.call, *line, typed=("SSH password: ", "\x03"))
    assert status == 130, said
    assert "cancelled" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_reader_that_left_is_no_reason_for_a_traceback(desk: Desk, form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = desk.call.command(*words(desk, f"show BUNDLE contents TRUSTED -o {form}"))
    done = subprocess.run(
        command, cwd=desk.call.folder, env=desk.call.environment(), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode != 0
    assert done.stderr == b""


def test_a_full_disk_is_said_in_a_sentence(desk: Desk) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            desk.call.command("images"),
            cwd=desk.call.folder,
            env=desk.call.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"error: cannot write the result: No space left on device\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_drive_no_terminal_and_break_no_document(desk: Desk, form: str) -> None:
    odd = os.fsencode(desk.call.folder) + b"/caf\xe9 \x1b[31m\xe5\xa4\xa7.run"
    os.link(desk.bundle, odd) if not os.path.lexists(odd) else None
    done = desk.call(*words(desk, f"verify TRUSTED -o {form}"), os.fsdecode(odd))
    assert done.returncode == 0
    assert ESCAPE not in done.stdout + done.stderr
    assert "大" in done.stdout
    assert form == "text" or json.loads(done.stdout)["verified"] is True


@pytest.mark.parametrize(
    ("variables", "colored", "plain"),
    [
        ({"LANG": "C.UTF-8", "TERM": "xterm"}, True, False),
        ({"LANG": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1"}, False, False),
        ({"LANG": "C", "TERM": "xterm"}, True, True),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, True, True),
    ],
)
def test_a_terminal_gets_what_it_can_show(desk: Desk, variables: dict[str, str], *, colored: bool, plain: bool) -> None:
    script = subprocess.list2cmdline(desk.call.command("build", "-t", "demo:1.2.0", "context"))
    done = subprocess.run(
        ["script", "-qec", script, "/dev/null"],
        cwd=desk.call.folder,
        env=desk.call.environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode()
    assert said.isascii() == plain
    assert bool(re.search(r"\x1b\[3[0-9]m", said)) == colored
    assert ("+" if plain else "✓") in said


def test_tracebacks_are_for_those_who_ask(desk: Desk) -> None:
    assert "Traceback" in desk.call("inspect", "nosuch:1", APPLIANCE_DEBUG="1").stderr
    assert "Traceback" not in desk.call("inspect", "nosuch:1").stderr


def test_a_completion_script_is_one_that_the_shell_takes(desk: Desk) -> None:
    script = desk.call("completion", "bash").stdout
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    typed = {"_APPLIANCE_COMPLETE": "bash_complete", "COMP_WORDS": "appliance ver", "COMP_CWORD": "1"}
    found = desk.call(**typed).stdout
    assert found.split() == ["plain,verify"]
