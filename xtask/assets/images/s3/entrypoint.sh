#!/bin/sh
# Waits for its certificate, which must name an address that is known only once this runs.
# Where its metadata lies: not in extended attributes, which not every file system of a container has.
set -eu
until [ -s /tls/tls.crt ] && [ -s /tls/tls.key ]; do sleep 0.1; done
exec versitygw --quiet --port :9000 --cert /tls/tls.crt --key /tls/tls.key posix --sidecar /meta /data
