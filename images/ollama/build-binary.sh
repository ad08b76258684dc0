#!/usr/bin/env bash
# Builds the Ollama server from its Go module, for sites that reach package mirrors but no image registry.
# usage: build-binary.sh OUTPUT_DIRECTORY      (writes OUTPUT_DIRECTORY/ollama)
# The result is kept in the cache by version and CPU flavour, so the next call only copies it. Needs Go, g++ and, on
# Debian or Ubuntu, apt: two header packages are unpacked into the cache and nothing is installed on this machine.
set -euo pipefail

version=0.17.4
audio_headers=v0.11.23
output=${1:?usage: build-binary.sh OUTPUT_DIRECTORY}
cache="${SLM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slm-stacks}"

fail() { printf 'build-binary.sh: %s\n' "$*" >&2; exit 1; }

# One library per CPU generation comes with the official image. A build from source has one: three to four times the
# tokens per second when the compiler may use what this machine's CPU has, and an illegal instruction where it has not.
flavour=baseline optimise=-O3
cpu_has() { grep -qwm1 "$1" /proc/cpuinfo 2>/dev/null; }
if cpu_has avx2 && cpu_has fma && cpu_has f16c && cpu_has bmi2; then
  flavour=avx2 optimise='-O3 -mavx2 -mfma -mf16c -mbmi2'
fi
flavour="$(uname -m)-${SLM_OLLAMA_FLAVOUR:-$flavour}"
[[ $flavour == *-baseline ]] && optimise=-O3

kept="$cache/tools/ollama/$version-$flavour"
if [[ ! -x $kept/ollama ]]; then
  command -v go >/dev/null || fail "Go is missing, so Ollama cannot be built: install Go 1.24 or newer (e.g. apt-get install golang)"
  command -v g++ >/dev/null || fail "g++ is missing, so Ollama cannot be built: install it (e.g. apt-get install g++)"
  mkdir -p "$kept"
  exec 9>"$kept.lock"
  flock 9
fi
if [[ ! -x $kept/ollama ]]; then
  work="$(mktemp -d "$kept/build.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  module() { (cd "$work" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p'); }
  # Go drops directories called "vendor" from module archives, and three headers lived there.
  mkdir -p "$work/include/miniaudio" "$work/deb"
  cp "$(module "github.com/gen2brain/malgo@$audio_headers")/miniaudio.h" "$work/include/miniaudio/"
  command -v apt-get >/dev/null || fail "the headers Ollama needs come from Debian or Ubuntu packages, and there is no apt"
  headers() { (cd "$work/deb" && apt-get -qq -o APT::Sandbox::User=root download nlohmann-json3-dev libstb-dev); }
  headers >/dev/null 2>&1 || { apt-get -qq update >&2 && headers >/dev/null; } ||
    fail "apt cannot download nlohmann-json3-dev and libstb-dev, so Ollama cannot be built: check apt-get update"
  for archive in "$work"/deb/*.deb; do dpkg-deb -x "$archive" "$work/deb/root"; done
  cp -r "$work/deb/root/usr/include/." "$work/include/"
  source_directory="$(module "github.com/ollama/ollama@v$version")"
  printf 'building ollama %s (%s); this takes some minutes\n' "$version" "$flavour" >&2
  (cd "$source_directory" && CGO_ENABLED=1 CGO_CPPFLAGS="-I$work/include" CGO_CFLAGS="$optimise" CGO_CXXFLAGS="$optimise" \
    nice -n 10 go build -trimpath -o "$work/ollama" \
      -ldflags "-s -w -X github.com/ollama/ollama/version.Version=$version" .)
  mv "$work/ollama" "$kept/ollama"
fi
mkdir -p "$output"
cp "$kept/ollama" "$output/ollama"
