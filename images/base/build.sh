#!/bin/sh
# Makes a Debian base image from distribution packages, for sites that reach no image registry.
#
#   build.sh SUITE TAG        for example: build.sh bookworm slm.local/base:bookworm
#
# SUITE is a Debian suite (bookworm, trixie); TAG is what the image is called in the local Docker engine. An image of
# that name is replaced. Packages come from debootstrap's own default mirror, or from SLM_DEBIAN_MIRROR (a URL ending
# in /debian; its security updates are expected beside it, in the same URL with "-security" appended).
# Needs root, debootstrap, docker and about 600 MB in the cache; takes one to two minutes.
# Exit codes: 0 made, 1 failed on the way, 2 wrong usage or something is missing (the message says what to install).
set -eu

fail() { printf 'base image: %s\n' "$2" >&2; exit "$1"; }

[ $# -eq 2 ] || fail 2 "usage: build.sh SUITE TAG"
suite=$1 tag=$2
[ "$(id -u)" -eq 0 ] || fail 2 "debootstrap needs root to make device nodes and owners; run it with sudo"
for tool in debootstrap docker tar; do
  command -v "$tool" >/dev/null || fail 2 "'$tool' is missing; install it with: apt-get install debootstrap docker.io tar"
done

work=${SLM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/slm-stacks}/base
mkdir -p "$work"
root=$(mktemp -d "$work/$suite.XXXXXX")
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
trap 'exit 1' INT TERM HUP

# Programs that speak TLS need the certificate bundle; everything else an image adds for itself.
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" ${SLM_DEBIAN_MIRROR:+"$SLM_DEBIAN_MIRROR"} \
  || fail 1 "debootstrap of '$suite' failed; its last lines are above and in $root/debootstrap/debootstrap.log"

# debootstrap installs the suite as released; fixes made since then live in two further suites.
mirror=$(awk '$1 == "deb" { print $2; exit }' "$root/etc/apt/sources.list")
mirror=${mirror%/}
cat >"$root/etc/apt/sources.list" <<LIST
deb $mirror $suite main
deb $mirror $suite-updates main
deb $mirror-security $suite-security main
LIST
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c 'apt-get -q update && apt-get -qy dist-upgrade && apt-get -qy clean' \
  || fail 1 "security updates for '$suite' cannot be had; an image without them is not made. Check $mirror-security"

# Later installs in images built on this one keep the licences and drop manuals and translations as well.
cat >"$root/etc/dpkg/dpkg.cfg.d/slm" <<'RULES'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
RULES
printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n' >"$root/etc/apt/apt.conf.d/90slm"
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root/usr/share/man" "$root/usr/share/locale" "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/*
# The build machine's name and resolver are nobody's business; Docker mounts its own over these files.
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
: >"$root/etc/machine-id"
# No process of ours may gain rights by a setuid program (CIS Docker 4.8); no-new-privileges is the second lock.
find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +

tar --numeric-owner --sort=name --exclude=./proc/* --exclude=./sys/* --exclude=./dev/* -C "$root" -c . \
  | docker import --change 'CMD ["/bin/bash"]' --change "LABEL org.slm.suite=$suite" --message "debootstrap $suite" - "$tag" \
  || fail 1 "docker import failed; is the engine running and is there space?"
