# --- The runtime's configuration and its restart ------------------------------------------

# put_config PATH WAS CONTENT: PATH, which holds what the function WAS prints, comes to hold what
# CONTENT prints.
put_config() {
  begin_with "$1"
  if [ -f "$target" ] && "$3" | same_as "$target"; then
    as_wanted "$1"
    return 0
  fi
  if [ -f "$target" ] && ! "$2" | same_as "$target"; then
    fail check "$1" "was changed while kreg looked at this node; try again"
  fi
  if [ -z "$entry" ]; then
    new_entry config "$1" "$3"
  else
    next_version "$1" "$3"
  fi
  no_old_temp
  message=$({
    { [ ! -f "$target" ] || cp -p "$target" "$temp"; } &&
      "$3" | into "$temp" "$3"
  } 2>&1) || no_temp write "$1" "$message"
  put_in_place "$1" ""
}

# within SECONDS COMMAND...: what hangs is ended, if there is anything to end it with.
within() {
  if command -v timeout >/dev/null 2>&1; then
    timeout -s KILL "$@"
  else
    shift
    "$@"
  fi
}

# Before anything is changed: whether it can be restarted here, and who can tell that it is well.
can_restart() {
  within "$ask_within" systemctl is-active --quiet "$unit" 2>/dev/null ||
    fail restart "$config" "$unit does not run as a service of systemd here; set config_path and restart it yourself"
  for witness in crictl ctr journalctl none; do
    ! command -v "$witness" >/dev/null 2>&1 || break
  done
  [ "$witness" != none ] ||
    fail restart "$config" "neither crictl, ctr nor journalctl is on this node to tell whether $unit is well after a restart"
  message=$(cri_answers 2>&1) ||
    fail restart "$config" "$unit is not well even before a restart: $message"
}

# The CRI itself, asked by crictl; else its plugin's state, by containerd's own client; else what
# containerd has logged since it was started.
cri_answers() {
  case $witness in
    crictl) within "$ask_within" crictl --timeout 5s --runtime-endpoint "unix://$socket" version >/dev/null ;;
    ctr)
      plugins=$(within "$ask_within" ctr --address "$socket" --connect-timeout 5s --timeout 5s plugins ls) || return 1
      words=$(printf '%s\n' "$plugins" | while read -r _ id _ status; do
        [ "$id" != cri ] || printf '%s' "$status"
      done)
      [ "$words" = ok ] || {
        printf 'its CRI plugin is in the state %s' "${words:-missing}"
        return 1
      }
      ;;
    *)
      within "$ask_within" systemctl is-active --quiet "$unit" || {
        printf '%s is not active' "$unit"
        return 1
      }
      pid=$(within "$ask_within" systemctl show --property MainPID --value "$unit")
      ! within "$ask_within" journalctl --no-pager --quiet --output cat "_PID=$pid" | grep 'failed to load plugin.*[ ."]cri'
      ;;
  esac
}

# Seconds since boot: a clock that is set meanwhile changes nothing (proc_uptime(5)).
seconds() {
  if { read -r passed _ </proc/uptime; } 2>/dev/null; then
    printf '%s' "${passed%.*}"
  else
    date +%s
  fi
}

# restarted: restarts it and waits until it is well; says what is not.
restarted() {
  within "$ask_within" systemctl reset-failed "$unit" 2>/dev/null
  words=$(within "$restart_within" systemctl restart "$unit" 2>&1) || {
    printf 'systemctl restart %s: %s' "$unit" "${words:-it gave up, or had no end within $restart_within s}"
    return 1
  }
  # Not in rounds: one may take as long as all are given.
  deadline=$(($(seconds) + well_within))
  until words=$(cri_answers 2>&1); do
    [ "$(seconds)" -lt "$deadline" ] || {
      printf 'its CRI does not answer within %s s of the restart: %s' "$well_within" "$words"
      return 1
    }
    sleep 1
  done
}

restart_runtime() {
  if why=$(restarted); then
    state=changed
    return 0
  fi
  log=$(within "$ask_within" journalctl --no-pager --quiet --output cat --lines 200 --unit "$unit" 2>/dev/null |
    sed -n '/level=error/p;/level=fatal/p;/^containerd: /p' | tail -n 2)
  failed_step=restart
  report "$config" failed "was read by $unit, which did not come back: $why. $log"
  find_entry "$config"
  [ -n "$entry" ] || finish
  undo_entry
  # What keeps it from being put back is told by then.
  [ ! -f "$entry/entry" ] || finish
  if again=$(restarted); then
    report "$config" failed "was put back, and $unit was restarted again, and is well"
  else
    report "$config" failed "was put back, and still $unit does not come back: $again"
  fi
  drop_made
  finish
}
