"""Which images a tree needs: what is found, how sure it is, where it stands, and what is no image."""

import json
import sys
import textwrap
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, RecipeError
from appliance.image.discovery import nodes
from appliance.image.discovery.found import Discovery
from appliance.image.discovery.helm import Settings
from appliance.image.discovery.names import Look, is_image_key, look
from appliance.image.discovery.nodes import Broken, Mapping
from appliance.image.discovery.tree import discover

DIGEST = "sha256:" + "0123456789abcdef" * 4


def put(root: Path, path: str, text: str) -> None:
    full = root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(textwrap.dedent(text).removeprefix("\n"))


def find(root: Path, *, values: tuple[Path, ...] = (), sets: tuple[str, ...] = ()) -> Discovery:
    return discover([root], Settings(values, sets))


def summary(found: Discovery) -> dict[str, str]:
    return {image.reference.familiar: str(image.confidence) for image in found.images}


def in_yaml(tmp_path: Path, text: str) -> dict[str, str]:
    put(tmp_path, "a.yaml", text)
    return summary(find(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quay.io/x/y:1.2", Look.STRONG),
        ("localhost:5000/x:1", Look.STRONG),
        ("sea.hub:5000/pause:3.6", Look.STRONG),
        (f"nginx@{DIGEST}", Look.STRONG),
        (f"nginx:1.2@{DIGEST}", Look.STRONG),
        ("bitnami/redis:7.0", Look.MEDIUM),
        ("x/y:latest", Look.MEDIUM),
        ("redis:7", Look.WEAK),
        ("node-role.kubernetes.io/master:NoSchedule", Look.WEAK),
        ("nginx", Look.UNTAGGED),
        ("bitnami/nginx", Look.UNTAGGED),
        ("kafka.example.com:9092", Look.NONE),
        ("10.0.0.1:80", Look.NONE),
        ("12:30", Look.NONE),
        ("https://quay.io/x/y:1", Look.NONE),
        ("/var/lib/x:1", Look.NONE),
        ("${IMAGE}:1", Look.NONE),
        ("{{ .Values.image }}:1", Look.NONE),
        ("system:serviceaccount:x", Look.NONE),
        (DIGEST, Look.NONE),
        (DIGEST.partition(":")[2], Look.NONE),
        ("Some text: 1", Look.NONE),
        ("", Look.NONE),
        ("日本語:1", Look.NONE),
    ],
)
def test_a_text_looks_like_a_reference_more_or_less(text: str, expected: Look) -> None:
    assert look(text) is expected


@pytest.mark.parametrize(
    "key", ["image", "initImage", "baseImage", "X_IMAGE", "sidecar-image", "docker_image", "imageName"]
)
def test_a_key_that_means_an_image_is_known(key: str) -> None:
    assert is_image_key(key)


@pytest.mark.parametrize(
    "key", ["imagePullPolicy", "imagePullSecrets", "imageFormat", "imageTag", "images_dir", "imagefs"]
)
def test_a_key_that_only_begins_so_is_not(key: str) -> None:
    assert not is_image_key(key)


POD = """
    spec:
      initContainers: [{name: a, image: init:1}]
      containers:
        - name: b
          image: "app"   # not commented:1
        # - image: commented:1
      ephemeralContainers: [{name: c, image: quay.io/x/debug:1}]
      volumes: [{name: v, image: {reference: quay.io/x/data:1}}]
"""


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("v1 Pod", ""),
        ("v1 PodTemplate", "template"),
        ("apps/v1 Deployment", "spec.template"),
        ("apps/v1 StatefulSet", "spec.template"),
        ("apps/v1 DaemonSet", "spec.template"),
        ("apps/v1 ReplicaSet", "spec.template"),
        ("v1 ReplicationController", "spec.template"),
        ("batch/v1 Job", "spec.template"),
        ("batch/v1 CronJob", "spec.jobTemplate.spec.template"),
        ("extensions/v1beta1 Deployment", "spec.template"),
    ],
)
def test_containers_of_every_workload_are_certain(tmp_path: Path, kind: str, path: str) -> None:
    version, kind = kind.split()
    text, indent = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: n}}\n", ""
    for part in filter(None, path.split(".")):
        text += f"{indent}{part}:\n"
        indent += "  "
    found = in_yaml(tmp_path, text + textwrap.indent(textwrap.dedent(POD).lstrip(), indent))
    assert found == {
        "app:latest": "certain",
        "init:1": "certain",
        "quay.io/x/debug:1": "certain",
        "quay.io/x/data:1": "likely",
    }


