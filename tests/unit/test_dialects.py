"""Kubefiles as they are in the wild (all Apache-2.0, shortened), and what their authors meant by them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.building import Bench

from appliance.image.reference import Reference

BASES = ("kubernetes:v1.19.8", "registry.cn-qingdao.aliyuncs.com/sealer-apps/openebs-localpv:2.11.0")


@dataclass(frozen=True)
class Wild:
    """A Kubefile, the files beside it, paths that its image must and must not have, and what is launched."""

    text: str
    files: tuple[str, ...]
    has: tuple[str, ...]
    launches: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


WILD = {
    "sealer 0.5: a folder comes under its name (sealerio/applications, tidb)": Wild(
        "FROM registry.cn-qingdao.aliyuncs.com/sealer-apps/openebs-localpv:2.11.0\nCOPY tidb .\n"
        "CMD kubectl apply -f tidb/crd.yaml\nCMD kubectl apply -f tidb/operator.yaml\n",
        ("tidb/crd.yaml", "tidb/operator.yaml"),
        has=("tidb/crd.yaml", "tidb/operator.yaml"),
        lacks=("crd.yaml",),
        launches=("kubectl apply -f tidb/crd.yaml", "kubectl apply -f tidb/operator.yaml"),
    ),
    "sealer 0.5: a list goes into manifests (sealerio/applications, calico)": Wild(
        "FROM kubernetes:v1.19.8\nCOPY etc .\nCOPY imageList manifests\n#RUN wget https://x/y.yaml\n"
        "CMD kubectl apply -f etc/custom-resources.yaml\n",
        ("etc/custom-resources.yaml", "imageList"),
        has=("etc/custom-resources.yaml", "manifests/imageList"),
        launches=("kubectl apply -f etc/custom-resources.yaml",),
    ),
    "sealer 0.5: a file into a folder that RUN made (sealerio/applications, zookeeper)": Wild(
        "FROM kubernetes:v1.19.8\nRUN mkdir zookeeper\nCOPY manifest.yaml zookeeper\n"
        "CMD kubectl apply -f zookeeper/manifest.yaml",
        ("manifest.yaml",),
        has=("zookeeper/manifest.yaml",),
        launches=("kubectl apply -f zookeeper/manifest.yaml",),
    ),
    "sealer 0.5: a file into a folder that only its command knows": Wild(
        "FROM kubernetes:v1.19.8\nCOPY plugin.yaml hooks\nCMD sh hooks/plugin.yaml",
        ("plugin.yaml",),
        has=("hooks/plugin.yaml",),
        launches=("sh hooks/plugin.yaml",),
    ),
    "sealer 0.8: the whole context, a list and a shell form (sealerio/applications, strimzi-kafka)": Wild(
        "FROM kubernetes:v1.19.8\nCOPY . manifests/\n"
        'CMD ["kubectl apply -f manifests/crd.yaml", "kubectl apply -f manifests/class.yaml"]\n'
        'CMD kubectl patch storageclass hostpath -p \'{"metadata": {"a":{"b/c":"true"}}}\'\n',
        ("crd.yaml", "class.yaml"),
        has=("manifests/crd.yaml", "manifests/class.yaml"),
        launches=(
            "kubectl apply -f manifests/crd.yaml",
            "kubectl apply -f manifests/class.yaml",
            'kubectl patch storageclass hostpath -p \'{"metadata": {"a":{"b/c":"true"}}}\'',
        ),
    ),
    "sealer 0.9: what a folder holds, CNI and LAUNCH (sealerio/basefs)": Wild(
        "FROM scratch\nCOPY rootfs .\nCOPY amd64 .\nCOPY imageList manifests\n"
        'LABEL "cluster.alpha.sealer.io/cluster-runtime-type"="kubernetes"\n'
        "COPY tigera-operator.yaml applications/tigera-operator.yaml\nCNI calico local://calico.sh\n"
        'LAUNCH ["calico"]',
        ("rootfs/scripts/init.sh", "amd64/bin/kubeadm", "imageList", "tigera-operator.yaml", "calico.sh"),
        has=("scripts/init.sh", "bin/kubeadm", "manifests/imageList", "applications/tigera-operator.yaml"),
        launches=("bash application/apps/calico/calico.sh",),
        lacks=("rootfs",),
    ),
    "sealer 0.9: an app of both kinds (sealer's test suite, build_with_appcmds)": Wild(
        "FROM scratch\nAPP mixedapp local://install.sh local://mixedcontext\n"
        'APPCMDS mixedapp ["kubectl apply -f app.yaml"]\nAPP shellapp local://shellcontext\n'
        'LAUNCH ["mixedapp","shellapp"]\n',
        ("install.sh", "mixedcontext/app.yaml", "shellcontext/app.sh"),
        has=("application/apps/mixedapp/install.sh", "application/apps/mixedapp/app.yaml"),
        launches=(
            "cd application/apps/mixedapp/ && kubectl apply -f app.yaml",
            "bash application/apps/shellapp/app.sh",
        ),
    ),
    "sealer 0.9: paths by architecture, LAUNCH without a list (sealer's test suite, build_with_multi_arch)": Wild(
        "FROM scratch\nCOPY ${ARCH}/bin bin\nAPP myapp local://app.yaml\nLAUNCH myapp",
        ("amd64/bin/tool", "arm64/bin/other", "app.yaml"),
        has=("bin/tool",),
        launches=("kubectl apply -f application/apps/myapp/app.yaml",),
        lacks=("bin/other",),
    ),
    "sealos: a list of commands with values of the site (labring-actions/cluster-image, rancher)": Wild(
        "FROM scratch\nENV hostname rancher.my.org\nENV ingressClassName nginx\nCOPY charts ./charts\n"
        'CMD ["cp opt/x /usr/bin/","helm upgrade -i rancher charts/rancher --set hostname=$(hostname)"]\n',
        ("charts/rancher/Chart.yaml",),
        has=("charts/rancher/Chart.yaml",),
        launches=("cp opt/x /usr/bin/", "helm upgrade -i rancher charts/rancher --set hostname=$(hostname)"),
        env={"hostname": "rancher.my.org", "ingressClassName": "nginx"},
    ),
    "sealos: defaults with quotes over lines (labring-actions/cluster-image, apisix)": Wild(
        'FROM scratch\nENV NAME=${NAME:-"apisix"}\nENV EMPTY ""\nENV HELM_OPTS=${HELM_OPTS:-" \\\n'
        "--set service.type=NodePort \\\n"
        '"}\n\nCOPY . .\nCMD ["helm upgrade -i $(NAME) $(HELM_OPTS)"]\n',
        ("charts/x",),
        has=("charts/x",),
        launches=("helm upgrade -i $(NAME) $(HELM_OPTS)",),
        env={"NAME": "apisix", "EMPTY": "", "HELM_OPTS": " --set service.type=NodePort "},
    ),
    "Docker: a folder with a folder of its name inside": Wild(
        "FROM kubernetes:v1.19.8\nCOPY app .\nCMD kubectl apply -f app/x.yaml\n",
        ("app/app/x.yaml", "app/x.yaml"),
        has=("app/x.yaml", "x.yaml"),
        launches=("kubectl apply -f app/x.yaml",),
        lacks=("app/app",),
    ),
}


@pytest.mark.parametrize("wild", WILD.values(), ids=WILD.keys())
def test_a_kubefile_means_what_its_author_meant(tmp_path: Path, wild: Wild) -> None:
    bench = Bench(tmp_path)
    for base in BASES:
        bench.build("FROM scratch\nLABEL base=1", Reference.parse(base))
    for path in wild.files:
        bench.write(path)
    bench.write(".dockerignore", ".dockerignore\n")
    bench.build(wild.text)
    tree = bench.tree()
    assert [path for path in wild.has if path not in tree] == []
    assert [path for path in wild.lacks if path in tree] == []
    assert bench.config().launch_lines == wild.launches
    assert bench.config().env == wild.env


def test_the_old_reading_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("etc/x.yaml")
    report = bench.build("FROM scratch\nCOPY etc .\nCMD kubectl apply -f etc/x.yaml")
    (warning,) = report.warnings
    assert warning.startswith(f"{bench.context}/Kubefile: COPY puts folders under their own names, as sealer before")
