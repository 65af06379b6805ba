"""`bundle.yaml`: what a bundle is called, how it runs, what it asks of hosts. YAML in, `BundleSpec` out."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.errors import RecipeError
from appliance.recipe import parameters, requirements, schema
from appliance.recipe.quantities import parse_duration
from appliance.recipe.yamltext import load_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.recipe.requirements import Requirement
    from appliance.recipe.yamltext import Document, FieldPath

_SPEC_BYTES = 1 << 20
_API_VERSION = re.compile(r"^apiVersion:[ \t]*['\"]?(\S+)", re.MULTILINE)
_EVERY_HOST = "all"
APP = "App"
"""The kind of a bundle that is added to a cluster that is there; any other makes one."""
_APP_RUNTIME = "kubernetes"
_NOT_OF_APPS = ("roles", "order", "health", "secrets", "backup")


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role that hosts can have; `maximum` 0 means any number. `odd` warns of an even number of hosts."""

    name: str
    minimum: int = 0
    maximum: int = 0
    odd: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that the templates use: `kind` is token, password, ca, leaf or ssh-key.

    A leaf names its `ca`, its `usages` (server, client) and the `roles` whose hosts get one each, for their name and
    addresses plus `sans`; without roles there is one for the cluster.
    """

    name: str
    kind: str
    ca: str = ""
    usages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    length: int = 0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A command that says by its status 0 that hosts of `roles` are well; given up after `seconds`.

    `argv` may hold template expressions, rendered per host.
    """

    name: str
    argv: tuple[str, ...]
    roles: tuple[str, ...] = ()
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class BundleSpec:
    """All that `bundle.yaml` says. `parameters` is a JSON Schema object as JSON text; `kind` is Bundle or `APP`.

    `replaces` names the product whose cluster it may take over.
    """

    name: str
    version: str
    epoch: int = 0
    replaces: str = ""
    title: str = ""
    description: str = ""
    vendor: str = ""
    license: str = ""
    runtime: str = "systemd"
    runtime_version: str = ""
    roles: tuple[RoleSpec, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    parameters: str = "{}"
    secrets: tuple[SecretSpec, ...] = ()
    health: tuple[HealthCheck, ...] = ()
    order: tuple[str, ...] = field(default=())
    minimum_installer: str = ""
    upgrades_from: str = ""
    kind: str = "Bundle"


def is_ours(text: str) -> bool:
    """Whether a file that is called bundle.yaml means to be one: manifests of Kubernetes are called so, too."""
    versions = _API_VERSION.findall(text)
    return not versions or any(version.startswith("appliance/") for version in versions)


def load(text: str, *, source: str) -> BundleSpec:
    """Read a bundle.yaml; `source` names it in errors. `RecipeError` with line, field path and what would be valid."""
    documents = load_documents(text, source=source)
    if len(documents) != 1:
        raise RecipeError(f"a bundle.yaml is one document, this has {len(documents)}", where=source)
    document = documents[0]
    schema.validate(document, "bundle")
    if document.value["kind"] == APP and (unused := [name for name in _NOT_OF_APPS if name in document.value]):
        hint = "it is put onto a cluster that is there, whose bundle has them"
        raise document.error((unused[0],), f"a bundle of kind {APP} has no {unused[0]}", hint=hint)
    if "backup" in document.value:
        raise document.error(("backup",), "backups are not supported yet", hint="leave the field out")
    spec = _spec(document)
    _check_names(document, spec)
    fault = parameters.schema_fault(spec.parameters)
    if fault:
        hint = "write a JSON Schema object (draft 2020-12); a secret (writeOnly) has no value in it"
        raise document.error(("parameters",), fault, hint=hint)
    return spec


def to_json(spec: BundleSpec) -> bytes:
    """The spec as canonical JSON, as it stands in an image's config."""
    fields = dataclasses.asdict(spec)
    for check in fields["health"]:
        check["milliseconds"] = round(check.pop("seconds") * 1000)
    return canonical.dumps(fields)


def from_json(data: bytes) -> BundleSpec:
    """Read what `to_json` wrote; `ValueError` for anything else."""
    try:
        fields = canonical.loads(data, limit=_SPEC_BYTES)
        known = {f.name for f in dataclasses.fields(BundleSpec)}
        fields = {name: value for name, value in fields.items() if name in known}
        fields["roles"] = tuple(RoleSpec(**role) for role in fields["roles"])
        fields["requirements"] = tuple(requirements.from_fields(item) for item in fields["requirements"])
        fields["secrets"] = tuple(SecretSpec(**_tuples(item)) for item in fields["secrets"])
        fields["health"] = tuple(_health_from_json(item) for item in fields["health"])
        return BundleSpec(**_tuples(fields))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a bundle's description: {error}") from error


def _health_from_json(item: Mapping[str, Any]) -> HealthCheck:
    fields = _tuples({**item, "seconds": item["milliseconds"] / 1000})
    return HealthCheck(**{name: value for name, value in fields.items() if name != "milliseconds"})


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _spec(document: Document) -> BundleSpec:
    value = document.value
    runtime = value.get("runtime", _APP_RUNTIME if value["kind"] == APP else "systemd")
    runtime = {"type": runtime} if isinstance(runtime, str) else runtime
    return BundleSpec(
        name=value["name"],
        version=value["version"],
        epoch=value.get("epoch", 0),
        replaces=value.get("replaces", ""),
        title=value.get("title", ""),
        description=value.get("description", ""),
        vendor=value.get("vendor", ""),
        license=value.get("license", ""),
        runtime=runtime["type"],
        runtime_version=runtime.get("version", ""),
        roles=tuple(_role(document, name, role or {}) for name, role in value.get("roles", {}).items()),
        requirements=tuple(
            requirements.read(document, n, item) for n, item in enumerate(value.get("requirements", ()))
        ),
        parameters=json.dumps(value.get("parameters", {}), ensure_ascii=False),
        secrets=tuple(SecretSpec(**_tuples(item)) for item in value.get("secrets", ())),
        health=tuple(_health(document, n, item) for n, item in enumerate(value.get("health", ()))),
        order=tuple(value.get("order", ())),
        minimum_installer=value.get("minimumInstaller", ""),
        upgrades_from=value.get("upgradesFrom", ""),
        kind=value["kind"],
    )


def _role(document: Document, name: str, role: Mapping[str, Any]) -> RoleSpec:
    if name == _EVERY_HOST:
        raise document.error(("roles", name), f"the role {name} is that of every host already", hint="name another")
    spec = RoleSpec(name, role.get("min", 0), role.get("max", 0), role.get("odd", False), role.get("description", ""))
    if spec.maximum and spec.maximum < spec.minimum:
        raise document.error(("roles", name, "max"), f"max {spec.maximum} is less than min {spec.minimum}")
    return spec


def _health(document: Document, number: int, item: Mapping[str, Any]) -> HealthCheck:
    command = item["command"]
    argv = ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command)
    try:
        seconds = parse_duration(item.get("timeout", 120))
    except ValueError as error:
        raise document.error(("health", number, "timeout"), str(error)) from error
    return HealthCheck(item["name"], argv, tuple(item.get("roles", ())), seconds)


