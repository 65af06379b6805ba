"""Where files of an image's services/ go, which units run, what a unit is restarted by."""

from __future__ import annotations

import pytest
from support.sites import host, hosts, site

from appliance.errors import RecipeError
from appliance.plan.planner import candidate
from appliance.plan.runtime import TextFile
from appliance.plan.steps import PutText, SecretRef, Step
from appliance.recipe.bundlefile import BundleSpec, HealthCheck, RoleSpec, SecretSpec
from appliance.runtimes.systemd.runtime import SystemdRuntime

SERVICE = "[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=multi-user.target\n"
SECRETS = (SecretSpec("word", "password"), SecretSpec("ca", "ca"))


def steps(
    *texts: tuple[str, str] | TextFile, spec: BundleSpec | None = None, roles: tuple[str, ...] = ("db",)
) -> list[Step]:
    files = [text if isinstance(text, TextFile) else TextFile(*text) for text in texts]
    made = site((host("a", *roles),), spec=spec or BundleSpec("thing", "1.0.0", secrets=SECRETS), texts=files)
    return [step for stage in SystemdRuntime().install(made) for step in stage.steps]


def written(*texts: tuple[str, str] | TextFile, roles: tuple[str, ...] = ("db",)) -> dict[str, PutText]:
    return {step.action.path: step.action for step in steps(*texts, roles=roles) if isinstance(step.action, PutText)}


def named(found: list[Step], verb: str) -> list[str]:
    return [step.id.partition(":")[2] for step in found if step.id.startswith(f"a/{verb}:")]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("services/db/x.service", "/etc/systemd/system/x.service"),
        ("services/db/x.service.j2", "/etc/systemd/system/x.service"),
        ("services/db/x@.socket", "/etc/systemd/system/x@.socket"),
        ("services/db/srv-data.mount", "/etc/systemd/system/srv-data.mount"),
        ("services/db/x.service.d/limits.conf.j2", "/etc/systemd/system/x.service.d/limits.conf"),
        ("services/db/etc/db/db.conf", "/etc/db/db.conf"),
        ("services/db/etc/db/db.conf.j2", "/etc/db/db.conf"),
        ("services/all/etc/motd", "/etc/motd"),
    ],
)
def test_a_file_of_the_image_has_its_place_on_the_host(source: str, target: str) -> None:
    assert list(written((source, "x"))) == [target]


@pytest.mark.parametrize("source", ["services/web/x.service", "etc/x.conf", "manifests/x.yaml", "services/x.service"])
def test_files_for_others_stay_away(source: str) -> None:
    assert written((source, "x")) == {}


@pytest.mark.parametrize(
    "source",
    [
        "services/db/notes.txt",
        "services/db/usr/bin/x",
        "services/db/x.conf",
        "services/db/a/x.service",
        "services/db/etc",
    ],
)
def test_a_file_out_of_place_is_refused(source: str) -> None:
    with pytest.raises(RecipeError, match="neither a unit nor a file below etc/") as caught:
        written((source, "x"))
    assert caught.value.where == source


def test_a_folder_of_a_role_that_there_is_not_is_refused() -> None:
    spec = BundleSpec("thing", "1.0.0", roles=(RoleSpec("db"),))
    with pytest.raises(RecipeError, match="there is no role 'bd'") as caught:
        steps(("services/bd/x.service", SERVICE), spec=spec)
    assert caught.value.where == "services/bd/x.service"


@pytest.mark.parametrize(
    ("name", "text", "mode", "expected"),
    [
        ("x.sh", "x", 0o755, 0o755),
        ("x.sh.j2", "{{ host.name }}", 0o750, 0o750),
        ("x.key.j2", "{{ secret('word') }}", 0o644, 0o600),
        ("x.key.j2", "{{ secret('word') }}", 0o444, 0o400),
        ("x.sh", "x", 0o4755, 0o755),
    ],
)
def test_a_mode_is_the_layer_s_and_narrow_for_secrets(name: str, text: str, mode: int, expected: int) -> None:
    (file,) = written(TextFile(f"services/db/etc/{name}", text, mode)).values()
    assert file.mode == expected


