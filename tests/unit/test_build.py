"""Images built of real folders, with real RUNs."""

import io
import os
import socket
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from support.building import NAME, Bench

from appliance.errors import ApplianceError, RecipeError
from appliance.events import Outcome, TaskFinished, TaskProgress, TaskStarted
from appliance.files import lock
from appliance.image import layers, trees
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.operations.build import BuildReport, BuildRequest, build_image, host_platform, inspect, list_images


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


COPIES = {
    "a file to a path": ("COPY a b", {"b": "1"}),
    "a file into a folder": ("COPY a d/", {"d": "/", "d/a": "1"}),
    "a file into a folder that is there": ("COPY sub/x e/\nCOPY a e", {"e": "/", "e/x": "2", "e/a": "1"}),
    "a file to the root": ("COPY a .", {"a": "1"}),
    "a file to an absolute path": ("COPY a /opt/b", {"opt": "/", "opt/b": "1"}),
    "what a folder holds": ("COPY sub .", {"x": "2", "y.conf": "3"}),
    "a folder by its name": ("COPY sub/ dst", {"dst": "/", "dst/x": "2", "dst/y.conf": "3"}),
    "several sources": ("COPY a sub/x d/", {"d": "/", "d/a": "1", "d/x": "2"}),
    "a glob": ("COPY sub/*.conf d/", {"d": "/", "d/y.conf": "3"}),
    "a leading slash": ("COPY /a b", {"b": "1"}),
    "the JSON form": ('COPY ["a", "with space"]', {"with space": "1"}),
    "below WORKDIR": ("WORKDIR /w\nWORKDIR v\nCOPY a .", {"w": "/", "w/v": "/", "w/v/a": "1"}),
    "never above the root": ("COPY a ../../b", {"b": "1"}),
    "values": ("ARG N=a\nENV D=dir\nCOPY $N ${D}/$TARGETARCH.${NONE:-z}", {"dir": "/", "dir/amd64.z": "1"}),
}  # fmt: skip


@pytest.mark.parametrize(("kubefile", "expected"), COPIES.values(), ids=COPIES.keys())
def test_copy_puts_sources_where_docker_does(bench: Bench, kubefile: str, expected: dict[str, str]) -> None:
    bench.write("a", "1")
    bench.write("sub/x", "2")
    bench.write("sub/y.conf", "3")
    bench.build(f"FROM scratch\n{kubefile}", platforms=(Platform("linux", "amd64"),))
    assert bench.tree() == expected


def test_chmod_sets_the_mode_of_files(bench: Bench) -> None:
    bench.write("a", mode=0o600)
    bench.write("program", mode=0o700)
    bench.build("FROM scratch\nCOPY --chmod=750 a b\nCOPY a c\nCOPY --chmod=600 program d\nCOPY program e")
    bench.tree()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (bench.root / "tree").iterdir()}
    assert modes == {"b": 0o750, "c": 0o644, "d": 0o600, "e": 0o755}


def test_links_inside_folders_stay_links_and_named_ones_are_followed(bench: Bench) -> None:
    bench.write("d/file", "1")
    (bench.context / "d/link").symlink_to("file")
    bench.build("FROM scratch\nCOPY d d\nCOPY d/link copied")
    assert bench.tree() == {"d": "/", "d/file": "1", "d/link": "-> file", "copied": "1"}


def test_dockerignore_leaves_files_out(bench: Bench) -> None:
    bench.write(".dockerignore", "Kubefile\n.dockerignore\n**/*.log\nold\n!old/keep\n")
    for path in ("a", "x.log", "d/y.log", "old/z", "old/keep"):
        bench.write(path, "")
    bench.build("FROM scratch\nCOPY . .")
    assert bench.tree() == {"a": "", "d": "/", "old": "/", "old/keep": ""}