def _check_names(document: Document, spec: BundleSpec) -> None:
    """Every name that is used is one that is declared, once."""
    _check_unique(document, "secrets", [secret.name for secret in spec.secrets])
    _check_unique(document, "health", [check.name for check in spec.health])
    roles = [role.name for role in spec.roles]
    _check_known(document, ("order",), spec.order, roles)
    users = {
        "requirements": [requirement.roles for requirement in spec.requirements],
        "secrets": [secret.roles for secret in spec.secrets],
        "health": [check.roles for check in spec.health],
    }
    for field_, named in users.items():
        for number, used in enumerate(named):
            _check_known(document, (field_, number, "roles"), used, [*roles, _EVERY_HOST])
    authorities = [secret.name for secret in spec.secrets if secret.kind == "ca"]
    for number, secret in enumerate(spec.secrets):
        _check_leaf(document, ("secrets", number), secret, authorities)


def _check_unique(document: Document, field_: str, names: list[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise document.error((field_, number, "name"), f"the name {name!r} comes twice")


def _check_leaf(document: Document, path: FieldPath, secret: SecretSpec, authorities: list[str]) -> None:
    if secret.kind != "leaf":
        if secret.ca or secret.usages or secret.roles or secret.sans:
            raise document.error(path, f"only a leaf has ca, usages, roles and sans; this is a {secret.kind}")
    elif not secret.ca:
        raise document.error(path, "a leaf names its ca", hint="add ca: …")
    else:
        _check_known(document, (*path, "ca"), (secret.ca,), authorities, what="ca")


def _check_known(
    document: Document, path: FieldPath, used: Iterable[str], known: list[str], *, what: str = "role"
) -> None:
    for name in used:
        if name not in known:
            raise document.error(path, f"there is no {what} {name!r}", hint=schema.suggestion(name, known))