@pytest.mark.parametrize("name", ["x.service.j2", "x.service.d/y.conf.j2"])
def test_a_secret_cannot_stand_in_a_unit_where_everybody_reads_it(name: str) -> None:
    with pytest.raises(RecipeError, match="stands in a unit") as refused:
        written((f"services/db/{name}", "[Service]\nExecStart=/bin/x {{ secret('word') }}\n"))
    assert "LoadCredential=" in refused.value.hint


def test_a_role_s_file_goes_before_one_for_all() -> None:
    found = written(("services/all/etc/x", "all"), ("services/db/etc/x", "db"))
    assert found["/etc/x"].parts == ("db",)


def test_roles_of_one_host_must_agree() -> None:
    texts = (("services/db/etc/x", "one"), ("services/web/etc/x", "other"))
    with pytest.raises(RecipeError, match="writes the same file /etc/x"):
        written(*texts, roles=("db", "web"))
    assert written(*texts, roles=("web",))["/etc/x"].parts == ("other",)
    same = (("services/db/etc/x", "one"), ("services/web/etc/x", "one"))
    assert written(*same, roles=("db", "web"))["/etc/x"].parts == ("one",)


def test_a_file_and_its_template_are_two_for_one_place() -> None:
    with pytest.raises(RecipeError, match="writes the same file /etc/x"):
        written(("services/db/etc/x", "x"), ("services/db/etc/x.j2", "x"))


@pytest.mark.parametrize(
    ("name", "text", "starts"),
    [
        ("x.service", SERVICE, True),
        ("x.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n", True),
        ("x.service", "[Service]\nExecStart=/bin/x\n", False),
        ("x.service", "[Service]\nExecStart=/bin/x\n# [Install]\n#WantedBy=x\n", False),
        ("x@.service", SERVICE, False),
        ("x.service", SERVICE.replace("[Install]", "Type=oneshot\nRemainAfterExit=yes\n[Install]"), True),
    ],
)
def test_units_that_can_be_installed_are_enabled_and_started(name: str, text: str, starts: bool) -> None:
    found = steps((f"services/db/{name}", text))
    assert named(found, "enable") == named(found, "start") == named(found, "active") == ([name] if starts else [])


def test_a_oneshot_that_does_not_remain_is_refused() -> None:
    with pytest.raises(RecipeError, match="nobody can ask whether it has run") as caught:
        steps(("services/db/x.service", SERVICE.replace("[Install]", "Type=oneshot\n[Install]")))
    assert caught.value.where == "services/db/x.service"


def test_a_drop_in_can_settle_a_oneshot() -> None:
    found = steps(
        ("services/db/x.service", SERVICE.replace("[Install]", "Type=oneshot\n[Install]")),
        ("services/db/x.service.d/stay.conf", "[Service]\nRemainAfterExit=yes\n"),
    )
    assert named(found, "start") == ["x.service"]


def restarted_by(found: list[Step], unit: str) -> set[str]:
    start = next(step for step in found if step.id == f"a/start:{unit}")
    return {name.removeprefix("a/write:").removeprefix("/etc/").removeprefix("a/") for name in start.after}


def test_a_unit_is_restarted_by_what_it_names_and_what_nobody_names() -> None:
    found = steps(
        ("services/db/x.service", SERVICE + "# /etc/x.conf"),
        ("services/db/x.service.d/more.conf", "[Service]\nEnvironmentFile=/etc/more.env\n"),
        ("services/db/y.service", SERVICE),
        ("services/db/etc/x.conf", "include /etc/x.d/deep.conf"),
        ("services/db/etc/x.d/deep.conf", "deep"),
        ("services/db/etc/more.env", "A=1"),
        ("services/db/etc/stray", "stray"),
    )
    system = {"systemd/system/x.service", "systemd/system/x.service.d/more.conf"}
    assert restarted_by(found, "x.service") == system | {"x.conf", "x.d/deep.conf", "more.env", "stray"}
    assert restarted_by(found, "y.service") == {"systemd/system/y.service", "stray"}


def test_a_unit_that_runs_programs_of_the_image_follows_them() -> None:
    found = steps(
        ("services/db/x.service.j2", SERVICE + "# {{ programs }}"),
        ("services/db/y.service", SERVICE),
    )
    assert "unpack" in restarted_by(found, "x.service")
    assert "unpack" not in restarted_by(found, "y.service")


