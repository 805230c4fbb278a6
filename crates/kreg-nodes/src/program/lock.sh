# --- Lock ---------------------------------------------------------------------------------

# One kreg at a time on a node. The lock is on the directory of all journals, which the one
# before us may have removed while we waited: then we begin anew.
take_lock() {
  ! leads_out "${base#"$root"}/" || fail lock "${base#"$root"}" "is in $leads, by way of a link out of $root"
  waited=0 bare=0
  until try_lock; do
    [ "$waited" -lt "${KREG_LOCK_WAIT-30}" ] ||
      fail lock "${base#"$root"}" "another kreg has been at work on this node for $waited s; if none is, remove ${base#"$root"}/lock"
    waited=$((waited + 1))
    sleep 1
  done
  cd /
}

try_lock() {
  make_base
  cd "$base" 2>/dev/null || fail lock "${base#"$root"}" "cannot be entered"
  if command -v flock >/dev/null 2>&1; then
    exec 9<.
    # shellcheck disable=SC3013 # -ef: POSIX.1-2024, and in dash, bash and busybox long since
    if flock -n 9 && [ . -ef "$base" ]; then
      locked=flock
      return 0
    fi
    exec 9<&-
    return 1
  fi
  # Unlike the other, a directory outlives its owner.
  if is_left "$base/lock" && mv "$base/lock" "$base/lock.$$" 2>/dev/null; then
    # By a rename, since only one can do that; and what it took must still be what was looked at.
    if is_left "$base/lock.$$"; then rm -rf "$base/lock.$$"; else mv "$base/lock.$$" "$base/lock"; fi
  fi
  mkdir "$base/lock" 2>/dev/null || return 1
  locked='mkdir'
  know_self
  { printf '%s\n' "$boot $up $space $$ $start" >"$base/lock/owner"; } 2>/dev/null
  return 0
}

# What tells later whether the owner of a lock is there: boot, seconds since it, space of processes,
# and below its number when the process was started. `-` where nothing says so.
know_self() {
  boot='-' up=0 space=$(readlink /proc/self/ns/pid 2>/dev/null) || space='-'
  { read -r boot </proc/sys/kernel/random/boot_id && read -r up _ </proc/uptime; } 2>/dev/null || boot='-'
  up=${up%.*}
  start_of $$
}

# start_of PID: field 22 of /proc/PID/stat.
start_of() {
  line='' start='-'
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  # shellcheck disable=SC2086 # split into fields on purpose
  set -- ${line##*) }
  start=${20}
}

# is_left LOCK: whether its owner is gone. Sure in the same boot and space of processes; a Pod's own
# are not seen from outside, and no kreg works for a quarter of an hour.
is_left() {
  [ -d "$1" ] || return 1
  was_boot='' was_up='' was_space='' was_pid='' was_start=''
  { read -r was_boot was_up was_space was_pid was_start <"$1/owner"; } 2>/dev/null
  if [ -z "$was_start" ]; then
    # Made, and its owner gone before it had a name: in use, that is over at once.
    bare=$((bare + 1))
    [ "$bare" -gt 10 ]
    return
  fi
  know_self
  if [ "$was_boot" = - ] || [ "$boot" = - ]; then
    return 1
  elif [ "$was_boot" != "$boot" ]; then
    return 0
  elif [ "$was_space" = "$space" ] && [ "$space" != - ]; then
    start_of "$was_pid"
    [ "$start" != "$was_start" ]
  else
    [ $((up - was_up)) -gt 900 ]
  fi
}

make_base() {
  [ ! -d "$base" ] || return 0
  [ -d "$root/var/lib" ] || made=yes
  message=$(mkdir -p "$base" 2>&1) || fail journal "${base#"$root"}" "$message"
}
