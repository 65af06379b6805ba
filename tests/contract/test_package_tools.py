"""What we read of package databases is what the tools say whose they are; sources come from the real archive."""

from __future__ import annotations

import importlib.metadata
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.publishers import tar

from appliance.bundle.inventory import layer, tree
from appliance.bundle.inventory.parts import PackageKind
from appliance.bundle.pyruntime import sourcecode
from appliance.bundle.pyruntime.runtime import Runtime, RuntimeInput
from appliance.bundle.pyruntime.selection import RuntimeKind
from appliance.bundle.pyruntime.sourcecode import Installed
from appliance.digest import Digest
from appliance.errors import ApplianceError

MEDIA_TAR = "application/vnd.oci.image.layer.v1.tar"
DPKG = "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package}=${source:Version}\n"


def test_dpkg_says_the_same_of_this_machine() -> None:
    files = ["var/lib/dpkg/status", *(str(path)[1:] for path in Path("/usr/share/doc").glob("*/copyright"))]
    data = tar({path: (Path("/") / path).read_bytes() for path in files})
    found = tree.over_each_other([layer.read(io.BytesIO(data), MEDIA_TAR, files=False)]).packages
    ours = sorted(f"installed {one.name} {one.version} {one.arch} {one.source}" for one in found)
    said = subprocess.run(["dpkg-query", "-W", "-f", DPKG], check=True, capture_output=True, text=True)
    assert ours == sorted(line for line in said.stdout.splitlines() if line.startswith("installed "))
    openssl = next(package for package in found if package.name == "openssl")
    assert "Apache-2.0" in openssl.licences


def test_python_says_the_same_of_what_runs_this_test() -> None:
    site = Path(sys.modules["pytest"].__file__ or "").parents[1]
    files = {str(path)[1:]: path.read_bytes() for path in site.glob("*.dist-info/METADATA")}
    found = tree.over_each_other([layer.read(io.BytesIO(tar(files)), MEDIA_TAR, files=False)]).packages
    assert {package.kind for package in found} == {PackageKind.PYTHON}
    said = {(one.metadata["Name"], one.version) for one in importlib.metadata.distributions(path=[str(site)])}
    assert {(package.name, package.version) for package in found} == said


def runtime(folder: Path, *inputs: RuntimeInput) -> Runtime:
    nothing = Digest.of(b"")
    return Runtime("x86_64", RuntimeKind.HOST, folder / "no.tar", nothing, 0, nothing, 0, inputs, ())


@pytest.mark.slow
def test_the_sources_of_a_debian_package_come_from_the_archive(tmp_path: Path) -> None:
    """A small one; twice for two architectures, which have the same source."""
    version = newest_source(tmp_path, "bzip2")
    inputs = [RuntimeInput("libbz2-1.0", version, Digest.of(n), f"bzip2={version}") for n in (b"1", b"2")]
    made = sourcecode.collect([runtime(tmp_path, *inputs)], cache=tmp_path)
    with tarfile.open(made.path) as archive:
        names = archive.getnames()
        assert {(member.mtime, member.uid) for member in archive} == {(0, 0)}
    assert names == sorted(names)
    assert [name.rpartition(".")[2] for name in names if name.endswith(".dsc")] == ["dsc"]
    assert all(name.startswith(f"debian/bzip2_{version}/bzip2_1.0") for name in names)
    first = made.path.read_bytes()
    made.path.unlink()
    assert sourcecode.collect([runtime(tmp_path, *inputs)], cache=tmp_path).path.read_bytes() == first


@pytest.mark.slow
def test_each_source_of_a_python_that_is_gone_is_named_and_one_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    gone = [RuntimeInput(name, "0.1", Digest.of(name.encode()), f"{name}=0.1") for name in ("bzip2", "zlib")]
    with pytest.raises(ApplianceError) as caught:
        sourcecode.collect([runtime(tmp_path, *gone)], cache=tmp_path)
    assert re.findall(r"does not give the source of (\w+) 0\.1: ", caught.value.message) == ["bzip2", "zlib"]
    assert str(tmp_path) in caught.value.hint
    assert not list(tmp_path.rglob("*.tar"))
    for name in ("bzip2", "zlib"):
        folder = tmp_path / "pyruntime" / "sources" / f"{name}_0.1"
        folder.mkdir()
        (folder / f"{name}_0.1.dsc").write_text(f"Source: {name}\nVersion: 0.{1 if name == 'zlib' else 2}\n")
    with pytest.raises(ApplianceError, match=r"bzip2_0\.1\.dsc is of bzip2 0\.2, not of bzip2 0\.1"):
        sourcecode.collect([runtime(tmp_path, *gone)], cache=tmp_path)
    (tmp_path / "pyruntime/sources/bzip2_0.1/bzip2_0.1.dsc").write_text("Source: bzip2\nVersion: 0.1\n")
    made = sourcecode.collect([runtime(tmp_path, *gone)], cache=tmp_path)
    with tarfile.open(made.path) as archive:
        assert archive.getnames() == ["debian/bzip2_0.1/bzip2_0.1.dsc", "debian/zlib_0.1/zlib_0.1.dsc"]


@pytest.mark.slow
def test_of_the_image_what_cannot_be_had_is_said_and_the_rest_is_carried(tmp_path: Path) -> None:
    version = newest_source(tmp_path, "bzip2")
    within = [Installed(f"bzip2={version}", "debian", "13"), Installed("bzip2=0.1", "debian", "13")]
    within += [Installed("musl=1", "ubuntu", "24.04")]
    made = sourcecode.collect([], within, cache=tmp_path)
    assert [sentence.partition(":")[0] for sentence in made.missing.values()] == [
        "the archive does not give the source of bzip2 0.1",
        "the source of musl 1 is ubuntu 24.04's",
    ]
    with tarfile.open(made.path) as archive:
        assert {name.split("/")[1] for name in archive.getnames()} == {f"bzip2_{version}"}


def newest_source(folder: Path, name: str) -> str:
    """The version that the archive has now."""
    with pytest.raises(ApplianceError):
        sourcecode.collect([runtime(folder, RuntimeInput(name, "0", Digest.of(b""), f"{name}=0"))], cache=folder)
    configuration = next(folder.rglob("apt.conf"))
    command = ["apt-cache", "-c", str(configuration), "showsrc", "--only-source", name]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    return next(line.split()[1] for line in said.stdout.splitlines() if line.startswith("Version: "))
