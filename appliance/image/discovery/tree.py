"""The walk: every file of a tree is looked at as what it is; charts and kustomizations as what they make."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image.discovery import helm, kustomize, launches, nodes, objects, texts
from appliance.image.discovery.found import Confidence, Discovery, Findings
from appliance.image.discovery.helm import Job, Settings
from appliance.image.discovery.nodes import Mapping
from appliance.image.ignore import Ignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.image.discovery.helm import Rendered
    from appliance.image.discovery.launches import Launch

IGNORE = ".imageignore"
_CHART = "Chart.yaml"
_NOTES = "NOTES.txt"
_LAYOUT = "oci-layout"
_MOST_BYTES = 32 << 20
_DOCUMENTS = (".yaml", ".yml", ".json")
_TEMPLATES = (".j2", ".tmpl", ".tpl", ".gotmpl", ".template")
_SETTINGS = (".toml", ".conf", ".cfg", ".ini", ".env", ".properties", ".service", ".sh", ".bash")
_LIST = re.compile(r"(?i)[\w.-]*images?(?:[_-]?list)?(?:\.txt|\.list)?")
_KUBEFILES = ("Kubefile", "Sealfile")
_NEVER = frozenset((".git", ".github", ".gitlab", "node_modules", "__pycache__"))


def discover(roots: Sequence[Path], settings: Settings) -> Discovery:
    """The images that trees (or single files) need.

    Raises `RecipeError` for a path that cannot be read, `ApplianceError` for a chart where there is no Helm.
    """
    for path in settings.values:
        if not path.is_file():
            raise RecipeError("there is no such file of values", where=str(path), hint="name a YAML file")
    findings = Findings()
    ignored: list[str] = []
    for root in roots:
        if not root.exists():
            raise RecipeError("there is no such file or folder", where=str(root), hint="name what find-images looks at")
        _Tree(root, findings).walk(settings, ignored)
    patterns = Ignore.parse("\n".join(ignored))
    left_out = [
        reference
        for reference in findings.references
        if patterns.covers(str(reference)) or patterns.covers(reference.familiar)
    ]
    return findings.result(ignored=left_out)


class _Tree:
    """One root; paths are said relative to it."""

    def __init__(self, root: Path, findings: Findings) -> None:
        self._root = root
        self._findings = findings
        self._files = {self._name(path): path for path in _files(root)}
        self._tags: dict[str, str] = {}

    def walk(self, settings: Settings, ignored: list[str]) -> None:
        self._ignore(ignored)
        taken = self._render(self._charts(), settings)
        within = tuple(f"{name}/" if name and (self._root / name).is_dir() else name for name in taken)
        taken_parts = self._kustomizations(within)
        for name, path in self._files.items():
            if not name.startswith(within or ("\0",)) and name not in taken_parts:
                self._file(name, path)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path != self._root else path.name

    def _ignore(self, ignored: list[str]) -> None:
        """Leave out the files that an .imageignore covers, and note its lines, which may mean images, too."""
        for name in [name for name in self._files if name.rpartition("/")[2] == IGNORE]:
            text = _text(self._files.pop(name)) or ""
            folder = name.rpartition("/")[0]
            patterns = Ignore.parse(text, source=name)
            below = f"{folder}/" if folder else ""
            self._files = {
                other: path
                for other, path in self._files.items()
                if not (other.startswith(below) and patterns.covers(other.removeprefix(below)))
            }
            ignored.append(text)

    def _charts(self) -> list[tuple[str, Path]]:
        """Charts that are not part of others: folders with a Chart.yaml, and archives that hold one."""
        folders = sorted(name.rpartition("/")[0] for name in self._files if name.rpartition("/")[2] == _CHART)
        tops = [name for name in folders if not any(_is_inside(name, other) for other in folders)]
        archives = [
            name
            for name, path in self._files.items()
            if name.endswith(".tgz") and not any(_is_inside(name, top) for top in tops) and _holds_chart(path)
        ]
        return [(name, self._root / name if name != self._root.name or self._root.is_dir() else self._root)
                for name in (*tops, *archives)]  # fmt: skip

    def _render(self, charts: list[tuple[str, Path]], settings: Settings) -> list[str]:
        """Look into what charts make, as a Kubefile installs them, else by default; those that could be rendered."""
        paths = dict(charts)
        installed = [
            (name, Job(paths[name], self._settings(folder, launch, settings)))
            for name, uses in self._launches().items()
            for folder, launch in uses
            if name in paths
        ]
        failed = self._try(installed)
        for name, problem in failed.items():
            self._findings.warn(name or ".", f"the chart cannot be rendered as the Kubefile installs it: {problem}")
        plain = [name for name in paths if name in failed or name not in {name for name, _ in installed}]
        problems = self._try([(name, Job(paths[name], settings)) for name in plain])
        rendered = [name for name in paths if name not in problems or "library" in problems[name]]
        for name in problems.keys() - rendered:
            message = f"the chart cannot be rendered, so only its values count: {problems[name]}"
            self._findings.warn(name or ".", message)
            self._tags[f"{name}/values.yaml" if name else "values.yaml"] = self._app_version(name)
        for name in rendered:
            self._defaults(name)
        return rendered

    def _app_version(self, chart: str) -> str:
        """What charts take for a tag that their values leave empty."""
        path = self._files.get(f"{chart}/{_CHART}" if chart else _CHART)
        documents = nodes.load(_text(path) or "") if path else ()
        return next((document.text("appVersion") for document in documents if isinstance(document, Mapping)), "")

    def _try(self, jobs: list[tuple[str, Job]]) -> dict[str, str]:
        """Look into what jobs make; by the chart's name, why one of its jobs could not be done."""
        results = zip(jobs, helm.render([job for _, job in jobs]), strict=True)
        problems: dict[str, str] = {}
        for (name, _), one in results:
            self._manifests(name, one)
            if one.problem:
                problems[name] = one.problem
        return problems

    def _launches(self) -> dict[str, list[tuple[str, Launch]]]:
        """How Kubefiles install charts, by the chart's name, each with the Kubefile's folder."""
        found: dict[str, list[tuple[str, Launch]]] = {}
        for name, path in self._files.items():
            folder, _, base = name.rpartition("/")
            if base in _KUBEFILES and (text := _text(path)):
                for launch in launches.find(text, name):
                    chart = os.path.normpath(f"{folder}/{launch.chart}" if folder else launch.chart)
                    found.setdefault(chart, []).append((folder, launch))
        return found

    def _settings(self, folder: str, launch: Launch, settings: Settings) -> Settings:
        """A launch's values, and over them those that were given. What the site gives at its own time is not there."""
        named = (os.path.normpath(f"{folder}/{value}" if folder else value) for value in launch.values)
        own = tuple(self._files[name] for name in named if name in self._files)
        return Settings((*own, *settings.values), (*launch.sets, *settings.sets))

    def _manifests(self, name: str, rendered: Rendered) -> None:
        where = name or "."
        for template, text in rendered.manifests.items():
            if template.endswith(_NOTES):
                continue
            objects.scan_documents(text, f"{where}:{template}", self._findings)

    def _defaults(self, name: str) -> None:
        """What a chart's values name and its templates did not use by default: a guess."""
        path = self._files.get(f"{name}/values.yaml" if name else "values.yaml")
        text = _text(path) if path else None
        if path is None or text is None:
            return
        own = Findings()
        objects.scan_documents(text, self._name(path), own)
        for image in own.result().images:
            if not self._findings.knows(str(image.reference)):
                for why in image.why:
                    self._findings.add(str(image.reference), Confidence.GUESS, why)

    def _kustomizations(self, within: tuple[str, ...]) -> set[str]:
        """Look into what kustomizations make that no other one builds on; the files that need no look of their own."""
        folders = {
            name.rpartition("/")[0]: path
            for name, path in self._files.items()
            if name.rpartition("/")[2] in kustomize.NAMES and not name.startswith(within or ("\0",))
        }
        uses = {folder: self._parts(folder, path) for folder, path in folders.items()}
        below = {part for parts in uses.values() for part in parts}
        taken: set[str] = set()
        for folder in sorted(folders):
            if folder in below:
                continue
            built = kustomize.build(folders[folder].parent)
            if built.problem:
                self._findings.warn(folder or ".", f"the kustomization cannot be built: {built.problem}")
                continue
            objects.scan_documents(built.manifests, f"{folder or '.'}:kustomize", self._findings)
            taken |= _closure(folder, uses)
        return taken

    def _parts(self, folder: str, path: Path) -> set[str]:
        text = _text(path) or ""
        found = {os.path.normpath(f"{folder}/{part}") for part in kustomize.parts(text) if "://" not in part}
        return {("" if part == "." else part) for part in found} | {self._name(path)}

    def _file(self, name: str, path: Path) -> None:
        base = name.rpartition("/")[2]
        stem = base.removesuffix(next((end for end in _TEMPLATES if base.endswith(end)), ""))
        text = _text(path) if _is_text(base, stem, name) else None
        if text is None:
            return
        if base in _KUBEFILES or base.startswith("Kubefile."):
            texts.scan_kubefile(text, name, self._findings)
        elif base == "imageList" or "images/shim/" in f"/{name}":
            texts.scan_list(text, name, self._findings, Confidence.CERTAIN)
        elif stem.endswith(_DOCUMENTS):
            objects.scan_documents(text, name, self._findings, tag=self._tags.get(name, ""))
        elif stem.endswith(_SETTINGS):
            texts.scan_settings(text, name, self._findings)
        elif texts.is_list(text):
            texts.scan_list(text, name, self._findings, Confidence.LIKELY)


