#!/usr/bin/env bash
# The behaviour suite of the API (tests/apiserver_behaviour.rs) against a real Kubernetes control plane.
#
# GALLEY_TEST_KUBECONFIG names a cluster to use (it must be one for tests: its default namespace is written to). Without it
# etcd, kube-apiserver and kube-controller-manager (for its garbage collector alone) are built with Go from the module proxy
# into .cache/kube and started on loopback, with certificates and data that live as long as this script. The build takes about
# ten minutes of one core and 4 GB of disk, once; what is kept is 250 MB.
set -euo pipefail
cd "$(dirname "$0")/.."

# Kubernetes: the minor version whose types k8s-openapi has. Staging modules carry the same patch version.
version=1.35.4
# etcd: the series that this Kubernetes is released with.
etcd=3.6.5
home="$PWD/.cache/kube"
bin="$home/bin"
kubectl="${GALLEY_TEST_KUBECTL:-$PWD/.cache/bin/kubectl}"

build() {
    [[ -f "$home/built" && "$(cat "$home/built")" == "$version $etcd" ]] && return
    echo "building kube-apiserver $version and etcd $etcd (once, about ten minutes)"
    rm -rf "$home" && mkdir -p "$bin" "$home/kubernetes" "$home/etcd"
    export GOFLAGS="-mod=mod -modcacherw" GOMODCACHE="$home/mod" GOCACHE="$home/objects" GOTOOLCHAIN=local CGO_ENABLED=0
    # k8s.io/kubernetes replaces its staging modules by folders that its module archive does not have: they are published
    # beside it as v0.MINOR.PATCH. Its own go.mod says which they are.
    local staging
    staging="$(cd "$home" && go mod download -json "k8s.io/kubernetes@v$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')"
    {
        printf 'module cluster\n\ngo 1.25.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
        sed -nE "s#^\s*(k8s\.io/[a-z0-9-]+) => \./staging/.*#\t\1 => \1 v0.${version#1.}#p" "$staging"
        printf ')\n'
    } > "$home/kubernetes/go.mod"
    printf 'module cluster\n\ngo 1.24\n\nrequire go.etcd.io/etcd/server/v3 v%s\n' "$etcd" > "$home/etcd/go.mod"
    local of=k8s.io/component-base/version
    (cd "$home/kubernetes" && nice -n 10 go build -trimpath -ldflags "-s -w -X $of.gitVersion=v$version -X $of.gitMajor=1 -X $of.gitMinor=35" \
        -o "$bin/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager)
    (cd "$home/etcd" && nice -n 10 go build -trimpath -ldflags "-s -w" -o "$bin/etcd" go.etcd.io/etcd/server/v3)
    rm -rf "$home/mod" "$home/objects"
    echo "$version $etcd" > "$home/built"
}

if [[ -n "${GALLEY_TEST_KUBECONFIG:-}" ]]; then
    kubeconfig="$GALLEY_TEST_KUBECONFIG"
else
    if [[ ! -f "$home/built" ]] && ! command -v go > /dev/null; then
        echo "SKIPPED: the behaviour suite against a real kube-apiserver; there is no Go on this machine and GALLEY_TEST_KUBECONFIG names no cluster"
        exit 0
    fi
    build
    folder="$(mktemp -d)"
    children=()
    # The API server first, so that it does not complain of a missing etcd; the newest child is the one that depends on the others.
    stop() {
        for ((index = ${#children[@]} - 1; index >= 0; index--)); do
            kill "${children[index]}" 2> /dev/null || true
            wait "${children[index]}" 2> /dev/null || true
        done
        rm -rf "$folder"
    }
    trap stop EXIT
    read -r client peer api < <(python3 -c '
import socket
taken = [socket.socket() for _ in range(3)]
for one in taken: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in taken))')
    token="$(openssl rand -hex 32)"
    openssl genrsa -out "$folder/accounts.key" 2048 2> /dev/null
    echo "$token,suite,suite,system:masters" > "$folder/tokens.csv"

    "$bin/etcd" --data-dir "$folder/etcd" --unsafe-no-fsync --listen-client-urls "http://127.0.0.1:$client" \
        --advertise-client-urls "http://127.0.0.1:$client" --listen-peer-urls "http://127.0.0.1:$peer" \
        --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer" > "$folder/etcd.log" 2>&1 &
    children+=($!)
    "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$api" \
        --cert-dir "$folder/certs" --token-auth-file "$folder/tokens.csv" --authorization-mode RBAC --service-cluster-ip-range 10.0.0.0/24 \
        --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$folder/accounts.key" \
        --service-account-signing-key-file "$folder/accounts.key" --disable-admission-plugins ServiceAccount > "$folder/kube-apiserver.log" 2>&1 &
    children+=($!)
    kubeconfig="$folder/kubeconfig"
    reach() {
        for _ in $(seq 600); do
            # The server makes its certificate at start; its own file is the authority that signed it.
            if [[ -f "$folder/certs/apiserver.crt" ]]; then
                cat > "$kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: suite
clusters: [{name: suite, cluster: {server: "https://127.0.0.1:$api", certificate-authority: "$folder/certs/apiserver.crt"}}]
users: [{name: suite, user: {token: "$token"}}]
contexts: [{name: suite, context: {cluster: suite, user: suite, namespace: default}}]
YAML
                "$kubectl" --kubeconfig "$kubeconfig" get --raw /readyz > /dev/null 2>&1 && return
            fi
            kill -0 "${children[1]}" 2> /dev/null || break
            sleep 0.2
        done
        tail -n 20 "$folder/kube-apiserver.log" >&2
        echo "kube-apiserver does not become ready" >&2
        exit 1
    }
    reach
fi

"$kubectl" --kubeconfig "$kubeconfig" version
"$kubectl" --kubeconfig "$kubeconfig" apply --server-side -f crds/ > /dev/null
"$kubectl" --kubeconfig "$kubeconfig" wait --for condition=Established --timeout 60s crd --all > /dev/null
if [[ -z "${GALLEY_TEST_KUBECONFIG:-}" ]]; then
    # After the definitions: the garbage collector looks for new kinds only every half minute.
    "$bin/kube-controller-manager" --kubeconfig "$kubeconfig" --controllers garbage-collector-controller --leader-elect=false \
        --secure-port 0 > "$folder/kube-controller-manager.log" 2>&1 &
    children+=($!)
fi

GALLEY_TEST_KUBECONFIG="$kubeconfig" tools/test.sh --test apiserver_behaviour
