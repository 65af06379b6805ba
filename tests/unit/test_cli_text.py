from __future__ import annotations

import io
import sys

import pytest

from appliance.cli import text
from appliance.cli.proposals import changes_lines, passed_lines, problem_lines
from appliance.inventory.preflight import CheckResult, Verdict
from appliance.plan.document import plan_digest
from appliance.plan.steps import Change, Plan, Proposal


@pytest.mark.parametrize(
    ("said", "most", "line"),
    [
        ("one", 0, "one"),
        ("  one\ttwo  three ", 0, "one two three"),
        ("one\ntwo", 0, "one …"),
        ("", 0, ""),
        ("\n", 4, ""),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("大大大", 5, "大大…"),
        ("a\x1b[31mb", 0, "a\\x1b[31mb"),
        ("a\u202eb", 0, "a\\x202eb"),
    ],
)
def test_a_title_is_one_line_of_at_most_so_many_columns(said: str, most: int, line: str) -> None:
    assert text.one_line(said, most) == line
    assert not most or text.width(line) <= most


def test_columns_are_aligned_whatever_stands_in_them() -> None:
    rows = [("a", "1.0 MiB", "x"), ("大大", "12 B", "é"), ("cafe\u0301", "3 KiB", "")]
    lines = text.table(rows, heads=("NAME", "SIZE", "WHAT"), right=(1,))
    assert lines == [
        "NAME     SIZE  WHAT",
        "a     1.0 MiB  x",
        "大大     12 B  é",
        "cafe\u0301    3 KiB",
    ]


def test_an_empty_table_has_no_head() -> None:
    assert text.table([], heads=("NAME",)) == []


def test_names_in_a_table_drive_no_terminal() -> None:
    assert text.table([("a\x1b[2J", "b")]) == ["a\\x1b[2J  b"]


def test_long_sentences_go_on_below_themselves_and_keep_their_words() -> None:
    lines = text.wrapped(f"{'word ' * 20}see-also-the-other-file {'x' * 90}", first="  - ")
    assert lines[0].startswith("  - word")
    assert all(line.startswith("    ") for line in lines[1:])
    assert "see-also-the-other-file" in " ".join(lines).split()
    assert lines[-1].strip() == "x" * 90


@pytest.mark.parametrize(("count", "said"), [(0, "0 hosts"), (1, "1 host"), (1200, "1,200 hosts")])
def test_counts_have_their_number(count: int, said: str) -> None:
    assert text.plural(count, "host") == said


def test_where_there_is_only_ascii_one_column_stands_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(written))
    monkeypatch.setattr(sys, "stderr", Terminal(io.BytesIO()))
    monkeypatch.setenv("TERM", "vt100")
    text.fit_streams()
    sys.stdout.write("✓ “a” × 2 … é")
    sys.stdout.flush()
    assert written.getvalue() == b'+ "a" x 2 ~ \\xe9'


def check(host: str, name: str = "cpu", detail: str = "2 cores", verdict: Verdict = Verdict.PASS) -> CheckResult:
    return CheckResult(name, host, verdict, detail, "" if verdict is Verdict.PASS else "get more")


def test_what_passed_is_said_once_for_hosts_that_are_alike() -> None:
    checks = [check("a"), check("b"), check("c", detail="4 cores"), *(check(h, "machine-id", h * 8) for h in "abc")]
    assert passed_lines(checks, verbose=False) == [
        "  ok  cpu         2 cores",
        "  ok  cpu         4 cores",
        "  ok  machine-id  on 3 hosts",
    ]
    assert len(passed_lines(checks, verbose=True)) == 6


def test_a_problem_is_said_once_with_all_its_hosts_and_what_to_do() -> None:
    checks = [check("a"), *(check(host, detail="1 core", verdict=Verdict.FAIL) for host in ("b", "c"))]
    assert problem_lines(checks) == [
        "  FAIL  b, c: cpu: 1 core",
        "        next: get more",
        "3 checks: 2 failed, 0 warnings",
    ]


def test_a_proposal_says_what_its_hosts_were_warned_of() -> None:
    checks = [check("a"), *(check(host, detail="1 core", verdict=Verdict.WARN) for host in ("b", "c"))]
    plan = Plan("site", "sha256:0", ())
    proposal = Proposal("apply", (Change("add", "b", "etcd 3.5"),), tuple(checks), plan, plan_digest(plan))
    assert changes_lines(proposal) == [
        "b",
        "  + etcd 3.5",
        "  WARN  b, c: cpu: 1 core",
        "        next: get more",
    ]
