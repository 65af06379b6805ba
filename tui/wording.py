"""How the guide's texts are filled with what there is to say. What comes from elsewhere is cleaned, never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from appliance.digest import Digest
from appliance.recipe.quantities import size_text
from appliance.report.text import plain
from appliance.trust.words import words
from tui import helps, texts
from tui.advice import here
from tui.session import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from appliance.errors import ApplianceError
    from appliance.inventory.facts import Facts
    from appliance.inventory.scan import Scanned
    from appliance.trust.judgement import SignerResult
    from tui.calls.known import Installed
    from tui.fields import Field
    from tui.session import Delivery, Machine, Session


def counted(count: int, forms: Sequence[str]) -> str:
    """``1 host``, ``3 hosts``."""
    return forms[texts.plural_form(count)].format(count=count)


def clean(text: str) -> str:
    """Text from elsewhere, in one line, that a terminal does not obey."""
    return plain(" ".join(text.split()))


def printable(text: str) -> str:
    """Text from elsewhere, in its lines, that a terminal does not obey."""
    return "\n".join(plain(line.expandtabs()) for line in text.splitlines())


def step_title(step: Step) -> str:
    """Which step this is, of how many."""
    return f"{texts.STEPS[step - 1]} {step.value}/{len(Step)}"


def about(session: Session) -> str:
    """What all of this is about, beside the screen's title."""
    parts = []
    if session.delivery and session.delivery.spec:
        parts.append(f"{session.delivery.spec.name} {session.delivery.spec.version}")
    if session.written.name:
        parts.append(texts.CLUSTER_NAMED.format(name=session.written.name))
    if session.machines:
        hosts = counted(len(session.machines), texts.HOSTS)
        parts.append(texts.HOSTS_CHOSEN.format(chosen=len(session.chosen), hosts=hosts))
    return "  ".join(parts)


# Open


def found_bundle(path: Path, size: int) -> Content:
    """A line of the list."""
    return Content(f"{clean(str(path))}  ({size_text(size)})")


def verifying(name: str) -> Content:
    """While it runs."""
    return Content(texts.OPEN_VERIFYING.format(name=clean(name)))


def verdict(delivery: Delivery) -> Content:
    """The verdict in one word, then what was and what was not checked."""
    report = delivery.report
    if report is None:
        return Content("")
    lines = _verified(delivery) if report.verified else _not_verified(delivery)
    checked = report.checked
    if report.signers or checked.bytes:
        lines.append(Content(texts.CHECKED if report.verified else texts.FOUND).stylize("bold"))
    if checked.bytes:
        chunks, files = counted(checked.chunks, texts.CHUNKS), counted(checked.files, texts.FILES)
        said = texts.CHECKED_BYTES.format(bytes=checked.bytes, chunks=chunks, files=files)
        lines.append(Content(f"  {said}"))
    lines += [Content(f"  {line}") for line in _signers(report.signers)]
    lines.append(Content(texts.NOT_CHECKED).stylize("bold"))
    lines += [Content(f"  - {clean(sentence)}") for sentence in report.not_checked]
    return Content("\n").join(lines)


def _verified(delivery: Delivery) -> list[Content]:
    spec = delivery.spec
    if spec is None:
        return [Content.assemble((texts.VERIFIED, "bold $text-success"))]
    what = clean(f"{spec.title or spec.name} {spec.version}, {spec.vendor}".rstrip(", "))
    first = Content.assemble((texts.VERIFIED, "bold $text-success"), f"  {what}")
    return [first, Content(f"  {clean(spec.description)}")] if spec.description else [first]


def _not_verified(delivery: Delivery) -> list[Content]:
    report = delivery.report
    if report is None:
        return []
    lines = [Content.assemble((texts.NOT_VERIFIED, "bold $text-error"), f"  {clean(report.name)}")]
    lines += [Content(f"  {clean(finding)}") for finding in report.findings]
    return [*lines, Content(f"  {texts.NEXT} {clean(here(report.hint))}")] if report.hint else lines


def _signers(signers: Sequence[SignerResult]) -> Iterable[str]:
    for name, fingerprint in dict.fromkeys((signer.name, signer.fingerprint) for signer in signers):
        forms = [signer for signer in signers if (signer.name, signer.fingerprint) == (name, fingerprint)]
        first = forms[0]
        yield texts.SIGNED_BY.format(
            name=clean(name) or texts.NAMELESS,
            trusted=texts.TRUSTED[any(form.trusted for form in forms)],
            reason=clean(first.reason),
            when=texts.SIGNED_AT.format(time=first.signing_time) if first.signing_time else "",
        )
        yield f"  {clean(fingerprint)}"


def draft_offered(draft: Session | None) -> str:
    """The description that was begun, as a choice."""
    if draft is None:
        return ""
    hosts = counted(len(draft.machines), texts.HOSTS)
    return clean(texts.OFFER_DRAFT.format(cluster=draft.written.name, hosts=hosts))


def cluster_offered(there: Installed) -> str:
    """A cluster of the delivery's product, as a choice."""
    return clean(texts.OFFER_INSTALLED.format(cluster=there.name, version=_version(there), hosts=_hosts(there)))


