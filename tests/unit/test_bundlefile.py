import pytest

from appliance.errors import RecipeError
from appliance.recipe import bundlefile
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.parameters import check_parameters, secret_parameters
from appliance.recipe.requirements import Level, Requirement, RequirementKind

HEAD = "apiVersion: appliance/v1\nkind: Bundle\nname: db\nversion: 1.2.3\n"
FULL = (
    HEAD
    + """\
epoch: 7
runtime: {type: systemd, version: "1"}
roles:
  db: {min: 1, max: 7, odd: true, description: a member}
  web:
order: [db, web]
requirements:
  - {cpu: 2, level: warn}
  - {memory: 1.5GiB}
  - {disk: {path: /var, free: 20GB}, roles: [db]}
  - {kernel: "4.19"}
  - {os: [debian-12]}
  - {ports: [1, 65535], roles: [all]}
  - {clockSkew: 2m}
  - {modules: [overlay, ip_tables|nf_tables]}
  - {cgroups: {version: 2, controllers: [memory]}}
  - {cgroups: {controllers: [pids]}, level: warn}
  - {fsync: {path: /var/lib/etcd, p99: 10ms}}
  - {bandwidth: 100Mbit}
  - {unique: [mac, product-uuid]}
  - {without: [swap, network-clash], level: warn}
parameters:
  type: object
  properties:
    size: {type: integer, default: 3, minimum: 1}
    ratio: {type: number}
    on: {type: boolean, default: false}
    words: {type: array, items: {type: string}}
    password: {type: string, writeOnly: true, minLength: 8}
  required: [password]
secrets:
  - {name: ca, kind: ca}
  - {name: leaf, kind: leaf, ca: ca, usages: [server], roles: [db], sans: [db.local]}
  - {name: token, kind: token, length: 32}
health:
  - {name: alive, command: test -e /run/x, timeout: 1.5s}
"""
)


def load(text: str) -> BundleSpec:
    return bundlefile.load(text, source="bundle.yaml")


def test_everything_that_stands_there_is_read() -> None:
    spec = load(FULL)
    assert (spec.name, spec.version, spec.epoch, spec.runtime, spec.runtime_version) == (
        "db",
        "1.2.3",
        7,
        "systemd",
        "1",
    )
    assert [(r.name, r.minimum, r.maximum, r.odd) for r in spec.roles] == [("db", 1, 7, True), ("web", 0, 0, False)]
    assert spec.requirements == (
        Requirement(RequirementKind.CPU, Level.WARN, amount=2),
        Requirement(RequirementKind.MEMORY, amount=3 << 29),
        Requirement(RequirementKind.DISK, roles=("db",), path="/var", amount=20_000_000_000),
        Requirement(RequirementKind.KERNEL, names=("4.19",)),
        Requirement(RequirementKind.OS, names=("debian-12",)),
        Requirement(RequirementKind.PORTS, roles=("all",), names=("1", "65535")),
        Requirement(RequirementKind.CLOCK_SKEW, amount=120),
        Requirement(RequirementKind.MODULES, names=("overlay", "ip_tables|nf_tables")),
        Requirement(RequirementKind.CGROUPS, amount=2, names=("memory",)),
        Requirement(RequirementKind.CGROUPS, Level.WARN, names=("pids",)),
        Requirement(RequirementKind.FSYNC, amount=10, path="/var/lib/etcd"),
        Requirement(RequirementKind.BANDWIDTH, amount=100_000_000),
        Requirement(RequirementKind.UNIQUE, names=("mac", "product-uuid")),
        Requirement(RequirementKind.WITHOUT, Level.WARN, names=("swap", "network-clash")),
    )
    assert spec.health[0].argv == ("/bin/sh", "-c", "test -e /run/x")
    assert spec.health[0].seconds == 1.5
    assert spec.secrets[1].ca == "ca"


def test_a_spec_reads_back_from_its_json() -> None:
    assert bundlefile.from_json(bundlefile.to_json(load(FULL))) == load(FULL)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"name":"x"}', b"1.5"])
def test_json_that_is_no_spec_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        bundlefile.from_json(data)