def test_each_image_says_where_it_stands_and_as_what(tmp_path: Path) -> None:
    text = f"# first\napiVersion: v1\nkind: Pod\nmetadata: {{name: n}}{POD.replace(chr(10) + '    ', chr(10))}"
    put(tmp_path, "manifests/a.yaml", text)
    (app,) = (image for image in find(tmp_path).images if image.reference.familiar == "app:latest")
    assert [str(why) for why in app.why] == ["manifests/a.yaml:9 Pod/n containers[b].image"]


def test_a_list_of_objects_is_looked_through(tmp_path: Path) -> None:
    assert in_yaml(
        tmp_path,
        """
        apiVersion: v1
        kind: List
        items:
          - {apiVersion: v1, kind: Pod, spec: {containers: [{image: a:1}]}}
          - {apiVersion: apps/v1, kind: DeploymentList, items: [
              {apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{image: b:1}]}}}}]}
        """,
    ) == {"a:1": "certain", "b:1": "certain"}


def test_custom_resources_are_walked_by_what_their_fields_are_called(tmp_path: Path) -> None:
    assert in_yaml(
        tmp_path,
        """
        apiVersion: example.com/v1
        kind: Thing
        metadata: {name: n, labels: {image: label:1}}
        spec:
          image: x/main:1.0
          version: v5.2.0
          initImage: busybox:1.33
          pd: {baseImage: pingcap/pd, imagePullPolicy: Always}
          monitor: {baseImage: grafana/grafana, version: 7.5.7}
          toolkit: {repository: nvcr.io/nvidia/k8s, image: container-toolkit, version: v1.9.0}
          sidecars: [{image: {registry: ghcr.io, repository: x/y, tag: "2"}}]
          template: {spec: {containers: [{name: c, image: quay.io/z:3}]}}
          images: [busybox, "quay.io/q:4"]
          other: quay.io/free/text:5
          endpoint: example.com:8080
          chart: {name: redis, repository: "https://charts.example", version: 1.2.3}
          description: needs quay.io/no/image:1
          iconImage: icon.png
        status: {image: quay.io/was/here:1}
        """,
    ) == {
        "x/main:1.0": "likely",
        "busybox:1.33": "likely",
        "pingcap/pd:v5.2.0": "likely",
        "grafana/grafana:7.5.7": "likely",
        "nvcr.io/nvidia/k8s/container-toolkit:v1.9.0": "likely",
        "ghcr.io/x/y:2": "likely",
        "quay.io/z:3": "likely",
        "busybox:latest": "likely",
        "quay.io/q:4": "likely",
        "quay.io/free/text:5": "likely",
    }


