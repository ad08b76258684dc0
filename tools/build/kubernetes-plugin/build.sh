#!/usr/bin/env bash
# Builds Pulumi's own Kubernetes plugin from its source on the Go module proxy: build.sh TARGET.
# It cannot be a plain `go build`: the schema that the program embeds lies in the module, not in a package, and the
# newest source served is older than the SDK (prepare/edits.go says what is raised and what is left out).
set -euo pipefail

# That of pulumi-kubernetes in uv.lock; tools.toml has it too.
version=4.34.2
module=github.com/pulumi/pulumi-kubernetes/provider/v4

target=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

# tools.toml's digest of a tool covers this script alone; these digests make it cover what lies beside it.
while read -r digest file; do
  found=$( (sha256sum "$file" 2>/dev/null || shasum -a 256 "$file") | cut -d' ' -f1)
  if [ "$found" != "$digest" ]; then
    echo "tools/build/kubernetes-plugin/$file has changed: write its digest $found into build.sh" >&2
    exit 1
  fi
done <<'SUMS'
7108b1ac7864455ddb2576ecae18cf691c47e12e12c13a1a90c7b9d7f0c618d1 go.mod
928b714e4ffbae833a6779cde2ed915a6b144b2c73e0d96671d1d2ee4aabf93c go.sum
ed1f24b7c233ef23c9266632145cd2e1f0f1238ed51049111f256180e5e9b1e2 main.go
2ea74cf605a811e9367aaa37fbdbccbaca353598c87c528ff5f769dc7c0cd0e5 prepare/edits.go
60ef062563396254f9b8a60f04f3ef2d61bf412bdbc421bb8f014cc247b55f9c prepare/main.go
SUMS

work=$target.src
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
cp -R go.mod go.sum main.go prepare "$work/"
cd "$work"

export GOFLAGS="-mod=readonly -buildvcs=false -modcacherw" GOWORK=off CGO_ENABLED=0
go mod download "$module"
cp -R "$(go list -m -f '{{.Dir}}' "$module")" upstream
chmod -R u+w upstream
go run ./prepare upstream "$version"
go mod edit -replace "$module=./upstream"
go build -trimpath -ldflags "-s -w -X $module/pkg/version.Version=$version" -o "$target/pulumi-resource-kubernetes" .
