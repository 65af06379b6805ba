"""The security officer's page: contents, origin and policy of a delivery, as one HTML file that needs nothing else.

The caller says what was found, in the dataclasses below; every word of a bundle is escaped here.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from appliance.report.html import page
from appliance.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Signature:
    """A key that signed: its name, role and fingerprint, forms and time of its signature, and what is thought of it."""

    name: str
    role: str
    fingerprint: str
    form: str
    trusted: bool
    reason: str
    signed: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who signed what: `manifest` is the digest that they put their names to."""

    manifest: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Where the policy stands, a sentence for each of its rules that holds, and what nobody checked."""

    source: str
    met: tuple[str, ...]
    not_checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the head: what is called how."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A container image that is carried: its reference, platform, digest, and the reasons for it."""

    reference: str
    platform: str
    digest: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package and where it is."""

    where: str
    name: str
    version: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptRow:
    """A script of the image: its path and the digest of its text."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a delivery; `unread` says what its SBOM does not cover."""

    facts: tuple[Fact, ...]
    images: tuple[ImageRow, ...] = ()
    packages: tuple[PackageRow, ...] = ()
    scripts: tuple[ScriptRow, ...] = ()
    members: tuple[tuple[str, int, str], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfficerPage:
    """All of the page; `printed` are the lines that the command line said.

    `contents` is None of a bundle that is not verified: what it says of itself proves nothing.
    """

    file: str
    verified: bool
    findings: tuple[str, ...]
    checked: str
    made: str
    origin: Origin
    policy: PolicyResult
    warnings: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    contents: Contents | None = None


def to_html(found: OfficerPage) -> str:
    """The page as a whole document."""
    word = "VERIFIED" if found.verified else "NOT VERIFIED"
    title = f"{word}: {_text(found.file)}"
    return page(title, _body(found, title))


def _body(found: OfficerPage, title: str) -> Iterator[str]:
    style = "ok" if found.verified else "failed"
    yield f'<header><h1 class="{style}">{title}</h1>\n<p class="sub">{_text(found.checked)}<br>{_text(found.made)}</p>'
    yield "</header>\n"
    for finding in found.findings:
        yield f'<div class="failure"><p>{_text(finding)}</p></div>\n'
    yield from _origin(found.origin)
    yield from _policy(found.policy)
    if found.warnings:
        yield f"<section><h2>Warnings</h2>\n{_list(found.warnings)}</section>\n"
    if found.contents is not None:
        yield from _contents(found.contents)
    else:
        said = "Not listed: what a bundle that is not verified says of itself proves nothing."
        yield f"<section><h2>Contents</h2>\n<p>{said}</p></section>\n"
    if found.printed:
        yield f"<details><summary>As printed</summary>\n<pre>{'<br>'.join(map(_text, found.printed))}</pre></details>\n"
    yield '<div class="failure"><p>Decision, name, date, signature:</p><br><br></div>\n'


def _origin(origin: Origin) -> Iterator[str]:
    yield f'<section><h2>Origin</h2>\n<p class="sub">signed: manifest {_text(origin.manifest)}</p>\n'
    rows = (
        (
            f'<span class="{"ok" if one.trusted else "failed"}">{"trusted" if one.trusted else "not trusted"}</span>',
            f"{_text(one.name)}<br><code>{_text(one.fingerprint)}</code>",
            _text(one.role),
            _text(one.form),
            _text(one.signed),
            _text(one.reason),
        )
        for one in origin.signatures
    )
    yield _table(("", "Key", "Role", "Form", "Signed", "Why"), rows)
    yield "</section>\n"


def _policy(policy: PolicyResult) -> Iterator[str]:
    yield f'<section><h2>Policy</h2>\n<p class="sub">{_text(policy.source)}</p>\n'
    yield _list(policy.met)
    yield "<h2>Not verified</h2>\n"
    yield _list(policy.not_checked)
    yield "</section>\n"


def _contents(contents: Contents) -> Iterator[str]:
    yield "<section><h2>Contents</h2>\n"
    yield _table(("", ""), ((_text(fact.name), _text(fact.value)) for fact in contents.facts))
    yield _folded(
        "Container images",
        ("Image", "Platform", "Digest", "Why"),
        [
            (_text(i.reference), _text(i.platform), f"<code>{_text(i.digest)}</code>", "<br>".join(map(_text, i.why)))
            for i in contents.images
        ],
    )
    yield _folded(
        "Scripts",
        ("Path", "SHA-256"),
        [(_text(script.path), f"<code>{_text(script.sha256)}</code>") for script in contents.scripts],
    )
    yield _folded(
        "Packages",
        ("Where", "Package", "Version", "Licences"),
        [(_text(p.where), _text(p.name), _text(p.version), _text("; ".join(p.licences))) for p in contents.packages],
    )
    yield _folded(
        "Members of the bundle",
        ("Name", "Bytes", "SHA-256"),
        [(_text(name), f"{size:,}", f"<code>{_text(sha256)}</code>") for name, size, sha256 in contents.members],
    )
    if contents.unread:
        yield f"<h2>Not in the SBOM</h2>\n{_list(contents.unread)}"
    yield "</section>\n"


def _folded(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that opens at a click, with the number of its rows."""
    if not rows:
        return f"<p>{title}: none</p>\n"
    return f"<details><summary>{title}: {len(rows):,}</summary>\n{_table(heads, rows)}</details>\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    head = f"<thead><tr>{''.join(f'<th>{name}' for name in heads)}</tr></thead>" if any(heads) else ""
    body = "".join(f"<tr>{''.join(f'<td class=sub>{cell}' for cell in row)}</tr>\n" for row in rows)
    return f"<table>{head}<tbody>\n{body}</tbody></table>\n"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(sentence)}' for sentence in sentences)}</ul>\n"


def _text(text: str) -> str:
    return escape(plain(text), quote=True)