def test_variables_and_arguments_name_images_that_an_operator_starts(tmp_path: Path) -> None:
    assert in_yaml(
        tmp_path,
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: n}
        spec: {template: {spec: {containers: [{name: c, image: op:1,
          env: [
            {name: RELATED_IMAGE_DB, value: "db:1"},
            {name: KAFKA_IMAGES, value: "2.7=quay.io/k:2.7\\n3.0=quay.io/k:3.0"},
            {name: SIDECAR, value: "quay.io/side:1"},
            {name: MAYBE, value: "x/maybe:1"},
            {name: ADDRESS, value: "db:5432"},
            {name: TAINT, value: "node-role.kubernetes.io/master:NoSchedule"},
            {name: IMAGE_PULL_POLICY, value: "Always"},
            {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}],
          args: ["--helper-image=helper:2", "--reloader=quay.io/r:1", "--x-image", "next:3", "--address=db:5432",
                 "--taint=a/b:NoSchedule"],
          command: [sh, -c, "kubectl run x --image=busybox:1.28 -- sleep 1"]}]}}}
        """,
    ) == {
        "op:1": "certain",
        "db:1": "likely",
        "quay.io/k:2.7": "likely",
        "quay.io/k:3.0": "likely",
        "quay.io/side:1": "likely",
        "x/maybe:1": "guess",
        "helper:2": "likely",
        "quay.io/r:1": "likely",
        "next:3": "likely",
        "busybox:1.28": "likely",
    }


def test_texts_in_a_config_map_are_documents_settings_or_values(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.yaml",
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: c, annotations: {example.com/image: note:1, example.com/ref: quay.io/note:2}}
        data:
          CSI_IMAGE: csi:1
          default: quay.io/default:1
          address: db:5432
          pod.yaml: |
            apiVersion: v1
            kind: Pod
            spec:
              containers:
                - image: inner:1
          config.json: '{"sidecarImage": "x/side:1.0", "title": "quay.io/no:1"}'
          app.toml: |
            [a]
            # image = "x/comment:1"
            worker_image = "x/worker:1"
        """,
    )
    found = find(tmp_path)
    assert summary(found) == {
        "note:1": "likely",
        "quay.io/note:2": "likely",
        "csi:1": "likely",
        "quay.io/default:1": "likely",
        "inner:1": "likely",
        "x/side:1.0": "likely",
        "x/worker:1": "likely",
    }
    lines = {image.reference.familiar: image.why[0].line for image in found.images}
    assert (lines["inner:1"], lines["x/worker:1"], lines["csi:1"]) == (13, 18, 5)


def test_definitions_cluster_files_and_last_applied_configurations_hold_no_images(tmp_path: Path) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"schema": {"description": "for example quay.io/x/y:1", "default": {"image": "quay.io/x/y:2"}}},
    }
    put(tmp_path, "crd.json", json.dumps(crd))
    put(tmp_path, "Clusterfile.yaml", "apiVersion: sealer.cloud/v2\nkind: Cluster\nspec: {image: quay.io/base:1}\n")
    put(tmp_path, "mine.yaml", "apiVersion: appliance/v1\nkind: Cluster\nspec: {image: quay.io/base:1}\n")
    note = 'kubectl.kubernetes.io/last-applied-configuration: \'{"image": "quay.io/old:1"}\''
    put(tmp_path, "a.yaml", f"apiVersion: v1\nkind: Service\nmetadata: {{name: n, annotations: {{{note}}}}}\n")
    assert find(tmp_path) == Discovery(())


@pytest.mark.parametrize("name", ["imageList", "manifests/imageList", "images/shim/anything", "images/shim/list.txt"])
def test_lists_are_certain(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "\ufeff# a comment\nquay.io/a:1  \n\nb\r\nnot an image\n")
    found = find(tmp_path)
    assert summary(found) == {"quay.io/a:1": "certain", "b:latest": "certain"}
    assert found.warnings == (f"{name}:5: 'not an image' is not an image reference",)


def test_other_lists_are_likely_and_other_texts_are_none(tmp_path: Path) -> None:
    put(tmp_path, "app-images.txt", "a/b:1\nquay.io/c:2\n")
    put(tmp_path, "images.txt", "these images are nice\n")
    put(tmp_path, "README.md", "    image: quay.io/no:1\n")
    assert summary(find(tmp_path)) == {"a/b:1": "likely", "quay.io/c:2": "likely"}


