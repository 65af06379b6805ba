"""``--set`` and ``--set-file``: values of a bundle's parameters, as the command line gives them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from appliance.cli import prompts
from appliance.errors import RecipeError
from appliance.recipe.parameters import secret_parameters
from appliance.recipe.siteapps import SiteApp, with_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.clusterfile import Cluster

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by name: those given as arguments, which everybody on this machine may see; and files that hold some.

    Files are read when they are needed: what comes on stdin comes after the passwords.
    """

    arguments: Mapping[str, str]
    files: Mapping[str, str]

    def over(self, cluster: Cluster, spec: BundleSpec) -> Cluster:
        """`cluster` with these values. Raises `RecipeError` for a secret among the arguments and an unreadable file."""
        return replace(cluster, parameters={**cluster.parameters, **self._read(spec)})

    def over_app(self, cluster: Cluster, spec: BundleSpec) -> Cluster:
        """`cluster` with these values for the application that `spec` describes; raises as `over`."""
        there = next((app for app in cluster.apps if app.name == spec.name), SiteApp(f"{spec.name}:{spec.version}"))
        app = replace(there, parameters={**there.parameters, **self._read(spec)})
        return replace(cluster, apps=with_app(cluster.apps, app))

    def _read(self, spec: BundleSpec) -> dict[str, str]:
        if told := sorted(secret_parameters(spec) & self.arguments.keys()):
            raise RecipeError(
                f"{told[0]} is a secret, and arguments can be read by everybody on this machine",
                where=f"--set {told[0]}",
                hint=f"write it to a file and give --set-file {told[0]}=FILE (- is stdin)",
            )
        read = {name: prompts.text_of(file) for name, file in self.files.items()}
        return {**self.arguments, **read}


def settings_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command ``--set`` and ``--set-file``; it gets them as one `Settings` named ``settings``."""

    @click.option("--set", "set_words", multiple=True, metavar="NAME=VALUE", help="set a parameter; repeatable")
    @click.option(
        "--set-file",
        "file_words",
        multiple=True,
        metavar="NAME=FILE",
        help="set a parameter to what FILE holds (- is stdin), as for secrets; repeatable",
    )
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        words: tuple[str, ...] = kwargs.pop("set_words")  # type: ignore[assignment]  # click gives what the option says
        file_words: tuple[str, ...] = kwargs.pop("file_words")  # type: ignore[assignment]  # as above
        kwargs["settings"] = Settings(_pairs(words, "--set", "VALUE"), _pairs(file_words, "--set-file", "FILE"))
        return command(*args, **kwargs)

    return wrapper


def _pairs(words: tuple[str, ...], option: str, what: str) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or not name:
            raise click.UsageError(f"{option} {name}: write NAME={what}")
        pairs[name] = value
    return pairs
