# --- Lock ---------------------------------------------------------------------------------

# One kreg at a time on a node. The lock is on the directory of all journals, which the one
# before us may have removed while we waited: then we begin anew.
take_lock() {
  ! leads_out "${base#"$root"}/" || fail lock "${base#"$root"}" "is in $leads, by way of a link out of $root"
  waited=0
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
  elif mkdir "$base/lock" 2>/dev/null; then
    locked='mkdir'
    return 0
  fi
  return 1
}

make_base() {
  [ ! -d "$base" ] || return 0
  [ -d "$root/var/lib" ] || made=yes
  message=$(mkdir -p "$base" 2>&1) || fail journal "${base#"$root"}" "$message"
}