def test_settings_scripts_and_kubefiles_are_read_line_by_line(tmp_path: Path) -> None:
    put(tmp_path, "etc/containerd.toml", 'sandbox_image = "sea.hub:5000/pause:3.6"\n')
    put(tmp_path, "etc/kubelet.service", "ExecStart=kubelet --pod-infra-container-image=k8s.gcr.io/pause:3.2 --v 2\n")
    put(tmp_path, "scripts/go.sh", "IMAGE=app:1\ndocker pull quay.io/x:1 # quay.io/y:1\n")
    put(tmp_path, "Kubefile", "FROM kubernetes:v1.19\n# IMAGE no:1\nIMAGE a:1 quay.io/b:2\n")
    assert summary(find(tmp_path)) == {
        "sea.hub:5000/pause:3.6": "likely",
        "k8s.gcr.io/pause:3.2": "likely",
        "app:1": "likely",
        "quay.io/x:1": "guess",
        "a:1": "certain",
        "quay.io/b:2": "certain",
    }


def test_what_is_no_yaml_does_not_hide_the_documents_beside_it(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a:1}]}\n---\nx: [\nimage: b/c:2\n")
    put(tmp_path, "b.yaml.j2", "image: {{ registry }}/x:1\nsideImage: quay.io/y:1\n")
    found = find(tmp_path)
    assert summary(found) == {"a:1": "certain", "b/c:2": "likely", "quay.io/y:1": "likely"}
    (warning,) = found.warnings
    assert warning.startswith("a.yaml:4: this is no YAML")


def test_aliases_and_merge_keys_are_followed_within_bounds() -> None:
    (document,) = nodes.load("base: &b {image: a:1}\nx:\n  <<: *b\n  y: 1\n")
    assert isinstance(document, Mapping)
    assert document.mapping("x").text("image") == "a:1"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (broken,) = nodes.load(bomb)
    assert isinstance(broken, Broken)


def test_an_ignore_file_leaves_out_files_and_images(tmp_path: Path) -> None:
    put(tmp_path, ".imageignore", "examples/\nquay.io/x/*\nbusybox:*\n")
    put(tmp_path, "examples/a.yaml", "image: a/b:1\n")
    put(tmp_path, "b.yaml", "image: c/d:1\nxImage: quay.io/x/y:1\nyImage: busybox:1\n")
    assert summary(find(tmp_path)) == {"c/d:1": "likely"}


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: demo\nversion: 1.0.0\nappVersion: 2.0.0\n",
    "values.yaml": """
        image: {repository: quay.io/demo/app, tag: ""}
        metrics: {enabled: false, image: {registry: docker.io, repository: demo/metrics, tag: 1.5.0}}
    """,
    "templates/deployment.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: demo}
        spec:
          template:
            spec:
              containers:
                - name: app
                  image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
                {{- if .Values.metrics.enabled }}
                - name: metrics
                  image: {{ with .Values.metrics.image }}{{ .registry }}/{{ .repository }}:{{ .tag }}{{ end }}
                {{- end }}
    """,
    "templates/NOTES.txt": "Now pull quay.io/notes:1 and: enjoy: it\n",
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    for name, text in CHART.items():
        put(tmp_path, f"charts/demo/{name}", text)
    return tmp_path


def test_a_chart_is_rendered_by_helm_and_what_it_does_not_use_is_a_guess(chart: Path) -> None:
    found = find(chart)
    assert summary(found) == {"quay.io/demo/app:2.0.0": "certain", "demo/metrics:1.5.0": "guess"}
    (why,) = found.images[1].why
    assert why.file == "charts/demo:demo/templates/deployment.yaml"
    assert found.warnings == ()


def test_a_chart_is_rendered_with_the_values_that_are_given(chart: Path, tmp_path: Path) -> None:
    put(tmp_path, "given.values", "image: {tag: '3.0'}\n")
    found = find(chart, values=(tmp_path / "given.values",), sets=("metrics.enabled=true",))
    assert summary(found) == {"quay.io/demo/app:3.0": "certain", "demo/metrics:1.5.0": "certain"}


def test_a_chart_is_rendered_as_the_kubefile_installs_it(chart: Path) -> None:
    put(
        chart,
        "Kubefile",
        """
        FROM scratch
        ENV CHART=charts/demo OPTS="--set metrics.enabled=true"
        COPY charts charts
        CMD ["helm upgrade -i demo $(CHART) -n x --create-namespace -f given.yaml $(OPTS) $(SITE)", "kubectl get pods"]
    """,
    )
    put(chart, "given.yaml", "image: {tag: '4.0'}\n")
    assert summary(find(chart)) == {"quay.io/demo/app:4.0": "certain", "demo/metrics:1.5.0": "certain"}


def test_a_chart_that_cannot_be_rendered_is_told_and_its_values_count(chart: Path) -> None:
    put(chart, "charts/demo/templates/x.yaml", '{{ required "a name is needed" .Values.name }}\n')
    found = find(chart)
    assert summary(found) == {"quay.io/demo/app:2.0.0": "likely", "demo/metrics:1.5.0": "likely"}
    (warning,) = found.warnings
    assert "a name is needed" in warning


def test_without_helm_a_chart_is_refused_naming_both_ways(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(sys.modules, "helm_python", None)
    with pytest.raises(ApplianceError, match="can only be read by Helm") as caught:
        find(chart)
    assert caught.value.hint == "put a helm on PATH, or: pip install 'appliance[helm]'"


def test_a_helm_on_path_comes_first(chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        #!/bin/sh
        [ "$*" = "template release %s --namespace apps --set a=b" ] || { echo "Error: $*" >&2; exit 1; }
        printf -- '---\\n# Source: demo/templates/a.yaml\\nkind: Pod\\napiVersion: v1\\n'
        echo 'spec: {containers: [{image: a:1}]}'
    """
    put(chart, "bin/helm", script % (chart / "charts/demo"))
    (chart / "bin/helm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{chart}/bin:/usr/bin:/bin")
    found = find(chart, sets=("a=b",))
    assert summary(found)["a:1"] == "certain"
    (why,) = next(image.why for image in found.images if image.reference.familiar == "a:1")
    assert (why.file, why.line) == ("charts/demo:demo/templates/a.yaml", 4)
    assert "cannot be rendered" in find(chart).warnings[0]


def test_a_kustomization_counts_as_what_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "base/kustomization.yaml", "resources: [pod.yaml]\n")
    put(tmp_path, "base/pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: controller:latest}]}\n")
    put(tmp_path, "over/kustomization.yaml", "resources: [../base]\nimages: [{name: controller, newName: quay.io/c}]\n")
    put(tmp_path, "other.yaml", "image: x/y:1\n")
    made = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: quay.io/c:1}]}\n"
    put(
        tmp_path,
        "tools/kustomize",
        f'#!/bin/sh\n[ "$1 $2" = "build {tmp_path}/over" ] && printf "{made!r}"\n'.replace("'", ""),
    )
    (tmp_path / "tools/kustomize").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:/usr/bin:/bin")
    found = find(tmp_path)
    assert summary(found) == {"quay.io/c:1": "certain", "x/y:1": "likely"}
    assert found.warnings == ()


