"""What `verify` found, as one page for the file: no script, no font, no address. Text from bundles is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from appliance.clock import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from appliance.operations.verification import VerifyReport

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .25rem; }
.yes { color: #2a7f4f; } .no { color: #b3261e; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #8884; padding: .75rem; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; overflow-wrap: anywhere; }
.box { border: 1px solid #8888; height: 4rem; margin-top: 2rem; padding: .5rem; }
"""


def to_html(report: VerifyReport, lines: Sequence[str], *, at: datetime) -> str:
    """The page: the verdict in a word, what it rests on, what it does not prove, and a place to sign."""
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
            f"<title>{escape(report.name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
            *_body(report, lines, at),
            "</body>\n</html>\n",
        )
    )


def _body(report: VerifyReport, lines: Sequence[str], at: datetime) -> Iterator[str]:
    verdict, style = ("VERIFIED", "yes") if report.verified else ("NOT VERIFIED", "no")
    yield f'<h1><span class="{style}">{verdict}</span> {escape(report.name)}</h1>\n'
    yield f"<p>{timestamp(at)}, manifest {escape(str(report.manifest_digest or 'not readable'))}</p>\n"
    yield from _list("Findings", report.findings)
    yield "<h2>Signed by</h2>\n<table>\n<tr><th>who<th>as<th>key<th>form<th>verdict</tr>\n"
    for signer in report.signers:
        believed = "trusted" if signer.trusted else "not trusted"
        cells = (signer.name or "no name", signer.role, signer.fingerprint, signer.form, f"{believed}: {signer.reason}")
        yield f"<tr>{''.join(f'<td>{escape(cell)}' for cell in cells)}</tr>\n"
    yield "</table>\n"
    yield from _list(f"The policy says ({report.policy_source or 'default'})", report.policy)
    yield from _list("Warnings", report.warnings)
    yield from _list("Not verified", report.not_checked)
    yield f"<h2>As printed</h2>\n<pre>{escape(chr(10).join(lines))}</pre>\n"
    yield '<div class="box">Decision, name, date, signature:</div>\n'


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        items = "".join(f"<li>{escape(sentence)}\n" for sentence in sentences)
        yield f"<h2>{escape(title)}</h2>\n<ul>\n{items}</ul>\n"
