"""Puts what was built and Debian's packages together: programs for nodes, and a docker archive for each image.

A docker archive is what ``docker save`` writes: an image's config, its layers as tars, and ``manifest.json``. These
have one layer each, no times and no owners, so that the same parts make the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

CREATED = "2021-01-13T13:20:00Z"
SEARCH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIBRARIES = "lib/x86_64-linux-gnu"
LOADER = "lib64/ld-linux-x86-64.so.2"
SERVICES = (
    "usr/bin/containerd",
    "usr/bin/containerd-shim-runc-v2",
    "usr/bin/ctr",
    "usr/sbin/runc",
    "usr/bin/docker-registry",
    "usr/bin/etcd",
    "usr/bin/etcdctl",
)
TOOLS = (
    "usr/sbin/haproxy",
    "usr/sbin/xtables-nft-multi",
    "usr/sbin/xtables-legacy-multi",
    "usr/sbin/ipset",
    "usr/sbin/conntrack",
    "usr/sbin/ethtool",
    "usr/bin/socat",
)
OPTIONAL = ("k8s.gcr.io/etcd:", "docker.io/library/busybox:")  # etcd is a service of nodes; a shell is to play with
BUILD_ONLY = ("golang-", "patchelf")
IPTABLES = tuple(f"{family}{tool}" for family in ("iptables", "ip6tables") for tool in ("", "-save", "-restore"))


@dataclass(frozen=True)
class Debian:
    """Debian's packages, unpacked into one root."""

    root: Path

    def program(self, name: str) -> Path:
        """A program, by its path in the root, below ``usr`` or not (the merged-/usr of Debian 12)."""
        path = self.root / name
        return path if path.exists() else self.root / name.removeprefix("usr/")

    def libraries(self, *programs: Path) -> list[Path]:
        """The libraries that `programs` are linked to, and those that these are linked to; without the loader."""
        folders = [self.root / LIBRARIES, self.root / "usr" / LIBRARIES]
        found: dict[str, Path] = {}
        for program in programs:
            line = (self.loader, "--library-path", ":".join(map(str, folders)), "--list", program)
            listed = subprocess.run(line, capture_output=True, text=True, check=False)
            if listed.returncode and "statically linked" not in listed.stderr + listed.stdout:
                raise SystemExit(f"{program.name}: {listed.stderr or listed.stdout}")
            for word in listed.stdout.split():
                path = Path(word)
                if path.is_relative_to(self.root) and path.name != self.loader.name:
                    found[path.name] = path
        return [found[name] for name in sorted(found)]

    def search(self, program: Path, path: str) -> None:
        """Have `program`, or a library, look for what it needs in `path`, where ``$ORIGIN`` is its own folder."""
        libraries = f"{self.root / LIBRARIES}:{self.root / 'usr' / LIBRARIES}"
        patchelf = (self.loader, "--library-path", libraries, self.root / "usr/bin/patchelf")
        subprocess.run((*patchelf, "--set-rpath", path, program), check=True)

    @property
    def loader(self) -> Path:
        """What starts a dynamic program."""
        return self.root / LIBRARIES / "ld-linux-x86-64.so.2"


def merged(debs: Path, target: Path) -> Debian:
    """All packages in one root, ``/lib`` and ``/sbin`` where the packages have them."""
    for package in sorted(debs.iterdir()):
        if not package.name.startswith("golang-"):
            subprocess.run(("cp", "-a", f"{package}/.", target), check=True)
    return Debian(target)


def copy(source: Path, target: Path) -> None:
    """A copy of the file that `source` leads to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def add_programs(root: Path, debian: Debian, *programs: str) -> None:
    """Put dynamic programs of Debian's into an image's root, with all that they are linked to."""
    sources = [debian.program(name) for name in programs]
    for name, source in zip(programs, sources, strict=True):
        copy(source, root / name)
    add_libraries(root, debian, debian.libraries(*sources))


def add_libraries(root: Path, debian: Debian, libraries: list[Path]) -> None:
    """Put `libraries` and the loader into an image's root."""
    for library in libraries:
        copy(library, root / LIBRARIES / library.name)
    copy(debian.loader, root / LOADER)