def _tar(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("./bin/tool")
        info.size, info.mode = 4, 0o755
        tar.addfile(info, io.BytesIO(b"tool"))
    return out.getvalue()


@pytest.mark.parametrize(
    "make", [lambda m=m: _tar(m) for m in ("w", "w:gz", "w:bz2", "w:xz")] + [lambda: zstd.compress(_tar("w"))]
)
def test_add_unpacks_local_archives(bench: Bench, make: Callable[[], bytes]) -> None:
    bench.write("archive", make())
    bench.write("plain.gz", b"no tar")
    bench.build("FROM scratch\nADD archive opt\nADD plain.gz opt/")
    assert bench.tree() == {"opt": "/", "opt/bin": "/", "opt/bin/tool": "tool", "opt/plain.gz": "no tar"}


@pytest.mark.parametrize(
    ("kubefile", "line", "words"),
    [
        ("COPY none b", 2, "there is no 'none' in the context, in 'COPY none b'"),
        ("COPY *.none b/", 2, "there is no '*.none'"),
        ("COPY ../secret b", 2, "outside the context"),
        ("COPY a/../../secret b", 2, "outside the context"),
        ("COPY out b", 2, "leads outside the context"),
        ("COPY dangling b", 2, "link to nothing"),
        ("COPY a sub b", 2, "several sources need a folder"),
        ("COPY leaving d", 2, "leads out of the image"),
        ("COPY white d", 2, "means a removed file"),
        ("COPY pipes d", 2, "device, socket or pipe"),
        ("COPY --chmod=rwx a b", 2, "not a mode"),
        ("COPY 'a b", 2, "without its other"),
        ("COPY ignored b", 2, "there is no 'ignored'"),
        ("ADD broken.tgz b", 2, "damaged"),
        ("ENV A", 2, "has no value"),
        ("ENV 1A=b", 2, "'1A' cannot be a name"),
        ("ARG =b", 2, "'' cannot be a name"),
        ("COPY big services/", 2, "services/big has 1048577 bytes"),
        ("COPY big etc/big.j2", 2, "etc/big.j2 has 1048577 bytes"),
        ("COPY deep d", 2, "lies deeper than 200 folders"),
        ("RUN mkdir -p $(printf 'a/%.0s' $(seq 250))", 2, "lies deeper than 200 folders"),
        ("LABEL a=1 b", 2, "not NAME=VALUE"),
        ("RUN --network=bridge true", 2, "no network 'bridge'"),
        ("RUN echo why >&2; exit 3", 2, "ended with status 3: why"),
        ("RUN mkfifo pipe", 2, "device, socket or pipe"),
        ("RUN ln -s /etc/passwd x", 2, "leads out of the image"),
        ("COPY --from=x:1 a b", 2, "no image x:1 in the store"),
        ("COPY --from=3 a b", 2, "there is no stage 3 before this one"),
        ("COPY https://x/y.git b", 2, "a git repository is not fetched"),
        ("ADD --checksum=sha256:00 https://localhost/y b", 2, "'sha256:00' is not a checksum"),
        ("ADD --checksum=sha256:00 a b", 2, "--checksum is for a URL"),
        ("FROM --platform=linux/arm64 scratch", 2, "this FROM is for linux/arm64, the build for linux/amd64"),
        ("RUN --mount=type=secret,target=/x true", 2, "type=secret is not given to a RUN"),
        ("RUN --mount=type=disk,target=/x true", 2, "no mount of type 'disk'"),
        ("RUN --mount=type=cache true", 2, "a mount needs a target"),
        ("RUN --mount=type=cache,target=/etc/none/such true", 2, "nothing can be mounted at /etc/none/such"),
        ("RUN --mount=source=nothing,target=x true", 2, "there is no 'nothing' in the context"),
        ("RUN --security=insecure true", 2, "always contained"),
    ],
)
def test_what_cannot_be_done_is_refused_at_its_line(bench: Bench, kubefile: str, line: int, words: str) -> None:
    bench.write("a")
    bench.write("sub/x")
    bench.write("../secret")
    bench.write(".dockerignore", "ignored")
    bench.write("ignored")
    bench.write("big", bytes((1 << 20) + 1))
    bench.write("white/.wh.x")
    whole = _tar("w:gz")
    bench.write("broken.tgz", whole[: len(whole) - 20] + bytes(12))
    (bench.context / "out").symlink_to("../secret")
    (bench.context / "dangling").symlink_to("nothing")
    (bench.context / "leaving").mkdir()
    (bench.context / "leaving/link").symlink_to("/etc/passwd")
    (bench.context / "pipes").mkdir()
    os.mkfifo(bench.context / "pipes/p")
    (bench.context / "deep" / "/".join("a" * 250)).mkdir(parents=True)
    with pytest.raises(RecipeError) as caught:
        bench.build(f"FROM scratch\n{kubefile}\n")
    assert caught.value.where == f"{bench.context}/Kubefile:{line}"
    assert words in caught.value.message
    assert caught.value.hint
    assert list_images(bench.store.root) == ()


def test_run_adds_changes_and_removes(bench: Bench) -> None:
    bench.write("d/gone", "1")
    bench.write("d/same", "2")
    bench.write("d/changed", "3")
    bench.write("folder/deep/x", "4")
    report = bench.build(
        "FROM scratch\nCOPY d d\nCOPY folder folder\n"
        "RUN rm d/gone && echo -n 33 > d/changed && touch d/same && \\\n"
        "  rm -r folder && echo -n f > folder && mkdir -p new/er"
    )
    assert bench.tree() == {"d": "/", "d/changed": "33", "d/same": "2", "folder": "f", "new": "/", "new/er": "/"}
    (rootfs,) = inspect(bench.store.root, NAME).rootfs
    with bench.store.open(rootfs.manifest.layers[2].digest) as source:
        entries = {entry.path: entry.kind for entry in layers.read_entries(source)}
    assert entries == {
        "d/changed": trees.Kind.FILE, "d/gone": trees.Kind.REMOVED, "folder": trees.Kind.FILE,
        "new": trees.Kind.FOLDER, "new/er": trees.Kind.FOLDER,
    }  # fmt: skip
    assert [layer.cached for layer in report.layers] == [False] * 3


def test_run_sees_the_host_read_only_and_values_and_its_root(bench: Bench) -> None:
    bench.build(
        "FROM scratch\nARG A=1\nENV B=2\n"
        "RUN echo -n $A$B$TARGETOS$PWD$ROOTFS > out; ! touch /usr/x /etc/x /root/x 2>&1 && echo -n yes > readonly\n"
        "RUN echo $$ > pid; touch /tmp/x; mount -t tmpfs none /usr 2>/dev/null || echo -n no > mount\n",
        arguments={"A": "0"},
    )
    tree = bench.tree()
    assert tree["out"] == "02linux/rootfs/rootfs"
    assert tree["readonly"] == "yes"
    assert tree["mount"] == "no"
    assert int(tree["pid"]) < 10
    assert not Path("/usr/x").exists()


def test_run_without_network_has_none(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo -n yes > NAME || echo -n no > NAME"
        bench.build(
            f"FROM scratch\nRUN --network=none {probe.replace('NAME', 'none')}\nRUN {probe.replace('NAME', 'default')}"
        )
    assert bench.tree() == {"none": "no", "default": "yes"}


def test_here_documents_are_scripts_for_the_interpreter_they_name(bench: Bench) -> None:
    bench.build(
        "FROM scratch\nENV V=v\n"
        "RUN <<EOF\nset -e\necho -n $V > sh\nEOF\n"
        "RUN <<EOF\n#!/usr/bin/env python3\nopen('py', 'w').write('p')\nEOF\n"
        "RUN cat <<'A' > quoted\n$V\nA\n"
        'RUN ["touch", "with space"]\n'
    )
    assert bench.tree() == {"sh": "v", "py": "p", "quoted": "$V\n", "with space": ""}


def test_a_missing_bubblewrap_is_named_with_its_package(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(bench.context))
    with pytest.raises(ApplianceError, match="bubblewrap, which is not installed") as caught:
        bench.build("FROM scratch\nRUN true")
    assert caught.value.hint == "apt-get install bubblewrap"


RECIPE = "FROM scratch\nARG V=1\nCOPY a a\nRUN echo $V > r\nCOPY b b\n"


def test_a_second_build_takes_all_from_the_cache_and_is_the_same_image(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    first = bench.build(RECIPE)
    second = bench.build(RECIPE)
    assert [layer.cached for layer in first.layers] == [False, False, False]
    assert [layer.cached for layer in second.layers] == [True, True, True]
    assert second.digest == first.digest
    assert not any(isinstance(event, TaskProgress) and event.detail for event in bench.events[len(bench.events) // 2 :])


@pytest.mark.parametrize(
    ("change", "cached"),
    [
        (lambda b: b.write("a", "other"), [False, False, True]),
        (lambda b: b.write("b", "other"), [True, True, False]),
        (lambda b: (b.context / "a").chmod(0o755), [False, False, True]),
        (lambda b: os.utime(b.context / "a", (1, 1)), [True, True, True]),
    ],
)
def test_a_changed_source_rebuilds_what_depends_on_it(
    bench: Bench, change: Callable[[Bench], object], cached: list[bool]
) -> None:
    bench.write("a")
    bench.write("b")
    bench.build(RECIPE)
    change(bench)
    assert [layer.cached for layer in bench.build(RECIPE).layers] == cached


def test_a_changed_value_rebuilds_the_runs_that_see_it(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    bench.build(RECIPE)
    assert [x.cached for x in bench.build(RECIPE, arguments={"V": "2"}).layers] == [True, False, True]
    assert [x.cached for x in bench.build(RECIPE, use_cache=False).layers] == [False, False, False]


def test_a_lost_blob_is_built_again(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    blob = bench.build(RECIPE).layers[0].blob.digest.hex
    (bench.store.root / "blobs/sha256" / blob).unlink()
    assert [layer.cached for layer in bench.build(RECIPE).layers] == [False, True, True]
    assert bench.store.verify() == ()


def test_a_damaged_cache_record_costs_time_only(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    first = bench.build(RECIPE)
    for record in (bench.root / "cache/layers").iterdir():
        record.write_bytes(b"{]")
    assert bench.build(RECIPE).digest == first.digest


def test_another_machine_builds_the_same_bytes(bench: Bench) -> None:
    for path in ("a", "b"):
        bench.write(path)
    first = bench.build(RECIPE)
    os.utime(bench.context / "a", (9, 9))
    second = bench.build(RECIPE, Reference.parse("app:2"), use_cache=False, cache="another")
    assert [x.blob for x in second.layers] == [x.blob for x in first.layers]


def test_builds_at_once_do_not_disturb_each_other(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    bench.write("Kubefile", RECIPE)
    reports: list[BuildReport] = []

    def one(number: int) -> None:
        reference = Reference.parse(f"app:{number}")
        request = BuildRequest(bench.context, reference, bench.store.root, bench.root / "cache")
        reports.append(build_image(request))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({report.digest for report in reports}) == 1
    assert len(list_images(bench.store.root)) == 4
    assert bench.store.verify() == ()
    assert list((bench.root / "cache" / "work").glob("build-*")) == []


def test_the_folder_of_a_killed_build_goes_with_the_next(bench: Bench) -> None:
    abandoned = bench.root / "cache" / "work" / "build-killed"
    abandoned.mkdir(parents=True)
    (abandoned / "lock").touch()
    bench.build("FROM scratch\nRUN touch x")
    assert not abandoned.exists()


def test_the_folder_of_a_build_that_runs_stays(bench: Bench) -> None:
    running = bench.root / "cache" / "work" / "build-running"
    with lock(running / "lock"):
        bench.build("FROM scratch\nRUN touch x")
        assert running.exists()


def test_an_image_grows_on_a_base_from_the_store(bench: Bench) -> None:
    bench.write("etc/x", "1")
    bench.write("y", "2")
    bench.build("FROM scratch\nENV A=1\nLABEL l=base\nCOPY etc etc\nCMD first", Reference.parse("base:3.0.0"))
    report = bench.build("ARG B=base\nFROM ${B}:3.0.0\nENV C=$A\nCOPY y etc\nRUN rm etc/x\nCMD second")
    assert bench.tree() == {"etc": "/", "etc/y": "2"}
    config = inspect(bench.store.root, NAME).rootfs[0].config
    assert config.env == {"A": "1", "C": "1"}
    assert config.labels == {"l": "base"}
    assert config.commands == ("first", "second")
    assert (config.spec.name, config.spec.version) == ("app", "1.0.0")
    assert [layer.instruction for layer in report.layers] == ["COPY etc etc", "COPY y etc", "RUN rm etc/x"]


def test_a_base_that_is_not_there_is_told_at_its_line(bench: Bench) -> None:
    with pytest.raises(RecipeError, match="no image base:1 in the store") as caught:
        bench.build("FROM base:1")
    assert caught.value.where.endswith("Kubefile:1")
    assert "pull it" in caught.value.hint


@pytest.mark.parametrize(
    ("lines", "commands"),
    [
        ("CMD a b\nCMD c", ("a b", "c")),
        ('CMD ["kubectl apply -f x", "y"]', ("kubectl apply -f x", "y")),
        ('CMD ["sh", "-c", "a b"]', ("sh -c 'a b'",)),
        ('CMD a\nCMD ["b c", "d"]', ("b c", "d")),
    ],
)
def test_commands_follow_both_dialects(bench: Bench, lines: str, commands: tuple[str, ...]) -> None:
    bench.build(f"FROM scratch\n{lines}")
    assert inspect(bench.store.root, NAME).rootfs[0].config.commands == commands


def test_bundle_yaml_beside_the_kubefile_stands_in_the_config(bench: Bench) -> None:
    bench.write("bundle.yaml", "apiVersion: appliance/v1\nkind: Bundle\nname: db\nversion: 2.0.0\nepoch: 4\n")
    bench.build("FROM scratch\nMAINTAINER me\nEXPOSE 80")
    config = inspect(bench.store.root, NAME).rootfs[0].config
    assert (config.spec.name, config.spec.version, config.spec.epoch) == ("db", "2.0.0", 4)
    assert config.ignored == ("EXPOSE 80",)
    assert config.labels == {"org.opencontainers.image.authors": "me"}


def test_a_manifest_that_is_called_bundle_yaml_describes_nothing(bench: Bench) -> None:
    bench.write("bundle.yaml", "# crds\n---\napiVersion: apiextensions.k8s.io/v1\nkind: X\n---\napiVersion: v1\n")
    report = bench.build("FROM scratch\nCOPY . manifests")
    assert bench.config().spec.name == "app"
    assert report.warnings == (
        f"{bench.context}/bundle.yaml: its apiVersion is not appliance/v1, so it does not describe this bundle",
    )


def test_each_platform_has_its_own_rootfs(bench: Bench) -> None:
    bench.write("tool-amd64", "1")
    bench.write("tool-arm64", "2")
    bench.write("same", "3")
    both = (Platform("linux", "amd64"), Platform("linux", "arm64"))
    report = bench.build("FROM scratch\nCOPY same same\nCOPY tool-$TARGETARCH tool", platforms=both)
    assert report.platforms == both
    assert len(report.layers) == 3
    assert [r.config.platform for r in inspect(bench.store.root, NAME).rootfs] == list(both)


def test_warnings_name_what_has_no_effect(bench: Bench) -> None:
    report = bench.build("FROM scratch\nUSER app", arguments={"NONE": "1"})
    assert report.warnings == (
        f"{bench.context}/Kubefile:2: USER is kept, but a cluster image does not use it",
        "the Kubefile has no ARG NONE, so its value is not used",
    )


def test_progress_starts_and_ends_in_pairs_even_when_a_run_fails(bench: Bench) -> None:
    with pytest.raises(RecipeError):
        bench.build("FROM scratch\nRUN echo hello; false\nRUN true")
    started = [event.task for event in bench.events if isinstance(event, TaskStarted)]
    finished = [event.task for event in bench.events if isinstance(event, TaskFinished)]
    assert started == finished == [f"{host_platform()} 1/3", f"{host_platform()} 2/3"]
    assert [e.detail for e in bench.events if isinstance(e, TaskProgress)] == ["hello"]
    assert bench.events[-1] == TaskFinished(finished[-1], Outcome.FAILED, bench.events[-1].detail)  # type: ignore[union-attr]
    assert list((bench.root / "cache" / "work").glob("build-*")) == []


@pytest.mark.parametrize("data", [b"FROM scratch\nCOPY \xff a", None])
def test_a_kubefile_that_cannot_be_read_is_refused(bench: Bench, data: bytes | None) -> None:
    if data is not None:
        bench.write("Kubefile", data)
    with pytest.raises(RecipeError) as caught:
        build_image(BuildRequest(bench.context, NAME, bench.store.root, bench.root / "cache"))
    assert "Kubefile" in str(caught.value)
    assert caught.value.hint
