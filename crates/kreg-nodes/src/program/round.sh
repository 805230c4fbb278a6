state=${KREG_STATE-/run/kreg}

# Sets $age to the seconds since the agent's last round ended, and leaves it empty where nothing says so.
# Both are seconds since the node's boot, which no clock that is set changes (proc_uptime(5)).
last_round() {
  age='' round='' up=''
  { read -r round <"$state/round" && read -r up _ </proc/uptime; } 2>/dev/null || return 0
  case $round in '' | *[!0-9]*) return 0 ;; esac
  age=$((${up%%.*} - round))
}
