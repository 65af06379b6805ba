"""Apps: what a cluster image can launch, and the shell lines that do. Pure.

Source: sealer ≥ 0.9, ``pkg/define/application``: the kinds, their files and their default commands; but a chart is
upgraded where it is installed already, since launching is repeated when something changed.
"""

from __future__ import annotations

import enum
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

FOLDER = "application/apps"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


class AppKind(enum.StrEnum):
    """What an app is made of, and so how it is launched; OTHER needs APPCMDS."""

    HELM = "helm"
    KUBE = "kube"
    SHELL = "shell"
    OTHER = "other"


class AppRole(enum.StrEnum):
    """What a cluster uses an app for."""

    APP = "app"
    CNI = "cni"
    CSI = "csi"


@dataclass(frozen=True, slots=True)
class App:
    """An app: `files` are what is launched, relative to its `root`; `commands` (APPCMDS) replace what its kind says."""

    name: str
    kind: AppKind
    role: AppRole = AppRole.APP
    files: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """Its folder in the image."""
        return f"{FOLDER}/{self.name}"

    @property
    def launch(self) -> tuple[str, ...]:
        """The shell lines that launch it, with the image root as working directory."""
        if self.commands:
            return (f"cd {self.root}/ && {' && '.join(self.commands)}",)
        paths = [quoted(posixpath.join(self.root, name)) for name in self.files]
        match self.kind:
            case AppKind.HELM:
                return (f"helm upgrade --install {self.name} {self.root}/",)
            case AppKind.KUBE:
                return tuple(f"kubectl apply -f {path}" for path in paths)
            case AppKind.SHELL:
                return tuple(f"bash {path}" for path in paths)
            case AppKind.OTHER:
                return ()

    @property
    def undo(self) -> tuple[str, ...]:
        """The shell lines that take away what `launch` made; none where only its author knows."""
        if self.commands or self.kind in (AppKind.SHELL, AppKind.OTHER):
            return ()
        if self.kind is AppKind.HELM:
            return (f"helm uninstall {self.name}",)
        paths = [quoted(posixpath.join(self.root, name)) for name in reversed(self.files)]
        return tuple(f"kubectl delete --ignore-not-found -f {path}" for path in paths)


def kind_of(sources: Sequence[Collection[str]]) -> tuple[AppKind, tuple[str, ...]]:
    """What files make an app, and which of them are launched; `sources` are the files that each source gave.

    A chart at the root is helm; all YAML is kube; all ``.sh`` is shell, of which the first source is launched.
    """
    names = [name for source in sources for name in source]
    endings = {posixpath.splitext(name)[1].lower() for name in names}
    if "Chart.yaml" in names:
        return AppKind.HELM, ()
    if endings and endings <= {".yaml", ".yml"}:
        return AppKind.KUBE, tuple(names)
    if endings == {".sh"}:
        return AppKind.SHELL, tuple(next(source for source in sources if source))
    return AppKind.OTHER, ()


def shell_lines(words: Sequence[str]) -> tuple[str, ...]:
    """A JSON list of commands as shell lines: an item a command, unless the list is one command's words."""
    if any(" " in word for word in words[:1]) or len(words) == 1:
        return tuple(words)
    return (" ".join(quoted(word) for word in words),)


def launch_lines(apps: Iterable[App], names: Sequence[str], commands: Sequence[str]) -> tuple[str, ...]:
    """All that runs once the cluster is up: CMD or CMDS where there are any, else the apps of LAUNCH in its order."""
    if commands:
        return tuple(commands)
    known = {app.name: app for app in apps}
    return tuple(line for name in names if name in known for line in known[name].launch)


def quoted(word: str) -> str:
    """A word as a shell reads it back."""
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "'\"'\"'") + "'"


def to_document(app: App) -> dict[str, object]:
    """An app as JSON data."""
    return {
        "name": app.name,
        "kind": str(app.kind),
        "role": str(app.role),
        "files": list(app.files),
        "commands": list(app.commands),
        "env": dict(app.env),
    }


def from_document(document: Any) -> App:
    """Read what `to_document` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
    texts = [document["name"], *document["files"], *document["commands"], *document["env"].values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an app is made of texts")
    return App(
        document["name"],
        AppKind(document["kind"]),
        AppRole(document["role"]),
        files=tuple(document["files"]),
        commands=tuple(document["commands"]),
        env=dict(document["env"]),
    )
