"""From a command to the first thing that it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.result import Result, at_most
from bench.sides import Series, Side, interleaved

if TYPE_CHECKING:
    from bench.material import Material

MIB = 1024
ROUNDS = 7
ROUNDS_OF_HELP = 25
_START = """\
#!/bin/sh
exec lib/ld.so --library-path "$PWD/lib" bin/python -I -B -X utf8 boot.py "$PWD/boot.py" "$@"
"""


def measure(material: Material) -> Result:
    """A `.run` started anew and again; makeself with the same Python in it; our help beside an import of click."""
    took = interleaved(_bundles(material), rounds=ROUNDS) | interleaved(_help(material), rounds=ROUNDS_OF_HELP)
    cold = max(took[".run --version, cold"].seconds, took[".run --help, cold"].seconds)
    warm = max(took[".run --version, warm"].seconds, took[".run --help, warm"].seconds)
    ours, click = took["appliance --help"], took["python -c 'import click'"]
    return Result(
        "start",
        f"a signed .run with an image of {MIB} MiB, and the installed program, to their first output",
        tuple(took.values()),
        (
            at_most(".run, cold: first output ≤ 2 s", cold, 2, "s"),
            at_most(".run, warm: first output ≤ 0.7 s", warm, 0.7, "s"),
            at_most("appliance --help ≤ 1.5 × import click", ours.seconds / click.seconds, 1.5),
            at_most("… in processor time", ours.cpu_seconds / click.cpu_seconds, 1.5),
        ),
        (
            "cold: its Python is not unpacked yet; the file itself is in the page cache",
            "makeself carries that Python alone, without the image; it removes it each time, and ext4 makes it pay",
            f"warm .run --help takes {_share(took)} × what makeself takes each time",
        ),
    )


def _bundles(material: Material) -> list[Side]:
    bundle = str(material.bundle(MIB))
    kept, new = material.folder / "unpacked", material.folder / "unpacked-anew"
    kept.mkdir()
    material.run("env", f"APPLIANCE_TMPDIR={kept}", "sh", bundle, "--version")

    def make_new() -> None:
        """Move the last one away: ext4 is slow to make files where as many were removed in the last five seconds."""
        if new.exists():
            new.rename(material.folder / f"unpacked-{new.stat().st_ino}")
        new.mkdir()

    def side(option: str, state: str) -> Side:
        folder, prepare = (new, make_new) if state == "cold" else (kept, lambda: None)
        env = {"APPLIANCE_TMPDIR": str(folder)}
        return Side(f".run {option}, {state}", ("sh", bundle, option), prepare, env=env, first_output=True)

    peer = _makeself(material)
    return [
        side("--version", "cold"),
        side("--help", "cold"),
        side("--version", "warm"),
        side("--help", "warm"),
        Side("makeself of its Python --help", ("sh", peer, "--quiet", "--nox11", "--", "--help"), first_output=True),
    ]


def _makeself(material: Material) -> str:
    """The operator's Python packed by makeself; it is started through its own loader, which needs no fixed place."""
    tree, path = material.folder / "python", material.folder / "python.run"
    tree.mkdir()
    (runtime,) = material.tree(MIB).glob("runtime/operator-*.tar")
    material.run("tar", "-xf", runtime, "-C", tree)
    start = tree / "start"
    start.write_text(_START, encoding="utf-8")
    start.chmod(0o755)
    material.run(*material.makeself_command(tree, path))
    return str(path)


def _help(material: Material) -> list[Side]:
    return [
        Side("appliance --help", (material.appliance, "--help"), first_output=True),
        Side("python -c 'import click'", (material.python, "-c", "import click")),
    ]


def _share(took: dict[str, Series]) -> str:
    return f"{took['.run --help, warm'].seconds / took['makeself of its Python --help'].seconds:.2f}"
