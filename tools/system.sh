#!/bin/sh
# Installs, where it may, what the integration tests use from Debian: a Docker Engine, a registry, and other tools that
# read images.
set -eu
missing=""
command -v dockerd >/dev/null 2>&1 || [ -x /usr/sbin/dockerd ] || missing="docker.io iptables"
command -v docker-registry >/dev/null 2>&1 || missing="$missing docker-registry"
for program in skopeo podman umoci oci-image-tool openssl git; do
    command -v $program >/dev/null 2>&1 || missing="$missing $program"
done
command -v ssh-keygen >/dev/null 2>&1 || missing="$missing openssh-client"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing from Debian: $missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
else
    echo "Not installed ($missing): tests that need a Docker Engine or a registry will be skipped and say so."
    [ -z "${CI:-}" ] || exit 1
fi