def add_busybox(root: Path, debian: Debian) -> None:
    """Put a shell and the small tools into an image's root."""
    add_programs(root, debian, "bin/busybox")
    line = (debian.loader, "--library-path", root / LIBRARIES, root / "bin/busybox", "--list")
    for applet in subprocess.run(line, capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    for name, text in {"passwd": "root:x:0:0:root:/root:/bin/sh\n", "nsswitch.conf": "hosts: files dns\n"}.items():
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / name).write_text(text)


def add_iptables(root: Path, debian: Debian) -> None:
    """Put what kube-proxy calls into an image's root; its modules need libraries of their own (libm)."""
    tools = ("usr/sbin/xtables-nft-multi", "usr/sbin/xtables-legacy-multi", "usr/sbin/ipset", "usr/sbin/conntrack")
    add_programs(root, debian, *tools, "bin/kmod")
    for name in IPTABLES:
        (root / "usr/sbin" / name).symlink_to("xtables-nft-multi")
        (root / "usr/sbin" / name.replace("tables", "tables-legacy", 1)).symlink_to("xtables-legacy-multi")
    (root / "usr/sbin/modprobe").symlink_to("/bin/kmod")
    modules = sorted((debian.root / "usr" / LIBRARIES / "xtables").glob("*.so"))
    for module in modules:
        copy(module, root / "usr" / LIBRARIES / "xtables" / module.name)
    add_libraries(root, debian, debian.libraries(*modules))


