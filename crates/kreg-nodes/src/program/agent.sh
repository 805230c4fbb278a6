# Watches over this node: runs the check beside it whenever a file that it hangs on was touched.
# Between checks one `stat` and one `sleep` is all that runs. After each round it writes down the time.
set -u

nl='
'
here=${KREG_PROGRAMS-/kreg}
state=${KREG_STATE-/run/kreg}
KREG_WATCH=$state/watch
# A check is to say that it waited for a lock before it is ended.
KREG_LOCK_WAIT=${KREG_LOCK_WAIT-$lock_wait}
export KREG_WATCH KREG_LOCK_WAIT
root=${KREG_ROOT-}
paths=''
idle=0
again=''
seen=none

trap 'exit 0' TERM INT

# Name, inode, time of the last change of bytes or of mode, size, mode: times of change cannot be set.
stamp() {
  set -f
  IFS=$nl
  # shellcheck disable=SC2086 # lines
  set -- $paths
  IFS=' '
  [ $# -eq 0 ] || stat -c '%n %i %Z %s %a' "$@" 2>/dev/null
}

# Ends a command that hangs: what it leaves half done, the next one puts right. Without timeout(1) only
# the age of the last round tells.
bounded() {
  if command -v timeout >/dev/null 2>&1; then
    timeout -s KILL "$longest" "$@"
  else
    "$@"
  fi
}

# When this round ended, in seconds since the node's boot.
beat() {
  up=''
  { read -r up _ </proc/uptime; } 2>/dev/null || :
  printf '%s\n' "${up%%.*}" >"$state/round"
}

check() {
  idle=0
  # Into a file: a process that is left over would keep a pipe open.
  bounded sh "$here/check.sh" >"$state/said"
  ended=$?
  answer=$(cat "$state/said")
  case $answer in
    '{"schema":'*'"state":"unchanged"'* | '{"schema":'*'"state":"changed"'*) good=yes ;;
    *) good='' ;;
  esac
  paths=''
  while IFS= read -r path; do
    paths=$paths$root$path$nl
  done <"$KREG_WATCH"
  case $answer in
    '{"schema":'*) ;;
    *)
      case $ended in
        124 | 137) why="did not end within $longest s" ;;
        *) why="gave no answer and ended with $ended" ;;
      esac
      answer="{\"schema\":\"kreg/v1\",\"program\":\"agent\",\"instance\":\"\",\"state\":\"failed\",\"step\":\"run\",\"files\":[{\"path\":\"$here/check.sh\",\"status\":\"failed\",\"detail\":\"$why\"}]}"
      ;;
  esac
  if [ "$answer" != "$(cat "$state/answer" 2>/dev/null)" ]; then
    printf '%s\n' "$answer"
    printf '%s\n' "$answer" >"$state/answer.new" && mv -f "$state/answer.new" "$state/answer"
    printf '%s\n' "$answer" 2>/dev/null >"${KREG_MESSAGE-/dev/termination-log}"
  fi
  [ -n "$good" ] || still_there
  if [ -n "$good" ]; then
    [ -f "$state/ready" ] || : >"$state/ready"
  else
    rm -f "$state/ready"
  fi
}

# Another registry's undo removes an empty directory of journals, and this mount leads nowhere then.
# Whoever starts this anew mounts the new one.
still_there() {
  case $(stat -L -c %h "$root/var/lib/kreg" 2>/dev/null) in
    0) ;;
    *) return 0 ;;
  esac
  rm -f "$state/ready"
  echo "$root/var/lib/kreg was removed under this agent: it ends, to be started anew" >&2
  exit 1
}

# A check is the last one only if nothing was touched since the one before it: times are in seconds.
while :; do
  now=$(stamp)
  if [ "$now" != "$seen" ] || [ -n "$again" ]; then
    quiet=''
    [ "$now" != "$seen" ] || quiet=yes
    check
    seen=$(stamp)
    again=yes
    if [ -n "$quiet" ] && [ "$seen" = "$now" ]; then again=''; fi
  else
    idle=$((idle + 1))
    # What no file tells, such as room on a disk.
    if [ "$idle" -ge 300 ] || { [ -z "$good" ] && [ "$idle" -ge 15 ]; }; then again=yes; fi
  fi
  beat
  sleep "${KREG_PERIOD-2}" &
  wait $!
done
