"""COPY, ADD and APP: from the context, other stages, here-documents and URLs into layers."""

from __future__ import annotations

import errno
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import ApplianceError
from appliance.events import TaskProgress
from appliance.image import copying, dialect
from appliance.image.context import Context, Item, check_unchanged, unique, with_parents
from appliance.image.copying import Given, Taken, Target
from appliance.image.fetching import GIT, URL
from appliance.image.materials import Material
from appliance.recipe import apps
from appliance.recipe.apps import App, AppRole
from appliance.recipe.lexing import heredoc_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.events import Sink
    from appliance.image.buildcache import LayerMade
    from appliance.image.fetching import Downloads
    from appliance.image.layering import Layering
    from appliance.image.stage import StageState
    from appliance.recipe.instructions import Instruction
    from appliance.recipe.kubefile import Kubefile

_CHMOD = re.compile(r"0?[0-7]{3,4}")
_APP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LOCAL = "local://"


class Gathering:
    """What COPY, ADD and APP of one build take; `private` is a folder of this build alone."""

    def __init__(
        self,
        kubefile: Kubefile,
        context: Context,
        layering: Layering,
        downloads: Downloads,
        *,
        private: Path,
        sink: Sink,
    ) -> None:
        self._context = context
        self._layering = layering
        self._downloads = downloads
        self._private = private
        self._sink = sink
        self._whole = dialect.puts_folders_whole(kubefile, context)
        self.warnings: list[str] = []
        if self._whole:
            self.warnings.append(
                f"{kubefile.source}: COPY puts folders under their own names, as sealer before 0.9 does: "
                "the commands name such paths"
            )

    def copy(self, state: StageState, instruction: Instruction, task: str) -> tuple[LayerMade, bool]:
        """The layer of a COPY or ADD."""
        *names, written = instruction.raw_words(escape=state.values.escape)
        into = copying.target(state.workdir, state.values.expand(instruction, written), state.folders)
        mode = _chmod(state, instruction)
        unpack = instruction.keyword == "ADD"
        sources = [self._source(state, instruction, name, task) for name in names]
        if instruction.flag("checksum") and not any(map(_is_url, names)):
            raise instruction.error("--checksum is for a URL", hint="COPY a file as it is")
        whole = self._whole and len(sources) == 1 and not isinstance(sources[0], Given)
        try:
            taken = copying.take(self._context, sources, into, mode=mode, unpack=unpack, whole=whole)
            return self._layer(state, taken, task)
        except OSError as error:
            raise _unreadable(instruction, error) from error

    def copy_from(
        self, state: StageState, instruction: Instruction, task: str, *, chain: Sequence[str], tree: Callable[[], Path]
    ) -> tuple[LayerMade, bool]:
        """The layer of a COPY out of the tree of another stage or image, which is known by its layers."""
        *names, written = state.values.words(instruction)
        into = copying.target(state.workdir, written, state.folders)
        mode = _chmod(state, instruction)

        def make() -> tuple[Item, ...]:
            taken = copying.take(Context(tree(), exact=True), names, into, mode=mode, unpack=False)
            return with_parents(taken.items, state.folders)

        inputs = ("from", list(chain), names, into.path, into.is_folder, mode, sorted(state.folders.items()))
        return self._layering.known_as(inputs, make, task)

    def app(self, state: StageState, instruction: Instruction, task: str) -> tuple[LayerMade, bool]:
        """The layer of an APP, CNI or CSI: its files below its root."""
        name, *names = state.values.words(instruction)
        if not _APP_NAME.fullmatch(name):
            raise instruction.error(f"{name!r} cannot be an app's name", hint="expected letters, digits and . _ -")
        root = f"{apps.FOLDER}/{name}"
        items: list[Item] = []
        files: list[tuple[str, ...]] = []
        try:
            for source in names:
                found = self._app_source(state, instruction, source, task)
                taken = copying.take(self._context, [found], Target(root, is_folder=True), mode=None, unpack=False)
                items += taken.items
                files.append(tuple(i.entry.path.removeprefix(f"{root}/") for i in taken.items if i.file))
            made = self._layer(state, Taken(unique(items), ()), task)
        except OSError as error:
            raise _unreadable(instruction, error) from error
        kind, launched = apps.kind_of(files)
        role = AppRole(instruction.keyword.lower())
        state.add_app(instruction, App(name, kind, role, files=tuple(dict.fromkeys(launched))))
        return made

    def place(self, path: str) -> Path:
        """A file or folder of the context, to be mounted."""
        return self._context.place(path)

    def fingerprint(self, path: str) -> object:
        """What a file or folder of the context holds, as JSON data."""
        found = self._context.pick(path)
        return copying.fingerprint(item for one in found for item in self._context.items(one, "mount", mode=None))

    def _layer(self, state: StageState, taken: Taken, task: str) -> tuple[LayerMade, bool]:
        items = with_parents(taken.items, state.folders)
        if not taken.archives:
            return self._layering.of_files(items, task)
        number = len(state.made)

        def make() -> tuple[Item, ...]:
            found = {item.entry.path: item for item in taken.items}
            for position, archive in enumerate(taken.archives):
                folder = self._private / f"{state.planned.stage.number}-{number}-{position}"
                found |= {item.entry.path: item for item in copying.unpacked(archive, folder)}
            check_unchanged(taken.archives)
            return with_parents(found.values(), state.folders)

        archives = [entry for archive in taken.archives for entry in copying.fingerprint([archive])]
        inputs = ("files", copying.fingerprint(items), archives, sorted(state.folders.items()))
        return self._layering.known_as(inputs, make, task)

    def _source(self, state: StageState, instruction: Instruction, raw: str, task: str) -> str | Given:
        if document := next((d for d in instruction.heredocs if d.name == heredoc_name(raw)), None):
            text = state.values.fill(instruction, document.text) if document.expand else document.text
            folder = Path(tempfile.mkdtemp(dir=self._private))
            (folder / document.name).write_text(text, encoding="utf-8")
            return Given(document.name, folder / document.name)
        word = state.values.expand(instruction, raw)
        return self._fetched(state, instruction, word, task) if _is_url(word) else word

    def _app_source(self, state: StageState, instruction: Instruction, word: str, task: str) -> str | Given:
        if word.startswith(_LOCAL):
            return word.removeprefix(_LOCAL)
        if _is_url(word):
            return self._fetched(state, instruction, word, task)
        raise instruction.error(f"{word!r} has no scheme", hint=f"did you mean {_LOCAL}{word}?")

    def _fetched(self, state: StageState, instruction: Instruction, url: str, task: str) -> Given:
        if GIT.match(url):
            raise instruction.error("a git repository is not fetched", hint="clone it into the context, and COPY it")
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._sink(TaskProgress(task, done))

        checksum = state.values.expand(instruction, instruction.flag("checksum"))
        fetched = self._downloads.get(instruction, url, checksum=checksum, progress=progress)
        if not fetched.name:
            raise instruction.error(f"{url} ends with no file name", hint="RUN a program that fetches it")
        if not fetched.pinned:
            self.warnings.append(f"{instruction.where}: {url} is unpinned: its digest is kept in the lock alone")
        state.materials.append(Material(url, fetched.digest, fetched.pinned))
        return Given(fetched.name, fetched.path)


def cache_folder(root: Path, name: str) -> Path:
    """The folder of a cache mount, the same for every build."""
    folder = root / Digest.of(name.encode()).hex
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_url(word: str) -> bool:
    return bool(URL.match(word) or GIT.match(word))


def _chmod(state: StageState, instruction: Instruction) -> int | None:
    text = state.values.expand(instruction, instruction.flag("chmod"))
    if text and not _CHMOD.fullmatch(text):
        raise instruction.error(f"{text!r} is not a mode", hint="write it in octal, like --chmod=755")
    return int(text, 8) if text else None


def _unreadable(instruction: Instruction, error: OSError) -> ApplianceError:
    if error.errno == errno.ENOSPC:
        return ApplianceError(f"no room left to write {error.filename}", hint="free space there")
    hint = "look at its owner and mode"
    return instruction.error(f"cannot read {error.filename}: {error.strerror}", hint=hint)