@dataclass(frozen=True)
class Image:
    """An image to write: its full reference, its root, what it starts."""

    reference: str
    root: Path
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write the docker archive to `path`."""
        for name in ("tmp", "run", "etc"):
            (self.root / name).mkdir(exist_ok=True)
        layer = _tar(self.root)
        identity = hashlib.sha256(layer).hexdigest()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {"Env": [SEARCH], "Entrypoint": list(self.entrypoint) or None, "Cmd": list(self.command) or None},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{identity}"]},
            "history": [{"created": CREATED, "created_by": "bundles/kubernetes/from-debian"}],
        }
        text = json.dumps(config, sort_keys=True).encode()
        name = f"{hashlib.sha256(text).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [self.reference], "Layers": [f"{identity}/layer.tar"]}]
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
            members = ((name, text), (f"{identity}/layer.tar", layer), ("manifest.json", json.dumps(manifest).encode()))
            for member, data in members:
                info = _plain(tarfile.TarInfo(member))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def _tar(root: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            archive.add(path, arcname=str(path.relative_to(root)), recursive=False, filter=_plain)
    return data.getvalue()


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = "root"
    if info.isfile():
        info.mode = 0o755 if info.mode & 0o100 else 0o644
    elif info.isdir():
        info.mode = 0o1777 if info.name == "tmp" else 0o755
    return info


def images(made: Path, debian: Debian, ours: Path, *, version: str, work: Path) -> list[Image]:
    """Every image that kubeadm of `version` names, a shell to play with, and the pod network."""
    found: list[Image] = []

    def image(reference: str, *entrypoint: str, command: tuple[str, ...] = ()) -> Path:
        root = work / reference.replace("/", "_").replace(":", "_")
        root.mkdir(parents=True)
        found.append(Image(reference, root, entrypoint, command))
        return root

    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        copy(made / "bin" / name, image(f"k8s.gcr.io/{name}:v{version}") / "usr/local/bin" / name)
    proxy = image(f"k8s.gcr.io/kube-proxy:v{version}")
    copy(made / "bin/kube-proxy", proxy / "usr/local/bin/kube-proxy")
    add_busybox(proxy, debian)
    add_iptables(proxy, debian)
    copy(made / "bin/pause", image("k8s.gcr.io/pause:3.2", "/pause") / "pause")
    copy(made / "bin/dns", image("k8s.gcr.io/coredns:1.7.0", "/coredns") / "coredns")
    etcd = image("k8s.gcr.io/etcd:3.4.13-0")
    add_programs(etcd, debian, "usr/bin/etcd", "usr/bin/etcdctl")
    (etcd / "usr/local").mkdir(parents=True)
    (etcd / "usr/local/bin").symlink_to("../bin")
    add_busybox(image("docker.io/library/busybox:1.35", command=("sh",)), debian)
    routes = image("docker.io/appliance/host-routes:1", "/host-routes.sh")
    add_busybox(routes, debian)
    copy(made / "bin/kubectl", routes / "bin/kubectl")
    copy(ours / "host-routes/host-routes.sh", routes / "host-routes.sh")
    (routes / "host-routes.sh").chmod(0o755)
    return found


def add_node_programs(
    made: Path, debian: Debian, ours: Path, *, programs: tuple[str, ...], glibc: frozenset[str]
) -> None:
    """Debian's `programs` for nodes: ``bin/``, and in ``lib/``, where they look, what they need but for glibc's."""
    sources = [debian.program(name) for name in programs]
    for source in sources:
        copy(source, made / "bin" / source.name)
    modules = sorted((debian.root / "usr" / LIBRARIES / "xtables").glob("*.so"))
    for module in modules:
        copy(module, made / "lib/xtables" / module.name)
        debian.search(made / "lib/xtables" / module.name, "$ORIGIN/..")
    needed = {source.name: debian.libraries(source) for source in sources}
    for library in debian.libraries(*sources, *modules):
        if library.name not in glibc:
            copy(library, made / "lib" / library.name)
            debian.search(made / "lib" / library.name, "$ORIGIN")
    for name, libraries in needed.items():
        if any(library.name not in glibc for library in libraries):
            debian.search(made / "bin" / name, "$ORIGIN/../lib")
    for name in IPTABLES:
        copy(ours / "iptables/iptables.sh", made / "bin" / name)


def add_licences(made: Path, debs: Path, inputs: Path) -> None:
    """The copyrights of the packages that went in, and a list of them."""
    listed = []
    for line in inputs.read_text().splitlines():
        name, version, *digest = line.split()
        copyright_file = debs / name / "usr/share/doc" / name / "copyright"
        if digest and copyright_file.is_file() and not name.startswith(BUILD_ONLY):
            copy(copyright_file, made / "share/licenses" / name)
            listed.append(f"{name} {version} amd64\n")
    (made / "share/packages").mkdir(parents=True, exist_ok=True)
    (made / "share/packages/list").write_text("".join(listed))


def add_manifests(made: Path, ours: Path, images: list[Image]) -> None:
    """The pod network, and the list of the images that nodes need."""
    copy(ours / "host-routes/host-routes.yaml", made / "manifests/cni/host-routes.yaml")
    needed = [image.reference for image in images if not image.reference.startswith(OPTIONAL)]
    (made / "manifests/imageList").write_text("".join(f"{reference}\n" for reference in needed))


def main() -> None:
    """Fill the folder that the command line names, which has what was built in ``bin/``, or with `--tools` nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="")
    parser.add_argument("--debs", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--tools", action="store_true")
    parser.add_argument("made", type=Path)
    asked = parser.parse_args()
    work = asked.debs.parent / "assembled"
    (work / "root").mkdir(parents=True)
    debian = merged(asked.debs, work / "root")
    glibc = frozenset(path.name for path in (asked.debs / "libc6").rglob("*.so*"))
    programs = TOOLS if asked.tools else (*TOOLS, *SERVICES)
    add_node_programs(asked.made, debian, asked.ours, programs=programs, glibc=glibc)
    add_licences(asked.made, asked.debs, asked.inputs)
    if asked.tools:
        return
    for plugin in sorted((debian.root / "usr/lib/cni").iterdir()):
        copy(plugin, asked.made / "libexec/cni" / plugin.name)
    (asked.made / "images").mkdir()
    found = images(asked.made, debian, asked.ours, version=asked.version, work=work / "images")
    for image in found:
        name = image.reference.rpartition("/")[2].replace(":", "-")
        image.write(asked.made / "images" / f"{name}.tar")
    add_manifests(asked.made, asked.ours, found)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "pause", "dns"):
        (asked.made / "bin" / name).unlink()


if __name__ == "__main__":
    main()
