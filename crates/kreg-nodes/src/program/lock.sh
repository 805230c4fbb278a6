# --- Lock ---------------------------------------------------------------------------------

# One kreg at a time on a node. Each program puts a file of its own into the directory of all
# journals and goes on when no other program's file is there, so of two programs at least the later
# one sees the other. The file's name says who its owner is: no two programs share a name, and a
# name that is found to be left can be removed without a look at who came meanwhile. flock(1) is
# taken too where the node has it, but a Pod's image may have none, so it is never the only lock.
take_lock() {
  ! leads_out "${base#"$root"}/" || fail lock "${base#"$root"}" "is in $leads, by way of a link out of $root"
  know_self
  waited=0
  until try_lock; do
    [ "$waited" -lt "${KREG_LOCK_WAIT-30}" ] ||
      fail lock "${base#"$root"}" "another kreg has worked on this node for $waited s ($holder); if no kreg is running there, remove ${base#"$root"}/.lock.* and try again"
    waited=$((waited + 1))
    sleep 1
  done
  locked=yes
}

try_lock() {
  announce
  for entry in "$base"/.lock.*; do
    if [ "$entry" = "$mine" ] || [ ! -e "$entry" ]; then
      continue
    elif is_left "${entry##*/.lock.}"; then
      rm -f "$entry"
      continue
    fi
    holder=${entry##*/}
    # Two that start at once see each other: one of them waits where it is, the other steps back.
    # shellcheck disable=SC3012 # \<: POSIX.1-2024, and in dash, bash and busybox long since
    [ "$mine" \< "$entry" ] || rm -f "$mine"
    return 1
  done
  command -v flock >/dev/null 2>&1 || return 0
  # Nobody removes the directory while our file is in it.
  exec 9<"$base"
  if flock -n 9; then
    return 0
  fi
  exec 9<&-
  holder='seen by flock'
  rm -f "$mine"
  return 1
}

# Puts our file there. The one before us may remove the directory, which is empty for a moment.
announce() {
  [ ! -e "$mine" ] || return 0
  for _ in 1 2 3 4 5; do
    make_base
    message=$({ printf '' >"$mine"; } 2>&1)
    [ ! -e "$mine" ] || return 0
  done
  fail lock "${base#"$root"}" "cannot be locked: $message"
}

# Sets $mine to our file: boot, space of processes, process, when that was started, and seconds since
# boot, with dots between. `-` where nothing says so.
know_self() {
  boot='-' up=0 space=$(readlink /proc/self/ns/pid 2>/dev/null) || space='-'
  { read -r boot </proc/sys/kernel/random/boot_id && read -r up _ </proc/uptime; } 2>/dev/null || boot='-'
  space=${space#pid:\[}
  space=${space%\]}
  start_of $$
  up=${up%.*}
  mine=$base/.lock.$boot.$space.$$.$start.$up
}

# start_of PID: field 22 of /proc/PID/stat; `-` if there is no such process, or if it has ended and its
# parent has not looked yet (proc_pid_stat(5)).
start_of() {
  line='' start='-'
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  # shellcheck disable=SC2086 # split into fields on purpose
  set -- ${line##*) }
  case $1 in Z | X) ;; *) start=${20} ;; esac
}

# is_left BOOT.SPACE.PID.START.UP: whether this owner is gone. Sure after another boot and in the same
# space of processes. A Pod's processes are not seen from outside, and no kreg works for a quarter of an
# hour. A name of another form is taken for an owner that is there.
is_left() {
  words=$IFS
  IFS=.
  # shellcheck disable=SC2086 # split into fields on purpose
  set -- $1
  IFS=$words
  if [ $# -ne 5 ] || [ "$1" = - ] || [ "$boot" = - ]; then
    return 1
  fi
  case $5 in '' | *[!0-9]*) return 1 ;; esac
  if [ "$1" != "$boot" ]; then
    return 0
  elif [ "$2" = "$space" ] && [ "$space" != - ]; then
    start_of "$3"
    [ "$start" != "$4" ]
  else
    read -r now _ </proc/uptime
    [ $((${now%.*} - $5)) -gt 900 ]
  fi
}

make_base() {
  [ ! -d "$base" ] || return 0
  [ -d "$root/var/lib" ] || made=yes
  message=$(mkdir -p "$base" 2>&1) || fail journal "${base#"$root"}" "$message"
}
