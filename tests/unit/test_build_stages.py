"""Stages, bases and mounts: what one part of a Kubefile takes from another."""

from pathlib import Path

import pytest
from support.building import NAME, Bench

from appliance.errors import RecipeError
from appliance.events import TaskStarted
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.operations.build import inspect

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_files_of_a_stage_come_with_their_modes_and_without_its_layers(bench: Bench) -> None:
    bench.write("a", "1")
    report = bench.build(
        "FROM scratch AS Tools\nCOPY a bin/a\nRUN chmod 700 bin/a && ln -s a bin/link && mkdir -m 0711 empty\n"
        "FROM scratch\nCOPY --from=tools bin/ bin/\nCOPY --from=0 empty empty\n"
        "COPY --from=tools --chmod=644 bin/a plain\n"
    )
    assert bench.tree() == {"bin": "/", "bin/a": "1", "bin/link": "-> a", "empty": "/", "plain": "1"}
    modes = {path: (bench.root / "tree" / path).stat().st_mode & 0o777 for path in ("bin/a", "plain")}
    assert modes == {"bin/a": 0o700, "plain": 0o644}
    assert [layer.instruction.split()[0] for layer in report.layers] == ["COPY"] * 3


def test_a_stage_that_nothing_needs_is_not_carried_out(bench: Bench) -> None:
    bench.build("FROM scratch AS broken\nRUN false\nFROM scratch\nRUN touch x")
    assert bench.tree() == {"x": ""}
    assert not any(isinstance(e, TaskStarted) and "false" in e.title for e in bench.events)


def test_a_stage_can_grow_on_another(bench: Bench) -> None:
    bench.write("a", "1")
    bench.build(
        "ARG V=1\nFROM scratch AS base\nARG V\nENV E=$V\nLABEL l=1\nWORKDIR /w\nCOPY a .\nIMAGE one\n"
        "FROM base\nRUN echo -n $E${V:-none} > b\nIMAGE two:${E}\n",
        arguments={"V": "2"},
    )
    assert bench.tree() == {"w": "/", "w/a": "1", "w/b": "2none"}
    assert (bench.config().env, bench.config().labels) == ({"E": "2"}, {"l": "1"})


def test_files_of_an_image_are_copied_out_of_the_store(bench: Bench) -> None:
    bench.write("a", "1")
    bench.build("FROM scratch\nCOPY a opt/a", Reference.parse("tools:2"))
    bench.build("FROM scratch\nCOPY --from=tools:2 opt/a b")
    assert bench.tree() == {"b": "1"}


def test_a_second_build_with_stages_unpacks_nothing(bench: Bench) -> None:
    bench.write("a", "1")
    recipe = "FROM scratch AS tools\nRUN touch x\nFROM scratch\nCOPY --from=tools x y\nCOPY a a\n"
    first = bench.build(recipe)
    second = bench.build(recipe)
    assert second.digest == first.digest
    assert [layer.cached for layer in second.layers] == [True, True]


def test_a_changed_stage_rebuilds_what_is_copied_from_it(bench: Bench) -> None:
    bench.write("a", "1")
    recipe = "FROM scratch AS tools\nCOPY a a\nRUN cat a > x\nFROM scratch\nCOPY --from=tools x y\n"
    bench.build(recipe)
    bench.write("a", "2")
    (layer,) = bench.build(recipe).layers
    assert not layer.cached
    assert bench.tree() == {"y": "2"}


def test_a_stage_is_not_its_own_source(bench: Bench) -> None:
    with pytest.raises(RecipeError, match="self is this very stage"):
        bench.build("FROM scratch AS self\nCOPY --from=self a b")


def test_here_documents_are_files_with_values_in_place(bench: Bench) -> None:
    bench.build("FROM scratch\nENV V=1\nCOPY <<a.conf <<'b' etc/\nx \"$V\" \\$V 'q'\na.conf\n$V\nb\n")
    assert bench.tree() == {"etc": "/", "etc/a.conf": "x \"1\" $V 'q'\n", "etc/b": "$V\n"}


def test_mounts_are_there_for_one_command_and_leave_nothing(bench: Bench) -> None:
    bench.write("one/x", "1")
    bench.write("two", "2")
    recipe = (
        "FROM scratch AS tools\nRUN echo -n 3 > y\nFROM scratch\n"
        "RUN --mount=source=one,target=in --mount=type=bind,source=two,target=deep/two "
        "--mount=from=tools,source=y,target=/tmp/y --mount=type=tmpfs,target=/mnt "
        "cat in/x deep/two /tmp/y > got; touch /mnt/z && ! touch in/z 2>/dev/null\n"
    )
    bench.build(recipe)
    assert bench.tree() == {"got": "123"}
    assert [layer.cached for layer in bench.build(recipe).layers] == [True]
    bench.write("one/x", "7")
    assert [layer.cached for layer in bench.build(recipe).layers] == [False]
    assert bench.tree() == {"got": "723"}


def test_a_cache_mount_keeps_its_files_from_build_to_build(bench: Bench) -> None:
    recipe = "FROM scratch\nARG N\nRUN --mount=type=cache,target=c echo $N >> c/log; cp c/log log\n"
    bench.build(recipe, arguments={"N": "1"})
    bench.build(recipe, arguments={"N": "2"})
    assert bench.tree() == {"log": "1\n2\n"}


def test_run_works_in_the_workdir(bench: Bench) -> None:
    bench.build("FROM scratch\nWORKDIR /a/b\nRUN pwd > where && touch $ROOTFS/top")
    assert bench.tree() == {"a": "/", "a/b": "/", "a/b/where": "/rootfs/a/b\n", "top": ""}


def test_each_platform_takes_its_own_paths_and_images(bench: Bench) -> None:
    bench.write("amd64/tool", "1")
    bench.write("arm64/tool", "2")
    both = (Platform("linux", "amd64"), ARM64)
    bench.build("FROM scratch\nCOPY ${ARCH}/tool tool", Reference.parse("base:1"), platforms=both)
    report = bench.build("FROM base:1\nCOPY $ARCH/ x/", platforms=both)
    assert [len(r.manifest.layers) for r in inspect(bench.store.root, NAME).rootfs] == [2, 2]
    assert len(report.layers) == 4


def test_a_run_for_a_machine_that_cannot_be_emulated_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.image.emulation.REGISTERED", bench.root / "no-binfmt")
    with pytest.raises(RecipeError, match="a RUN for linux/arm64 cannot be carried out on this linux/amd64") as caught:
        bench.build("FROM scratch\nRUN true", platforms=(ARM64,))
    assert caught.value.where.endswith("Kubefile:2")
    assert "apt-get install qemu-user-static" in caught.value.hint
