# Whether this agent keeps its node: its last round went well, and ended not long ago. If not, one line
# says why; the kubelet puts it into the Pod's events.
set -u

not_ready() {
  printf '%s\n' "$1"
  exit 1
}

last_round
if [ -z "$age" ]; then
  # It may be written at this moment.
  sleep 1
  last_round
fi
[ -n "$age" ] || not_ready "this agent has not finished a round yet"
[ "$age" -le "${KREG_STALE-$stale}" ] ||
  not_ready "the last round of this agent ended $age s ago, and none may be older than ${KREG_STALE-$stale} s: it hangs"
[ -f "$state/ready" ] || not_ready "the last round did not go well: $(head -c 500 "$state/answer" 2>/dev/null)"
