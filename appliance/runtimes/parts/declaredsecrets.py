"""The secrets that ``bundle.yaml`` declares: what must be made for a site, and what a host's templates mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import PlanError, RecipeError
from appliance.plan.runtime import Authority, Leaf, Password, SshKey, Token
from appliance.trust.issue import Usage

if TYPE_CHECKING:
    from appliance.plan.runtime import SecretRequest, Site, SiteHost
    from appliance.recipe.bundlefile import SecretSpec

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SECRET_PART = {"token": "", "password": "", "ca": ".key", "leaf": ".key", "ssh-key": ""}
_PUBLIC_PART = {"ca": ".crt", "leaf": ".crt", "ssh-key": ".pub"}


def requests(site: Site) -> tuple[SecretRequest, ...]:
    """What must be made: authorities first, then the rest as declared; leaves with roles once a host."""
    specs = sorted(site.config.spec.secrets, key=lambda spec: spec.kind != "ca")
    return tuple(request for spec in specs for request in _requests(site, spec))


def _requests(site: Site, spec: SecretSpec) -> tuple[SecretRequest, ...]:
    match spec.kind:
        case "token":
            return (Token(spec.name, spec.length) if spec.length else Token(spec.name),)
        case "password":
            return (Password(spec.name, spec.length) if spec.length else Password(spec.name),)
        case "ca":
            return (Authority(spec.name),)
        case "ssh-key":
            return (SshKey(spec.name),)
        case "leaf" if spec.roles:
            return tuple(_host_leaf(spec, host) for host in site.hosts if _has(host, spec))
        case "leaf":
            return (Leaf(spec.name, spec.ca, spec.name, spec.sans, _usages(spec)),)
        case kind:
            raise RecipeError(f"a secret of unknown kind {kind!r}", where=f"bundle.yaml: secrets: {spec.name}")


def _host_leaf(spec: SecretSpec, host: SiteHost) -> Leaf:
    names = dict.fromkeys((host.host.address, host.name, *_LOOPBACK, *spec.sans))
    return Leaf(_of_host(spec, host), spec.ca, host.name, tuple(names), _usages(spec))


def _usages(spec: SecretSpec) -> frozenset[Usage]:
    return frozenset(Usage(usage) for usage in spec.usages)


def _has(host: SiteHost, spec: SecretSpec) -> bool:
    return "all" in spec.roles or not set(spec.roles).isdisjoint(host.host.roles)


def _of_host(spec: SecretSpec, host: SiteHost) -> str:
    return f"{spec.name}@{host.name}"


@dataclass(frozen=True, slots=True)
class HostSecrets:
    """Secrets by the names that a host's templates use."""

    site: Site
    host: SiteHost

    def secret(self, name: str) -> str:
        """The secret's name in the vault. `RecipeError` when there is no such secret, or none for this host."""
        found = self._find(name, _SECRET_PART)
        if found is None and name not in self.site.secrets:
            raise self._unknown("secret", name, _SECRET_PART)
        return found or name

    def public(self, name: str) -> str:
        """The text of a public part. As `secret`; `PlanError` when it was not issued before the plan was made."""
        found = self._find(name, _PUBLIC_PART)
        if found is None:
            raise self._unknown("public part", name, _PUBLIC_PART)
        if found not in self.site.public:
            raise PlanError(f"{found} was not issued before the plan was made")
        return self.site.public[found]

    def _find(self, name: str, parts: dict[str, str]) -> str | None:
        for spec in self.site.config.spec.secrets:
            if spec.kind in parts and name == spec.name + parts[spec.kind]:
                return self._name(spec) + parts[spec.kind]
        return None

    def _name(self, spec: SecretSpec) -> str:
        if not spec.roles:
            return spec.name
        if not _has(self.host, spec):
            raise RecipeError(
                f"{spec.name} is not for host {self.host.name}, which has none of the roles {', '.join(spec.roles)}",
                hint="add the role to the secret's roles in bundle.yaml, or move the file to the folder of such a role",
            )
        return _of_host(spec, self.host)

    def _unknown(self, what: str, name: str, parts: dict[str, str]) -> RecipeError:
        known = [spec.name + parts[spec.kind] for spec in self.site.config.spec.secrets if spec.kind in parts]
        return RecipeError(
            f"there is no {what} {name!r}",
            hint=f"bundle.yaml declares {', '.join(known)}" if known else "declare it in bundle.yaml under secrets",
        )