@pytest.mark.parametrize(
    ("text", "where", "words", "hint"),
    [
        ("name: x\n", ":1", "'apiVersion' is missing", "add apiVersion"),
        ("a: [", ":1", "not YAML", "indentation"),
        ("- 1\n", ":1", "expected fields", ""),
        ("", "", "one document", ""),
        (HEAD + "---\n" + HEAD, "", "one document", ""),
        (HEAD + "nmae: y\n", ":5", "nmae: there is no such field", "did you mean 'name'?"),
        (HEAD + "name: y\n", ":5", "name stands here twice", "keep one"),
        (HEAD.replace("1.2.3", "1.2"), ":4", "version: expected a text, not 1.2", "semantic version"),
        (HEAD.replace("1.2.3", "v1"), ":4", 'version: "v1" is not valid', "semantic version"),
        (HEAD.replace("appliance/v1", "v9"), ":1", 'apiVersion: "v9" is not valid', "appliance/v1"),
        (HEAD.replace("Bundle", "Bumdle"), ":2", 'kind: "Bumdle"', "did you mean 'Bundle'?"),
        (HEAD + "epoch: -1\n", ":5", "epoch: -1 is less", "never goes down"),
        (HEAD + "roles:\n  db: {odd: yes}\n", ":6", 'roles.db.odd: expected true or false, not "yes"', "true or false"),
        (HEAD + "roles: {db: {min: 3, max: 2}}\n", ":5", "max 2 is less than min 3", ""),
        (HEAD + "roles: {all: }\n", ":5", "role all is that of every host", "another"),
        (HEAD + "roles: {etcd: }\norder: [ectd]\n", ":6", "no role 'ectd'", "did you mean 'etcd'?"),
        (HEAD + "requirements:\n  - {cpu: 1, memory: 1}\n", ":6", "requirements[0]: a requirement is about one", "cpu"),
        (HEAD + "requirements:\n  - {memory: lots}\n", ":6", "'lots' is not a size", ""),
        (HEAD + "requirements:\n  - {ports: [0]}\n", ":6", "requirements[0].ports[0]: 0", "1 to 65535"),
        (HEAD + "requirements:\n  - {modules: [ovrlay]}\n", ":6", 'modules[0]: "ovrlay" is not valid', "overlay"),
        (HEAD + "requirements:\n  - {without: [swop]}\n", ":6", 'without[0]: "swop"', "did you mean 'swap'?"),
        (HEAD + "requirements:\n  - {unique: [ip]}\n", ":6", 'unique[0]: "ip"', "valid are: hostname, mac"),
        (HEAD + "requirements:\n  - {bandwidth: fast}\n", ":6", "bandwidth: 'fast' is not a rate", ""),
        (HEAD + "requirements:\n  - {fsync: {path: x, p99: 1ms}}\n", ":6", 'fsync.path: "x"', "absolute path"),
        (HEAD + "requirements:\n  - {cgroups: {}}\n", ":6", "cgroups", ""),
        (HEAD + "secrets:\n  - {name: x, kind: leaf, ca: y}\n", ":6", "no ca 'y'", "valid are: none"),
        (HEAD + "secrets:\n  - {name: x, kind: leaf}\n", ":6", "names its ca", "ca:"),
        (HEAD + "secrets:\n  - {name: x, kind: token, sans: [a]}\n", ":6", "only a leaf", ""),
        (HEAD + "secrets: [{name: x, kind: ca}, {name: x, kind: ca}]\n", ":5", "comes twice", ""),
        (HEAD + "backup: {}\n", ":5", "not supported yet", "leave"),
        (HEAD + "parameters: {type: strin}\n", ":5", "parameters: type", "JSON Schema"),
        (HEAD + "parameters: {type: array}\n", ":5", "of type object", ""),
        (HEAD + "parameters: {properties: {a: {type: integer, default: x}}}\n", ":5", "the default of a", ""),
        (HEAD + "parameters: {properties: {a: {$ref: 'http://x/y'}}}\n", ":5", "refers to 'http://x/y'", ""),
        (HEAD + "title: !!python/name:os.system x\n", ":5", "tag", ""),
        (HEAD + "title: &a x\nvendor: {<<: *a}\n", ":6", "merge keys", ""),
    ],
)
def test_mistakes_name_line_field_and_what_is_valid(text: str, where: str, words: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(text)
    assert caught.value.where == f"bundle.yaml{where}"
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
        ),
        "a: &a [*a]\n",
        "[" * 3000,
        "x" * (2 << 20),
    ],
)  # fmt: skip
def test_texts_that_grow_without_bound_are_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        load(text)


def test_texts_become_what_the_schema_says_and_defaults_are_filled_in() -> None:
    given = {"size": "12", "ratio": "0.5", "on": "yes", "words": '["a", "b"]', "password": "12345678"}
    assert check_parameters(load(FULL), given) == {
        "size": 12, "ratio": 0.5, "on": True, "words": ["a", "b"], "password": "12345678",
    }  # fmt: skip
    assert check_parameters(load(FULL), {"password": "12345678"}) == {"size": 3, "on": False, "password": "12345678"}


@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"sise": 1, "password": "12345678"}, "parameters.sise", "no such parameter"),
        ({"size": "0", "password": "12345678"}, "parameters.size", "0 is less than"),
        ({"size": "many", "password": "12345678"}, "parameters.size", "expected a whole number"),
        ({"on": "perhaps", "password": "12345678"}, "parameters.on", "expected true or false"),
        ({}, "parameters.password", "no value is given"),
    ],
)
def test_wrong_parameters_are_refused_by_name(given: dict[str, object], where: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_parameters(load(FULL), given)
    assert caught.value.where == where
    assert words in caught.value.message


def test_a_secret_parameter_is_known_and_never_repeated() -> None:
    assert secret_parameters(load(FULL)) == {"password"}
    with pytest.raises(RecipeError) as caught:
        check_parameters(load(FULL), {"password": "hunter2"})
    assert "hunter2" not in caught.value.message + caught.value.hint + caught.value.where
