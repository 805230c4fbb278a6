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
    fail check "$1" "was changed while kreg looked at this node; run kreg again"
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

# Before anything is changed: whether it can be restarted here, and who can tell that it is well.
can_restart() {
  systemctl is-active --quiet "$unit" 2>/dev/null ||
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
    crictl) crictl --timeout 5s --runtime-endpoint "unix://$socket" version >/dev/null ;;
    ctr)
      plugins=$(ctr --address "$socket" --connect-timeout 5s --timeout 5s plugins ls) || return 1
      words=$(printf '%s\n' "$plugins" | while read -r _ id _ status; do
        [ "$id" != cri ] || printf '%s' "$status"
      done)
      [ "$words" = ok ] || {
        printf 'its CRI plugin is in the state %s' "${words:-missing}"
        return 1
      }
      ;;
    *)
      systemctl is-active --quiet "$unit" || {
        printf '%s is not active' "$unit"
        return 1
      }
      pid=$(systemctl show --property MainPID --value "$unit")
      ! journalctl --no-pager --quiet --output cat "_PID=$pid" | grep 'failed to load plugin.*[ ."]cri'
      ;;
  esac
}

# restarted: restarts it and waits until it is well; says what is not.
restarted() {
  systemctl reset-failed "$unit" 2>/dev/null
  words=$(systemctl restart "$unit" 2>&1) || {
    printf 'systemctl restart %s: %s' "$unit" "$words"
    return 1
  }
  waited=0
  until words=$(cri_answers 2>&1); do
    [ "$waited" -lt "${KREG_RESTART_WAIT-60}" ] || {
      printf 'its CRI does not answer %s s after the restart: %s' "$waited" "$words"
      return 1
    }
    waited=$((waited + 1))
    sleep 1
  done
}

restart_runtime() {
  if why=$(restarted); then
    state=changed
    return 0
  fi
  log=$(journalctl --no-pager --quiet --output cat --lines 200 --unit "$unit" 2>/dev/null |
    sed -n '/level=error/p;/level=fatal/p;/^containerd: /p' | tail -n 2)
  failed_step=restart
  find_entry "$config"
  if [ -z "$entry" ]; then
    report "$config" failed "$unit did not come back ($why): $log"
    finish
  fi
  undo_entry
  if again=$(restarted); then
    report "$config" failed "$unit did not come back with config_path, so its configuration was put back and it was restarted again, and is well. What it said: $why. $log"
  else
    report "$config" failed "$unit did not come back with config_path ($why); its configuration was put back, and still it does not come back: $again. $log"
  fi
  has_entries || [ ! -f "$journal/made" ] || rm -f "$journal/made"
  finish
}
