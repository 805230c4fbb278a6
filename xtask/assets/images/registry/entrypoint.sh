#!/bin/sh
# Takes what the upstream image takes: a configuration file, a registry command, or any program.
set -eu
case ${1:-} in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
