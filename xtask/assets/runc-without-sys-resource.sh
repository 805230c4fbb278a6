#!/bin/sh
# runc for a machine that does not hold CAP_SYS_RESOURCE itself and so cannot give it away:
# "docker run --privileged" and privileged Pods ask for every capability and would fail.
# The capability is taken out of the bundle (create, run) or of the process file (exec),
# a negative oomScoreAdj, which needs the same capability, becomes 0, then the real runc runs.
set -eu

runc=${KREG_RUNC:-/usr/sbin/runc}

command=
bundle=.
process=
previous=
for argument in "$@"; do
    case $previous in
    --bundle | -b) bundle=$argument ;;
    --process | -p) process=$argument ;;
    esac
    case $argument in
    --bundle=*) bundle=${argument#*=} ;;
    --process=*) process=${argument#*=} ;;
    create | run | exec) [ -n "$command" ] || command=$argument ;;
    esac
    previous=$argument
done

case $command in
create | run) file=$bundle/config.json ;;
exec) file=$process ;;
*) file= ;;
esac

# Bit 24 of the bounding set. Where it is held there is nothing to take away.
is_held() {
    held=$(sed -n 's/^CapBnd:[[:space:]]*//p' "${KREG_STATUS:-/proc/self/status}")
    [ $((0x${held:-0} >> 24 & 1)) -ne 0 ]
}

# Whole tokens of JSON: inside a string their quotes would stand behind a backslash.
if [ -n "$file" ] && grep -Eqs '"CAP_SYS_RESOURCE"|"oomScoreAdj": *-' "$file" && ! is_held; then
    sed -E -e 's/"CAP_SYS_RESOURCE" *, *//g; s/, *"CAP_SYS_RESOURCE"//g; s/"CAP_SYS_RESOURCE"//g' \
        -e 's/("oomScoreAdj": *)-[0-9]+/\10/g' "$file" >"$file.kreg"
    mv "$file.kreg" "$file"
fi

exec "$runc" "$@"