# Onto which cluster


def cluster_known(there: Installed) -> Content:
    """A cluster onto which an application may go."""
    apps = texts.ONTO_APPS.format(apps=", ".join(there.applications)) if there.applications else ""
    said = texts.ONTO_CLUSTER.format(cluster=there.name, version=_version(there), hosts=_hosts(there), apps=apps)
    return Content(clean(said))


def _version(there: Installed) -> str:
    return f"{there.product} {there.version}" if there.version else texts.OFFER_PARTLY


def _hosts(there: Installed) -> str:
    return counted(there.hosts, texts.HOSTS)


# Hosts


def of_machine(machine: Machine) -> str:
    """All that is known of a machine, for the filter."""
    facts = machine.facts
    known = [machine.address, *machine.roles, *machine.labels.values(), machine.entry.value, machine.problem]
    return " ".join([*known, *((facts.hostname, facts.os_name) if facts else ())])


def hardware(facts: Facts) -> str:
    """What a host is, in few words."""
    stamp = facts.stamp if facts.stamp and facts.stamp.machine_id == facts.machine_id else None
    said = texts.HARDWARE.format(
        cpus=facts.cpus,
        memory=size_text(facts.memory),
        system=f"{facts.os_id} {facts.os_version}".strip(),
        free=size_text(max((disk.free for disk in facts.disks), default=0)),
    )
    return clean(said + (texts.STAMPED.format(cluster=stamp.cluster) if stamp else ""))


def machine_detail(machine: Machine, *, own: bool) -> str:
    """What there is to say of the machine with the cursor; `own`: passwords were given for it alone."""
    lines = []
    if machine.problem:
        lines.append(f"{machine.address}: {clean(machine.problem)}")
    if machine.hint:
        lines.append(f"{texts.NEXT} {clean(here(machine.hint))}")
    ssh = machine.ssh
    if own or ssh.user or ssh.port or ssh.key:
        secrets = texts.ACCESS_SECRETS[own or bool(ssh.password_secret or ssh.become_password_secret)]
        lines.append(texts.ACCESS_OWN.format(user=ssh.user or "-", port=ssh.port or 22, secrets=secrets))
    if facts := machine.facts:
        said = texts.MACHINE.format(
            name=facts.hostname,
            os=facts.os_name,
            arch=facts.architecture,
            kernel=facts.kernel,
            systemd=facts.systemd,
        )
        lines += [clean(said), hardware(facts)]
    for key in machine.keys[:2]:
        lines.append(f"{key.kind} {key.fingerprint}" + (f", {texts.KEYS_ALIKE}" if key in machine.alike else ""))
    if machine.unlike:
        lines.append(texts.KEYS_CARRIED.format(prints=", ".join(machine.fingerprints)))
    if machine.labels:
        labels = ", ".join(f"{name}={value}" for name, value in machine.labels.items())
        lines.append(clean(texts.MACHINE_LABELS.format(labels=labels)))
    return "\n".join(lines)


def keys_text(machines: Iterable[Machine | Scanned], alike: Sequence[Machine] = ()) -> str:
    """The keys to compare; and the machines about which nobody is asked, whose keys are as in the inventory."""
    lines = [texts.KEYS_COMPARE]
    for machine in machines:
        lines.append(machine.address)
        for key in machine.keys:
            lines += [f"  {key.kind} {key.fingerprint}", f"    {words(Digest.of(key.raw))}"]
    if alike:
        lines += ["", texts.KEYS_ALIKE_TOO.format(alike=texts.KEYS_ALIKE)]
        lines += [f"  {machine.address}" for machine in alike]
    return "\n".join(lines)


def entered(count: int, refused: Sequence[Machine]) -> str:
    """How entering went."""
    said = texts.ENTERED.format(hosts=counted(count, texts.HOSTS)) if count else texts.ENTERED_NONE
    if not refused:
        return said
    first = refused[0]
    return said + texts.NOT_ENTERED.format(count=len(refused), address=first.address, problem=clean(first.problem))


# Settings


def field_hint(field: Field) -> str:
    """What stands below a field."""
    default = texts.DEFAULT.format(value=field.text_of(field.default)) if field.default is not None else ""
    return clean("; ".join(filter(None, (field.description, field.bounds, default))))


def fault(error: ApplianceError) -> str:
    """What is wrong with a value."""
    return clean(f"! {error.message}" + (f"; {error.hint}" if error.hint else ""))


# Help


def help_page(title: str, text: str) -> str:
    """The help of a screen: prose in whole paragraphs, which the screen wraps, and lines of keys as they are."""
    paragraphs = f"{title}\n\n{text}\n\n{helps.EVERYWHERE}".split("\n\n")
    return "\n\n".join(each if each.startswith("  ") else " ".join(each.split()) for each in paragraphs)


def image(name: str) -> str:
    """What an image is called on screens: of a digest, enough to compare it by."""
    return name[: len("sha256:") + 12] if name.startswith("sha256:") else name
