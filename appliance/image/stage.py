"""What a stage of a build has become so far: values, labels, apps, commands; and what it inherits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from appliance.image import copying
from appliance.image.values import Values
from appliance.recipe import apps, instructions
from appliance.recipe.apps import App, AppKind
from appliance.recipe.kubefile import NamedImage, check_apps, unknown_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.image.buildcache import LayerMade
    from appliance.image.layering import BuiltLayer
    from appliance.image.materials import Material
    from appliance.image.oci import ImageConfig, Platform
    from appliance.image.stages import Planned
    from appliance.recipe.instructions import Instruction

_AUTHORS = "org.opencontainers.image.authors"


class StageState:
    """One stage of one platform's build."""

    def __init__(self, planned: Planned, arguments: Mapping[str, str], platform: Platform, *, escape: str) -> None:
        self.planned = planned
        self.values = Values(platform, arguments, escape=escape, before=planned.before)
        self.labels: dict[str, str] = {}
        self.workdir = ""
        self.apps: dict[str, App] = {}
        self.launch: tuple[str, ...] = ()
        self.kube_version = ""
        self.images: list[NamedImage] = []
        self.ignored: list[str] = []
        self.materials: list[Material] = []
        self.made: list[LayerMade] = []
        self.layers: list[BuiltLayer] = []
        self.folders: dict[str, int] = {}
        self.warnings: list[str] = []
        self._inherited: tuple[str, ...] = ()
        self._cmd: list[Instruction] = []
        self._declared: dict[str, Instruction] = {}

    def inherit(self, config: ImageConfig) -> None:
        """Begin with what a base image is."""
        self.values.env |= config.env
        self.labels |= config.labels
        self.apps = {app.name: app for app in config.apps}
        self.launch = config.launch
        self.kube_version = config.kube_version
        self.materials += config.build.materials
        self._inherited = config.commands
        check_apps(self.planned.stage, self.apps)

    def grow_on(self, stage: StageState) -> None:
        """Begin with what another stage is."""
        self.values.env |= stage.values.env
        self.labels |= stage.labels
        self.workdir = stage.workdir
        self.apps = dict(stage.apps)
        self.launch = stage.launch
        self.kube_version = stage.kube_version
        self.images += stage.images
        self.ignored += stage.ignored
        self.materials += stage.materials
        self.warnings += stage.warnings
        self._inherited = stage.commands
        for made, layer in zip(stage.made, stage.layers, strict=True):
            self.add(made, layer)
        check_apps(self.planned.stage, self.apps)

    def add(self, made: LayerMade, layer: BuiltLayer) -> None:
        """One more layer."""
        self.made.append(made)
        self.layers.append(layer)
        for path in made.removed:
            self.folders = {f: m for f, m in self.folders.items() if f != path and not f.startswith(f"{path}/")}
        self.folders |= made.folders

    def add_app(self, instruction: Instruction, app: App) -> None:
        """An app whose files are in the image now; one of the base of that name is replaced."""
        self.apps[app.name] = app
        self._declared[app.name] = instruction

    def note(self, instruction: Instruction) -> bool:
        """Carry out an instruction that makes no layer; False for any other."""
        match instruction.keyword:
            case "ARG":
                self.values.declare(instruction)
            case "ENV":
                self.values.set(instruction)
            case "LABEL":
                self.labels |= self.values.assigned(instruction)
            case "MAINTAINER":
                self.labels[_AUTHORS] = instruction.text
            case "WORKDIR":
                self.workdir = copying.image_path(self.workdir, self.values.expand(instruction, instruction.text))
            case "IMAGE":
                words = (word for text in self.values.words(instruction) for word in text.split())
                self.images += [NamedImage(word, instruction.where) for word in words]
            case "CMD":
                self._cmd.append(instruction)
            case "CMDS" | "LAUNCH" | "APPCMDS" | "APPENV" | "KUBEVERSION":
                self._note_of_sealer(instruction)
            case word if word in instructions.UNUSED:
                self.ignored.append(instruction.written)
            case _:
                return False
        return True

    def _note_of_sealer(self, instruction: Instruction) -> None:
        match instruction.keyword:
            case "CMDS":
                self._cmd.append(instruction)
            case "LAUNCH":
                self.launch = tuple(self._app(instruction, name).name for name in self.values.words(instruction))
                self._inherited = ()
            case "APPCMDS":
                commands = tuple(self.values.for_site(line) for line in instructions.app_commands(instruction))
                app = self._app(instruction, instruction.text.split()[0])
                self.apps[app.name] = dataclasses.replace(app, commands=apps.shell_lines(commands))
            case "APPENV":
                app = self._app(instruction, instruction.text.split()[0])
                pairs = instructions.app_env(instruction, escape=self.values.escape)
                env = {**app.env, **self.values.pairs(instruction, pairs)}
                self.apps[app.name] = dataclasses.replace(app, env=env)
            case _:
                self.kube_version = self.values.expand(instruction, instruction.text)

    def _app(self, instruction: Instruction, written: str) -> App:
        name = self.values.expand(instruction, written)
        if name not in self.apps:
            raise unknown_app(instruction, name, self.apps)
        return self.apps[name]

    @property
    def commands(self) -> tuple[str, ...]:
        """What CMD and CMDS say. Sealer's shell form accumulates, on the base's, too; sealos's list stands alone.

        Whose dialect it is shows the last one.
        """
        if not self._cmd:
            return self._inherited
        lines = [tuple(map(self.values.for_site, _lines(instruction))) for instruction in self._cmd]
        if self._cmd[-1].words is not None:
            return lines[-1]
        return (*self._inherited, *(line for one in lines for line in one))

    def check(self) -> None:
        """`RecipeError` for an app that nobody could launch; a warning where commands of the base are lost."""
        for name, instruction in self._declared.items():
            app = self.apps[name]
            if app.kind is AppKind.OTHER and not app.commands:
                message = f"the app {name} is no chart, not all YAML, not all .sh, so it needs commands"
                raise instruction.error(message, hint=f'add APPCMDS {name} ["COMMAND", …]')
        if self.launch and self._cmd:
            self.warnings.append(
                f"{self._cmd[-1].where}: this replaces the base image's LAUNCH {' '.join(self.launch)}"
            )
        if self._inherited and self._cmd and self._cmd[-1].words is not None:
            lost = "; ".join(self._inherited)
            self.warnings.append(f"{self._cmd[-1].where}: this replaces the base image's commands: {lost}")


def _lines(instruction: Instruction) -> tuple[str, ...]:
    if instruction.words is None:
        return (instruction.text,)
    return instruction.words if instruction.keyword == "CMDS" else apps.shell_lines(instruction.words)