def test_a_unit_does_not_wait_for_files_of_a_later_role() -> None:
    spec = BundleSpec("thing", "1.0.0", order=("db", "web"), roles=(RoleSpec("db"), RoleSpec("web")))
    found = steps(
        ("services/db/x.service", SERVICE + "# /etc/late.conf /etc/early.conf"),
        ("services/all/etc/early.conf", "early"),
        ("services/web/etc/late.conf", "late"),
        spec=spec,
        roles=("web", "db"),
    )
    assert restarted_by(found, "x.service") == {"systemd/system/x.service", "early.conf"}


def titles(spec: BundleSpec, *texts: str) -> list[str]:
    made = site(hosts(2, "db", "web"), spec=spec, texts=[TextFile(text, SERVICE) for text in texts])
    return [stage.title for stage in candidate(made, SystemdRuntime())[3:]]


def test_roles_go_in_their_order_and_all_first() -> None:
    texts = ("services/all/a.service", "services/db/d.service", "services/web/w.service")
    roles = (RoleSpec("db"), RoleSpec("web"))
    starts = ["Start services of all hosts", "Start services of db", "Start services of web"]
    named = BundleSpec("thing", "1.0.0", roles=roles)
    assert [title for title in titles(named, *texts) if title.startswith("Start")] == starts
    ordered = BundleSpec("thing", "1.0.0", roles=roles, order=("web", "db"))
    assert [title for title in titles(ordered, *texts) if title.startswith("Start")] == [
        starts[0],
        starts[2],
        starts[1],
    ]


def test_a_check_comes_after_the_last_of_its_roles() -> None:
    health = (
        HealthCheck("both", ("true",), roles=("db", "web")),
        HealthCheck("one", ("true",), roles=("db",)),
        HealthCheck("every", ("true",)),
    )
    spec = BundleSpec("thing", "1.0.0", roles=(RoleSpec("db"), RoleSpec("web")), health=health)
    found = titles(spec, "services/db/d.service", "services/web/w.service")
    assert [title for title in found if title.startswith(("Check", "Start"))] == [
        "Start services of db",
        "Check db",
        "Start services of web",
        "Check web",
        "Check the cluster",
    ]


def test_a_check_s_arguments_are_rendered_and_hold_no_secret() -> None:
    def check(text: str) -> Step:
        spec = BundleSpec("thing", "1.0.0", secrets=SECRETS, health=(HealthCheck("up", ("ping", text)),))
        return steps(spec=spec)[-1]

    assert check("{{ host.address }}").action.command.argv == ("ping", "10.0.0.11")  # type: ignore[union-attr]
    with pytest.raises(RecipeError, match="cannot be an argument"):
        check("{{ secret('word') }}")


def test_a_secret_in_a_file_is_a_reference() -> None:
    found = written(("services/db/etc/x.j2", "a={{ secret('word') }}\nca={{ public('ca.crt') }}"))
    assert found["/etc/x"].parts == ("a=", SecretRef("word"), "\nca=‹public ca›\n")


def test_the_receipt_lists_units_as_they_start_and_the_folders_of_their_state() -> None:
    texts = [
        TextFile("services/all/a.timer", "[Timer]\n[Install]\nWantedBy=timers.target\n"),
        TextFile("services/all/a.service", "[Service]\nStateDirectory=a b/c\nCacheDirectory=a\nLogsDirectory=%N\n"),
        TextFile(
            "services/db/d.service", SERVICE.replace("[Install]", "DynamicUser=yes\nStateDirectory=d:e\n[Install]")
        ),
    ]
    made = site((host("a", "db"),), texts=texts)
    receipt = SystemdRuntime().receipt(made, made.hosts[0])
    assert receipt.units == ("a.service", "a.timer", "d.service")
    assert set(receipt.trees) == {
        "/var/lib/a",
        "/var/lib/b/c",
        "/var/cache/a",
        "/var/lib/d",
        "/var/lib/private/d",
        "/var/lib/e",
        "/var/lib/private/e",
    }
