"""Objects of Kubernetes, and data that is shaped like them: pod specs by type, all else by what it looks like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.image.discovery import groups, nodes, texts
from appliance.image.discovery.found import Confidence, Why
from appliance.image.discovery.names import Look, is_file, is_image_key, look, mentions_image
from appliance.image.discovery.nodes import Broken, Mapping, Scalar, Sequence, Value

if TYPE_CHECKING:
    from appliance.image.discovery.found import Findings

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_BUILT_IN = re.compile(r"v1|(?:apps|batch|extensions)/.*")
_NOT_OURS = re.compile(
    r"(?:[\w.-]*\.)?(?:sealer\.io|sealer\.cloud|sealer\.aliyun\.com|zlink\.aliyun\.com|sealos\.io)/.*|appliance/v1"
)
_SILENT = frozenset(
    ("status", "managedFields", "description", "summary", "message", "title", "openAPIV3Schema", "rules", "expr",
     "matchLabels", "nodeSelector", "labels", "selector", "ownerReferences", "resources", "tolerations")
)  # fmt: skip
_OCI = "org.opencontainers."
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def scan_documents(
    text: str, file: str, findings: Findings, *, first_line: int = 1, inside: str = "", tag: str = ""
) -> None:
    """Look into all documents of a YAML or JSON text; one that is neither is looked at as settings.

    `inside` says which object's data the text is, `tag` what an empty tag beside a repository stands for.
    """
    for document in nodes.load(text, first_line=first_line):
        if isinstance(document, Broken):
            if not inside and "{{" not in document.text:
                findings.warn(
                    f"{file}:{document.line}", f"this is no YAML, so only plain lines count: {document.problem}"
                )
            texts.scan_settings(document.text, file, findings, first_line=document.line)
        else:
            _Scan(file, findings, inside, tag).document(document)


class _Scan:
    """A walk over one document."""

    def __init__(self, file: str, findings: Findings, inside: str, tag: str) -> None:
        self._file = file
        self._findings = findings
        self._inside = inside
        self._object = inside
        self._version = ""
        self._tag = tag

    def document(self, value: Value) -> None:
        if isinstance(value, Mapping) and value.text("kind") and value.text("apiVersion"):
            self._kubernetes(value)
        else:
            self._any(value, "", sure=False)

    def _kubernetes(self, value: Mapping) -> None:
        """An object: CRDs and other tools' own kinds hold no images of the cluster's."""
        kind, version = value.text("kind"), value.text("apiVersion")
        if kind == "CustomResourceDefinition" or _NOT_OURS.fullmatch(version):
            return
        if kind.endswith("List") and isinstance(items := value.fields.get("items"), Sequence):
            for item in items.items:
                self.document(item)
            return
        outer = self._object
        name = value.mapping("metadata").text("name")
        own = f"{kind}/{name}" if name else kind
        self._object = f"{outer} {own}".strip()
        if kind in ("ConfigMap", "Secret") and version == "v1":
            self._data(value)
        elif kind == "Kustomization":
            pass
        else:
            sure = bool(_BUILT_IN.fullmatch(version)) and not self._inside
            self._any(Mapping({k: v for k, v in value.fields.items() if k != "kind"}, value.line), "", sure=sure)
        self._object = outer

    def _data(self, value: Mapping) -> None:
        """A ConfigMap's or Secret's texts, each a document, settings, or one value; an ``_example`` only explains."""
        self._annotations(value.mapping("metadata"))
        for part in ("data", "stringData"):
            for key, text in value.mapping(part).fields.items():
                if isinstance(text, Scalar) and key != "_example":
                    self._text_data(key, text)

    def _text_data(self, key: str, value: Scalar) -> None:
        text = value.text.strip()
        seen = look(text)
        if seen is Look.STRONG or (seen >= Look.WEAK and mentions_image(key)):
            self._add(text, Confidence.LIKELY, value.line, key)
        elif "\n" in text or text[:1] in "{[":
            first = value.line + 1 if value.block else value.line
            inside = f"{self._object} {key}"
            scan_documents(value.text, self._file, self._findings, first_line=first, inside=inside)

    def _any(self, value: Value, key: str, *, sure: bool) -> None:
        """`sure`: inside an object of Kubernetes' own, where containers are what they are called."""
        match value:
            case Mapping():
                self._mapping(value, key, sure=sure)
            case Sequence():
                for item in value.items:
                    self._item(item, key, sure=sure)
            case Scalar():
                self._scalar(value, key)

    def _mapping(self, value: Mapping, key: str, *, sure: bool) -> None:
        if key and value.text("kind") and value.text("apiVersion") and "metadata" in value.fields:
            self._kubernetes(value)
            return
        outer, self._version = self._version, value.text("version") or self._version
        self._fields(value, key, sure=sure)
        self._version = outer

    def _fields(self, value: Mapping, key: str, *, sure: bool) -> None:
        grouped = groups.find(value, version=self._version, tag=self._tag)
        for found in grouped:
            self._add(found.text, found.confidence, found.line, f"{key}.{found.key}" if key else found.key)
        used = {name for found in grouped for name in found.used}
        for name, child in value.fields.items():
            if name in _SILENT or name in used or self._is_other(name, child, key):
                continue
            if name in _CONTAINERS and isinstance(child, Sequence):
                self._containers(child, name, sure=sure)
            elif name == "annotations" and isinstance(child, Mapping):
                self._annotations(value)
            elif name == "env" and isinstance(child, Sequence):
                self._variables(child)
            elif name in ("args", "command", "arguments", "extraArgs") and isinstance(child, Sequence):
                self._arguments(child, name)
            elif name == "image" and isinstance(child, Scalar) and _is_part(child, value):
                self._add(child.text.strip(), Confidence.GUESS, child.line, name)
            else:
                self._any(child, name, sure=sure)

    def _is_other(self, name: str, child: Value, key: str) -> bool:
        """Whether an image in a field is another kind of image: a disk of Ceph's, or what a build makes."""
        if name == "output":
            return key == "build" or self._object.rpartition(" ")[2].startswith("Build")
        return name == "rbd" and isinstance(child, Mapping) and "monitors" in child.fields

    def _item(self, item: Value, key: str, *, sure: bool) -> None:
        if isinstance(item, Scalar) and key.lower().endswith("images") and look(item.text) is not Look.NONE:
            self._add(item.text, Confidence.LIKELY, item.line, key)
        else:
            self._any(item, key, sure=sure)

    def _containers(self, containers: Sequence, key: str, *, sure: bool) -> None:
        confidence = Confidence.CERTAIN if sure else Confidence.LIKELY
        for number, container in enumerate(containers.items):
            if not isinstance(container, Mapping):
                continue
            image = container.fields.get("image")
            what = f"{key}[{container.text('name') or number}].image"
            if isinstance(image, Scalar):
                self._add(image.text.strip(), confidence, image.line, what)
                rest = {name: child for name, child in container.fields.items() if name != "image"}
                self._mapping(Mapping(rest, container.line), key, sure=sure)
            else:
                self._mapping(container, key, sure=sure)

    def _variables(self, variables: Sequence) -> None:
        for variable in variables.items:
            if not isinstance(variable, Mapping):
                continue
            name, value = variable.text("name"), variable.fields.get("value")
            if isinstance(value, Scalar):
                self._variable(name, value)

    def _variable(self, name: str, value: Scalar) -> None:
        text = value.text.strip()
        seen = look(text)
        if seen >= (Look.WEAK if mentions_image(name) else Look.MEDIUM):
            confidence = Confidence.LIKELY if mentions_image(name) or seen is Look.STRONG else Confidence.GUESS
            self._add(text, confidence, value.line, f"env {name}")
        elif text[:1] in "{[" and mentions_image(name):
            scan_documents(text, self._file, self._findings, first_line=value.line, inside=f"{self._object} env {name}")
        else:
            confidence = Confidence.LIKELY if mentions_image(name) else Confidence.GUESS
            self._words(value, confidence, f"env {name}")

    def _arguments(self, arguments: Sequence, key: str) -> None:
        before = ""
        for item in arguments.items:
            if not isinstance(item, Scalar):
                self._any(item, key, sure=False)
                continue
            flag, equals, text = item.text.partition("=")
            if not equals:
                flag, text = before, item.text.strip()
            self._argument(flag if flag.startswith("-") else "", text.strip().strip("\"'"), item, key)
            before = item.text.strip() if item.text.startswith("-") and not equals else ""

    def _argument(self, flag: str, text: str, item: Scalar, key: str) -> None:
        seen = look(text)
        if flag and mentions_image(flag) and seen >= Look.WEAK:
            self._add(text, Confidence.LIKELY, item.line, f"{key} {flag}")
        elif seen is Look.STRONG or (flag and seen is Look.MEDIUM and "reloader" in flag):
            self._add(text, Confidence.LIKELY, item.line, f"{key} {flag}".strip())
        elif "\n" in item.text or " " in item.text:
            first = item.line + 1 if item.block else item.line
            texts.scan_settings(item.text, self._file, self._findings, first_line=first)
        elif "=" in text or "," in text:
            self._words(item, Confidence.LIKELY, f"{key} {flag}".strip())

    def _annotations(self, metadata: Mapping) -> None:
        for key, value in metadata.mapping("annotations").fields.items():
            if not isinstance(value, Scalar) or key == _LAST_APPLIED or key.startswith(_OCI):
                continue
            text = value.text.strip()
            seen = look(text)
            if seen is Look.STRONG or (seen >= Look.WEAK and mentions_image(key)):
                self._add(text, Confidence.LIKELY, value.line, f"annotation {key}")
            elif text[:1] in "{[" or ("\n" in text and "image" in text):
                inside = f"{self._object} annotation {key}"
                scan_documents(text, self._file, self._findings, first_line=value.line, inside=inside)

    def _scalar(self, value: Scalar, key: str) -> None:
        text = value.text.strip()
        seen = look(text)
        if is_image_key(key):
            if seen >= Look.WEAK or (seen is Look.UNTAGGED and key == "image" and not is_file(text)):
                clear = seen >= Look.WEAK or (self._object and not self._inside)
                confidence = Confidence.LIKELY if clear else Confidence.GUESS
                self._add(text, confidence, value.line, key)
                return
            if seen is Look.NONE and " " in text:  # an expression of a template's
                self._words(value, Confidence.LIKELY, key)
                return
        elif seen is Look.STRONG or (seen is Look.MEDIUM and mentions_image(key)):
            self._add(text, Confidence.LIKELY, value.line, key)
            return
        if "\n" in text and "image" in text:
            first = value.line + 1 if value.block else value.line
            scan_documents(
                value.text, self._file, self._findings, first_line=first, inside=f"{self._object} {key}".strip()
            )

    def _words(self, value: Scalar, confidence: Confidence, what: str) -> None:
        first = value.line + 1 if value.block else value.line
        texts.scan_words(
            value.text, self._file, self._findings, first_line=first, confidence=confidence,
            what=self._what(what), step=1 if value.block else 0,
        )  # fmt: skip

    def _add(self, text: str, confidence: Confidence, line: int, what: str) -> None:
        if look(text) is not Look.NONE:
            self._findings.add(text, confidence, Why(self._file, line, self._what(what)))

    def _what(self, what: str) -> str:
        return f"{self._object} {what}".strip()


def _is_part(image: Scalar, beside: Mapping) -> bool:
    """Whether a name without a tag waits for what is left empty beside it."""
    return look(image.text.strip()) is Look.UNTAGGED and any(
        name in beside.fields and not beside.text(name) for name in ("repository", "registry", "tag", "version")
    )
