#!/bin/sh
# Grafana wants its provisioning files in folders, and files of a workload lie side by side: they are laid out before it
# starts. /run.sh is the start of Grafana's own image, which reads secrets from the files that variables name.
set -eu
mkdir -p /tmp/provisioning/datasources /tmp/provisioning/dashboards /tmp/provisioning/pages
cp /etc/slm/datasources.yml /tmp/provisioning/datasources/
cp /etc/slm/dashboards.yml /tmp/provisioning/dashboards/
for page in /etc/slm/*.json; do
  [ ! -e "$page" ] || cp "$page" /tmp/provisioning/pages/
done
exec /run.sh
