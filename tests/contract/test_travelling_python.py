"""The real travelling Pythons: fetched from Debian and the package index once, then kept in the user's cache."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.travelling import Pythons, real_pythons, user_cache

from appliance.bundle.pyruntime import assemble, thirdparty
from appliance.bundle.pyruntime.layout import FLAGS, LONGEST_ROOT, host_python, install_script
from appliance.bundle.pyruntime.lock import Kind, Lock, Pin, parse
from appliance.bundle.pyruntime.selection import SELECTIONS, RuntimeKind
from appliance.bundle.pyruntime.thirdparty import LOCK_FILE, Workshop
from appliance.errors import ApplianceError
from appliance.events import silent
from appliance.files import hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bundle.pyruntime.runtime import Runtime

LOOK = """
import json, sys
for name in {modules!r}:
    __import__(name)
with open("/proc/self/maps") as maps:
    objects = sorted({{line.split()[5] for line in maps if ".so" in line}})
print(json.dumps([sys.executable, sys.path, objects]))
"""


@pytest.fixture(scope="module")
def pythons() -> Pythons:
    return real_pythons()


@pytest.fixture(scope="module")
def operator(pythons: Pythons, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(pythons.operator, tmp_path_factory.mktemp("runtime") / "operator")


@pytest.fixture(scope="module")
def host(pythons: Pythons, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(pythons.host, tmp_path_factory.mktemp("runtime") / "host")


def install(tar: Path, digest: str, root: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-s", tar, digest, root]
    return subprocess.run(command, input=install_script(), capture_output=True, text=True, check=False)


def installed(runtime: Runtime, root: Path) -> Path:
    done = install(runtime.path, runtime.digest.hex, root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return root


def look(root: Path, *modules: str) -> tuple[str, list[str], list[str]]:
    command = (*host_python(str(root)), "-c", LOOK.format(modules=modules))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "/x"})
    assert done.stderr == ""
    executable, path, objects = json.loads(done.stdout)
    return executable, path, objects


def test_providing_again_gives_the_same_tar(pythons: Pythons) -> None:
    assert real_pythons() == pythons
    for runtime in (pythons.operator, pythons.host):
        assert hash_file(runtime.path) == runtime.digest
        assert runtime.path.stat().st_size == runtime.size


def test_the_operators_python_has_all_that_we_require_and_nothing_of_this_machine(operator: Path) -> None:
    modules = (
        "backports.zstd click cryptography.x509 jinja2 jsonschema paramiko platformdirs yaml rich.progress textual.app"
        " textual.widgets ssl ctypes asyncio appliance.cli.main tui"
    )
    executable, path, objects = look(operator, *modules.split())
    assert executable == f"{operator}/bin/python"
    assert len(objects) > 10
    assert [entry for entry in (*path, *objects) if not entry.startswith(f"{operator}/")] == []


def test_the_hosts_python_runs_the_hosts_side_with_nothing_of_this_machine(host: Path) -> None:
    _, path, objects = look(host, "appliance.distribute.hostside", "backports.zstd", "_hashlib")
    assert [entry for entry in (*path, *objects) if not entry.startswith(f"{host}/")] == []
    done = subprocess.run([*host_python(str(host)), "-c", "import appliance.bundle"], capture_output=True, check=False)
    assert b"No module named 'appliance.bundle'" in done.stderr


def test_the_hosts_python_is_small(pythons: Pythons) -> None:
    assert pythons.host.size <= 26_600_000


def test_our_entry_points_and_versions_are_found(operator: Path) -> None:
    program = (
        "import importlib.metadata as m;"
        "print(m.version('appliance') != '', [p.name for p in m.entry_points(group='appliance.runtimes')])"
    )
    done = subprocess.run([*host_python(str(operator)), "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "True ['kubernetes', 'systemd']\n"


def test_the_start_hands_the_bundle_and_arguments_to_the_program(operator: Path, tmp_path: Path) -> None:
    command = [operator / "bin/python", *FLAGS, operator / "boot.py", tmp_path / "x.run", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0." in done.stdout


def test_a_runtime_that_stands_whole_is_kept_and_one_that_changed_is_replaced(pythons: Pythons, tmp_path: Path) -> None:
    root = installed(pythons.host, tmp_path / "runtime" / "a")
    inode = root.stat().st_ino
    assert installed(pythons.host, root).stat().st_ino == inode
    victim = next((root / "site").rglob("*.py"))
    victim.write_text("raise SystemExit")
    assert installed(pythons.host, root).stat().st_ino != inode
    assert "SystemExit" not in victim.read_text()
    assert [path.name for path in root.parent.iterdir()] == ["a"]


def test_a_damaged_tar_and_an_overlong_place_are_refused(pythons: Pythons, tmp_path: Path) -> None:
    runtime = pythons.host
    other = install(runtime.path, "0" * 64, tmp_path / "a")
    assert (other.returncode, other.stderr) == (1, f"{runtime.path} is damaged\n")
    deep = tmp_path / ("x" * 200) / ("y" * 100)
    assert len(str(deep)) > LONGEST_ROOT
    assert "is too long for a runtime" in install(runtime.path, runtime.digest.hex, deep).stderr
    assert list(tmp_path.iterdir()) == []


def workshop(locked: Lock, *, latest: bool) -> Workshop:
    return Workshop(user_cache() / "pyruntime", locked, thirdparty.this_project(), latest, silent)


def carried() -> Lock:
    return parse(LOCK_FILE.read_bytes(), where="lock.json")


def stale(kind: Kind, name: str) -> Lock:
    """The lock, but for one package of a version that never was."""

    def older(pin: Pin) -> Pin:
        return replace(pin, version="0.0.1", sha256="0" * 64) if (pin.kind, pin.name) == (kind, name) else pin

    return Lock(tuple(older(pin) for pin in carried().pins))


@pytest.mark.parametrize(("kind", "name"), [(Kind.DEB, "libbz2-1.0"), (Kind.WHEEL, "backports.zstd")])
def test_a_pinned_package_that_is_gone_is_named(kind: Kind, name: str) -> None:
    with pytest.raises(ApplianceError, match=f"{name} 0.0.1") as caught:
        workshop(stale(kind, name), latest=False).tree(RuntimeKind.HOST, platform.machine())
    assert "scripts/lock" in caught.value.hint


def test_a_pinned_package_that_is_gone_may_be_replaced_by_todays() -> None:
    tree = workshop(stale(Kind.DEB, "libbz2-1.0"), latest=True).tree(RuntimeKind.HOST, platform.machine())
    assert [line for line in tree.drift if line.endswith("is used, the lock has 0.0.1")]


def test_an_architecture_without_a_python_is_refused() -> None:
    with pytest.raises(ApplianceError, match="no Python travels for riscv64"):
        workshop(carried(), latest=True).tree(RuntimeKind.HOST, "riscv64")


def test_assembling_again_elsewhere_gives_the_same_bytes(pythons: Pythons, tmp_path: Path) -> None:
    arch = platform.machine()
    shared = workshop(carried(), latest=True)
    tree = shared.tree(RuntimeKind.HOST, arch)
    again = tmp_path / "somewhere else"
    again.mkdir()
    assemble.assemble(SELECTIONS[RuntimeKind.HOST], tree.pins, shared.packages, tree=again, compiler=None)

    def contents(root: Path) -> dict[str, tuple[str, int]]:
        files = (path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): (hash_file(path).hex, path.stat().st_mode) for path in files}

    assert contents(again) == contents(tree.folder)
