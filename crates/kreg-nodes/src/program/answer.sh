# Runs as root on the node. Paths below are as the node has them; $root goes before each.
set -u
umask 022
LC_ALL=C
export LC_ALL

state=unchanged
results=''
failed_step=''
mine=''
locked=''
made=''

# --- Answering: one line of JSON, whatever happens ----------------------------------------

# Sets $quoted to $1 as a JSON string; what is not printable ASCII is dropped. A printed one would
# cost a process for each.
json() {
  quoted=$1
  case $1 in
    *[!A-Za-z0-9_./:@=,+\ -]*)
      quoted=$(printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\040-\176' | sed 's/[\\"]/\\&/g')
      ;;
  esac
  quoted=\"$quoted\"
}

# report PATH STATUS DETAIL
report() {
  json "$1"
  results="$results${results:+,}{\"path\":$quoted,\"status\":\"$2\",\"detail\":"
  json "$3"
  results="$results$quoted}"
  case $2 in
    changed | restored) [ "$state" != unchanged ] || state=changed ;;
    dirty) [ "$state" = failed ] || state=dirty ;;
    failed) state=failed ;;
  esac
}

# Ends the program with its answer.
finish() {
  unlock
  printf '{"schema":"kreg/v1","program":"%s","instance":"%s","state":"%s","step":"%s","files":[%s]}\n' \
    "$program" "$instance" "$state" "$failed_step" "$results"
  case $state in
    unchanged | changed) exit 0 ;;
    *) exit 1 ;;
  esac
}

# fail STEP PATH MESSAGE
fail() {
  failed_step=$1
  report "$2" failed "$3"
  finish
}

# Whether $journal holds an entry.
has_entries() {
  for numbered in "$journal"/[0-9]*; do
    [ ! -d "$numbered" ] || return 0
  done
  return 1
}

# Gives the lock back, and removes the directories of journals if nothing is in them.
unlock() {
  [ -n "$mine" ] || return 0
  if [ -n "$locked" ] && [ -d "$journal" ] && ! has_entries; then
    [ -f "$journal/made" ] || rm -f "$journal/id" "$journal/id.new"
    rmdir "$journal" 2>/dev/null
  fi
  rm -f "$mine"
  mine='' locked=''
  if rmdir "$base" 2>/dev/null && [ -n "$made" ]; then
    # Only below a KREG_ROOT that had no /var/lib.
    rmdir "$root/var/lib" "$root/var" 2>/dev/null
  fi
}

# leads_out PATH: whether a link takes PATH out of a KREG_ROOT, where this machine's own files would be
# written to. Sets $leads to the directory that it leads to.
leads_out() {
  [ -n "$root" ] || return 1
  leads=$root${1%/*}
  while [ -n "$leads" ] && [ ! -d "$leads" ]; do
    leads=${leads%/*}
  done
  # What cannot be entered cannot be written to either.
  cd -P "$leads/" 2>/dev/null || return 1
  leads=$PWD
  cd /
  # A directory that was removed meanwhile is nowhere.
  case $leads/ in / | "$root"/*) return 1 ;; esac
}

root=${KREG_ROOT-}
root=${root%/}
base=$root/var/lib/kreg
journal=$base/$instance
if [ -n "$root" ]; then
  root=$(cd "$root" 2>/dev/null && pwd -P) || fail root "$KREG_ROOT" "is no directory that can be entered"
  base=$root/var/lib/kreg
  journal=$base/$instance
fi