def test_a_kustomization_that_cannot_be_built_is_told_and_its_parts_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "kustomization.yaml", "resources: [pod.yaml]\n")
    put(tmp_path, "pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a:1}]}\n")
    monkeypatch.setenv("PATH", "/nonexistent")
    found = find(tmp_path)
    assert summary(found) == {"a:1": "certain"}
    assert found.warnings == (
        ".: the kustomization cannot be built: it takes kustomize or kubectl on PATH to build a kustomization",
    )


def test_images_themselves_do_not_name_images(tmp_path: Path) -> None:
    put(tmp_path, "store/oci-layout", "{}")
    put(tmp_path, "store/index.json", '{"manifests": [{"image": "a/b:1"}]}')
    put(tmp_path, "a.json", '{"annotations": {"org.opencontainers.image.base.name": "quay.io/x:1"}, "version": "1"}')
    put(tmp_path, "b.json", f'{{"image": "{DIGEST.partition(":")[2]}", "version": "1.0"}}')
    assert find(tmp_path) == Discovery(())


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such file or folder"):
        find(tmp_path / "none")
    with pytest.raises(RecipeError, match="no such file of values"):
        put(tmp_path, "c/Chart.yaml", CHART["Chart.yaml"])
        find(tmp_path, values=(tmp_path / "none",))