def _is_text(base: str, stem: str, name: str) -> bool:
    return (
        base in _KUBEFILES
        or base.startswith("Kubefile.")
        or "images/shim/" in f"/{name}"
        or stem.endswith((*_DOCUMENTS, *_SETTINGS))
        or bool(_LIST.fullmatch(base))
    )


def _files(root: Path) -> Iterator[Path]:
    """The files of a tree in order, without links and what version control keeps."""
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = [] if _LAYOUT in names else sorted(name for name in folders if name not in _NEVER)
        if _LAYOUT in names:
            continue  # images themselves, not what names them
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _text(path: Path) -> str | None:
    """A file's text; None for one that is none, or too large to be one."""
    try:
        with path.open("rb") as source:
            data = source.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _MOST_BYTES or b"\0" in data[:8192]:
        return None
    return data.decode("utf-8-sig", errors="replace")


def _is_inside(name: str, folder: str) -> bool:
    return name != folder and (not folder or name.startswith(f"{folder}/"))


def _holds_chart(path: Path) -> bool:
    import tarfile  # noqa: PLC0415  (only where there is an archive)

    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            return first is not None and first.name.rpartition("/")[2] == _CHART
    except (tarfile.TarError, OSError, EOFError):
        return False


def _closure(folder: str, uses: dict[str, set[str]]) -> set[str]:
    """All files that a kustomization is made of, directly or not."""
    found: set[str] = set()
    pending = [folder]
    while pending:
        part = pending.pop()
        for used in uses.get(part, set()):
            if used not in found:
                found.add(used)
                pending.append(used)
    return found
