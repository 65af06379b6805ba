#!/bin/bash
# kubeadm-by-hand.sh PARTS LAB KEY KNOWN_HOSTS FIRST OTHER…: a cluster of Kubernetes the way one would type it, host by host at once.
#
# Programs and images go by tar over ssh to all hosts side by side; images are imported, without a registry; etcd is kubeadm's
# own. LAB is bundles/kubernetes/lab.yaml. Prints the seconds that copying, preparing, and the cluster itself (kubeadm init until all nodes are ready) took.
set -euo pipefail
parts=$1 lab=$2 key=$3 known_hosts=$4 first=$5
shift 5
hosts=("$first" "$@")
token=abcdef.0123456789abcdef

on() { local host=$1; shift; ssh -F none -i "$key" -o "UserKnownHostsFile=$known_hosts" -o LogLevel=ERROR "root@$host" "$@"; }
everywhere() { # a function for each host, side by side
    local host jobs=()
    for host in "${hosts[@]}"; do "$1" "$host" & jobs+=($!); done
    for job in "${jobs[@]}"; do wait "$job"; done
}
copy() { tar -C "$parts" -cf - bin lib libexec manifests images | on "$1" 'mkdir -p /opt/parts && tar -C /opt/parts -xf -'; }
prepare() {
    on "$1" bash -s > /dev/null << 'HOST'
set -euo pipefail
path=/opt/parts/bin:$PATH
mkdir -p /etc/containerd /etc/kubernetes/manifests
cat > /etc/containerd/config.toml << 'TOML'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "k8s.gcr.io/pause:3.2"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/parts/libexec/cni"
TOML
unit() { printf '[Service]\nEnvironment=PATH=%s\n%s\n[Install]\nWantedBy=multi-user.target\n' "$path" "$2" > "/etc/systemd/system/$1"; }
unit containerd.service 'Type=notify
ExecStart=/opt/parts/bin/containerd
Delegate=yes
KillMode=process
LimitNOFILE=1048576
TasksMax=infinity'
unit kubelet.service 'Restart=always
RestartSec=2
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/opt/parts/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS'
sysctl -q net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
systemctl daemon-reload
systemctl enable -q --now containerd
systemctl enable -q kubelet
for archive in /opt/parts/images/*.tar; do /opt/parts/bin/ctr -n k8s.io images import "$archive"; done
HOST
}
seconds() { echo "$1 $(($(date +%s%N) - began))" | awk '{printf "%s %.2f\n", $1, $2 / 1e9}'; began=$(date +%s%N); }

began=$(date +%s%N)
everywhere copy
seconds copying
everywhere prepare
seconds preparing
on "$first" 'cat > /root/lab.yaml' < "$lab"
on "$first" bash -s "$first" "$token" > /dev/null << 'INIT'
set -euo pipefail
export PATH=/opt/parts/bin:$PATH KUBECONFIG=/etc/kubernetes/admin.conf
cat > /root/kubeadm.yaml << YAML
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
bootstrapTokens: [{token: $2}]
localAPIEndpoint: {advertiseAddress: $1}
nodeRegistration: {criSocket: /run/containerd/containerd.sock}
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.20.2
networking: {podSubnet: 10.244.0.0/16}
---
YAML
cat /root/lab.yaml >> /root/kubeadm.yaml
kubeadm init --config /root/kubeadm.yaml
kubectl apply -f /opt/parts/manifests/cni
INIT
pin=$(on "$first" 'openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -d" " -f1')
join() {
    [ "$1" = "$first" ] ||
        on "$1" "PATH=/opt/parts/bin:\$PATH kubeadm join $first:6443 --token $token --discovery-token-ca-cert-hash sha256:$pin" > /dev/null
}
everywhere join
on "$first" "KUBECONFIG=/etc/kubernetes/admin.conf /opt/parts/bin/kubectl wait --for=condition=Ready node --all --timeout=300s" > /dev/null
seconds cluster