def test_a_single_file_is_looked_at_too(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml", "image: a/b:1\n")
    found = find(tmp_path / "a.yaml")
    assert [str(image.why[0]) for image in found.images] == ["a.yaml:1 image"]


def test_what_an_expression_names_where_an_image_is_to_stand_is_likely(tmp_path: Path) -> None:
    put(
        tmp_path,
        "inject.yaml",
        """
        [[ if .Values.sidecar -]]
        image: [[ annotation .ObjectMeta `sidecar.istio.io/proxyImage` "docker.io/istio/proxyv2:1.1.0" ]]
        policy: [[ or .Values.pull "quay.io/a/policy:1" ]]
        """,
    )
    put(tmp_path, "nested.yaml", 'image: [[ annotation `x` "quay.io/a/nested:1" ]]\n')
    put(tmp_path, "quoted.yaml", "image: \"{{ image | default('quay.io/a/quoted:1') }}\"\n")
    assert summary(find(tmp_path)) == {
        "istio/proxyv2:1.1.0": "likely",
        "quay.io/a/nested:1": "likely",
        "quay.io/a/policy:1": "guess",
        "quay.io/a/quoted:1": "likely",
    }


def test_examples_that_a_config_map_explains_its_keys_with_are_no_images(tmp_path: Path) -> None:
    text = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: config}
        data:
          _example: |
            # queueSidecarImage is what runs beside each container
            queueSidecarImage: quay.io/a/example:1
          queueSidecarImage: quay.io/a/queue:1
    """
    assert in_yaml(tmp_path, text) == {"quay.io/a/queue:1": "likely"}


def test_disks_of_ceph_and_what_a_build_makes_are_no_images(tmp_path: Path) -> None:
    documents = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {
            "containers": [{"name": "a", "image": "kubernetes/pause"}],
            "volumes": [{"name": "v", "rbd": {"monitors": ["10.0.0.1:6789"], "pool": "kube", "image": "foo"}}]}},
        {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaConnect", "metadata": {"name": "c"}, "spec": {
            "image": "quay.io/a/base:1", "build": {"output": {"type": "docker", "image": "quay.io/a/made:1"}}}},
        {"apiVersion": "shipwright.io/v1beta1", "kind": "Build", "metadata": {"name": "b"}, "spec": {
            "output": {"image": "quay.io/a/made:2"}}},
    ]  # fmt: skip
    put(tmp_path, "all.json", json.dumps({"kind": "List", "apiVersion": "v1", "items": documents}))
    assert summary(find(tmp_path)) == {"kubernetes/pause:latest": "certain", "quay.io/a/base:1": "likely"}


def test_a_name_whose_other_parts_are_empty_or_unknown_is_not_carried(tmp_path: Path) -> None:
    text = """
        vgpu: {repository: "", image: vgpu-manager, version: ""}
        kubefed_repo: "{{ base_repo }}/kubesphere"
        kubefed_image: kubefed
        kubefed_image_tag: v0.8.1
        sklearn: {image: gcr.io/a/sklearnserver, defaultImageVersion: 0.1.0}
    """
    assert in_yaml(tmp_path, text) == {"gcr.io/a/sklearnserver:0.1.0": "likely", "vgpu-manager:latest": "guess"}
