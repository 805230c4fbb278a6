#!/bin/sh
# runc for a machine that does not hold CAP_SYS_RESOURCE itself and so cannot give it away:
# "docker run --privileged" and privileged Pods ask for every capability and would fail.
# The capability is taken out of the bundle (create, run) or of the process file (exec),
# a negative oomScoreAdj, which needs the same capability, becomes 0, then the real runc runs.
set -eu

runc=${KREG_RUNC:-/usr/sbin/runc}

# Bit 24 of the bounding set. Where it is held there is nothing to take away.
held=$(sed -n 's/^CapBnd:[[:space:]]*//p' "${KREG_STATUS:-/proc/self/status}")
[ $((0x${held:-0} >> 24 & 1)) -eq 0 ] || exec "$runc" "$@"

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

# Most ask for neither, and the whole file need not be read as JSON.
if [ -n "$file" ] && [ -f "$file" ] && grep -Eq 'CAP_SYS_RESOURCE|"oomScoreAdj": ?-' "$file"; then
    jq '
        def lowered:
            if .capabilities then .capabilities |= map_values(map(select(. != "CAP_SYS_RESOURCE"))) else . end
            | if (.oomScoreAdj // 0) < 0 then .oomScoreAdj = 0 else . end;
        if has("process") then .process |= lowered else lowered end
    ' "$file" >"$file.kreg"
    mv "$file.kreg" "$file"
fi

exec "$runc" "$@"
