# Runs as root on the node. Paths below are as the node has them; $root goes before each.
set -u
umask 022
LC_ALL=C
export LC_ALL

nl='
'
cr=$(printf '\r')
begin="# BEGIN kreg $instance"
end="# END kreg $instance"
state=unchanged
results=''
failed_step=''
locked=''

# --- Answering: one line of JSON, whatever happens ---------------------------------------

# $1 as a JSON string; what is not printable ASCII is dropped.
json() {
  case $1 in
    *[!A-Za-z0-9_./:@=,+\ -]*)
      printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\040-\176' | sed 's/[\\"]/\\&/g')"
      ;;
    *) printf '"%s"' "$1" ;;
  esac
}

# report PATH STATUS DETAIL
report() {
  results="$results${results:+,}{\"path\":$(json "$1"),\"status\":\"$2\",\"detail\":$(json "$3")}"
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

# --- Lock and journal ---------------------------------------------------------------------

# One kreg at a time on a node. The lock is on the directory of all journals, which the one
# before us may have removed while we waited: then we begin anew.
take_lock() {
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
    locked=mkdir
    return 0
  fi
  return 1
}

# Gives the lock back, and removes the directories of journals if nothing is in them.
unlock() {
  [ -n "$locked" ] || return 0
  [ "$locked" != mkdir ] || rmdir "$base/lock"
  rmdir "$journal" 2>/dev/null
  if rmdir "$base" 2>/dev/null && [ -n "$made" ]; then
    # Only below a KREG_ROOT that had no /var/lib.
    rmdir "$root/var/lib" "$root/var" 2>/dev/null
  fi
  locked=''
}

made=''
make_base() {
  [ ! -d "$base" ] || return 0
  [ -d "$root/var/lib" ] || made=yes
  message=$(mkdir -p "$base" 2>&1) || fail journal "${base#"$root"}" "$message"
}

make_journal() {
  [ ! -d "$journal" ] || return 0
  message=$(mkdir -m 700 "$journal" 2>&1) || fail journal "${journal#"$root"}" "$message"
  [ -z "$made" ] || : >"$journal/made"
}

# find_entry PATH: sets $entry to its directory in the journal, empty if there is none.
find_entry() {
  for entry in "$journal"/[0-9]*; do
    [ -f "$entry/entry" ] || continue
    read_entry
    [ "$entry_path" != "$1" ] || return 0
  done
  entry=''
}

# Sets $entry_kind (file, hosts, dir), $entry_was (absent, file) and $entry_path.
read_entry() {
  {
    read -r entry_kind
    read -r entry_was
    IFS= read -r entry_path
  } <"$entry/entry"
}

# new_entry KIND PATH [CONTENT]: writes down what is at PATH now and what will be, before any
# of it is changed. Complete once it has its number: a rename gives it.
new_entry() {
  make_journal
  was=absent
  [ ! -e "$root$2" ] || was=file
  rm -rf "$journal/new"
  message=$({
    mkdir "$journal/new" &&
      printf '%s\n%s\n%s\n' "$1" "$was" "$2" >"$journal/new/entry" &&
      { [ "$was" = absent ] || cp -p "$root$2" "$journal/new/before"; } &&
      { [ $# -lt 3 ] || "$3" >"$journal/new/next"; }
  } 2>&1) || fail journal "$2" "$message"
  number=1000
  for entry in "$journal"/[0-9]*; do
    [ ! -d "$entry" ] || number=${entry##*/}
  done
  entry=$journal/$((number + 1))
  sync_files "$journal/new"/* "$journal/new"
  message=$(mv "$journal/new" "$entry" 2>&1) || fail journal "$2" "$message"
  sync_files "$journal"
}

# What was planned for $entry is in place at $target.
settle_entry() {
  if is_ours "$entry/next"; then
    mv -f "$entry/next" "$entry/after"
  elif ! is_ours "$entry/after"; then
    cp -p "$target" "$entry/after"
    rm -f "$entry/next"
  fi
}

# Forgets $entry: first by name, at one stroke, then its files.
drop_entry() {
  rm -rf "$journal/done"
  mv "$entry" "$journal/done" && rm -rf "$journal/done"
}

# --- Files --------------------------------------------------------------------------------

# Where not even `sync FILE` is known, everything is written out.
sync_files() {
  sync "$@" 2>/dev/null || sync
}

# same FILE FILE (`-` is standard input)
same() {
  if command -v cmp >/dev/null 2>&1; then
    cmp -s "$1" "$2"
  else
    [ "$(cat "$1" | od -v -An -tx1)" = "$(od -v -An -tx1 <"$2")" ]
  fi
}

# The name beside PATH that a new version is written to; no runtime reads such a name.
temp_for() {
  temp=${1%/*}/.kreg.$instance.new
}

# move_in TARGET: puts $temp in TARGET's place.
move_in() {
  sync_files "$temp"
  if message=$(mv -f "$temp" "$1" 2>&1); then
    sync_files "${1%/*}"
    return 0
  fi
  case $message in
    *[Bb]usy*) write_over "$1" ;; # a mount point, as /etc/hosts is in a container
    *) fail rename "${1#"$root"}" "$message" ;;
  esac
}

# write_over TARGET: as move_in, into the file itself. Never shorter than it must be on the way.
write_over() {
  size=$(wc -c <"$temp")
  message=$({
    dd if="$temp" of="$1" bs=65536 conv=notrunc &&
      dd if=/dev/null of="$1" bs=1 seek="$((size))" count=0
  } 2>&1) || fail write "${1#"$root"}" "$message"
  sync_files "$1"
  same "$temp" "$1" || fail write "${1#"$root"}" "what was written does not read back"
  rm -f "$temp"
}

# --- The block in /etc/hosts --------------------------------------------------------------

# Prints FILE without kreg's block. Sets $block to the block, $blocks to how many there are,
# $broken to what is wrong with the markers, $tail to what the last line ends with, $eol to
# the carriage return of files that have them.
split_hosts() {
  block='' blocks=0 broken='' tail=$nl eol='' inside=''
  while :; do
    line='' ending=$nl
    IFS= read -r line || ending=''
    [ -n "$line$ending" ] || break
    bare=${line%"$cr"}
    if [ "$bare" = "$begin" ]; then
      [ -z "$inside" ] || broken="a block begins within a block"
      inside=yes blocks=$((blocks + 1)) block=''
    fi
    if [ -n "$inside" ]; then
      block=$block$bare$nl
    else
      [ "$bare" != "$end" ] || broken="a block ends that did not begin"
      printf '%s%s' "$line" "$ending"
      tail=$ending
      eol=''
      [ "$bare" = "$line" ] || eol=$cr
    fi
    [ "$bare" != "$end" ] || inside=''
    [ -n "$ending" ] || break
  done <"$1"
  [ -z "$inside" ] || broken="a block does not end"
}

# --- Undo of one entry --------------------------------------------------------------------

undo_entry() {
  read_entry
  target=$root$entry_path
  temp_for "$target"
  rm -f "$temp"
  case $entry_kind in
    dir) undo_dir ;;
    hosts) undo_hosts ;;
    *) undo_file ;;
  esac
}

undo_file() {
  if [ ! -e "$target" ] && [ ! -L "$target" ]; then
    if [ "$entry_was" = absent ]; then
      report "$entry_path" unchanged "was gone already"
      drop_entry
    else
      report "$entry_path" dirty "was removed by others; what was there before kreg is kept in ${entry#"$root"}/before"
    fi
  elif [ "$entry_was" = file ] && same "$entry/before" "$target"; then
    report "$entry_path" unchanged "is as it was before kreg"
    drop_entry
  elif is_ours "$entry/after" || is_ours "$entry/next"; then
    if [ "$entry_was" = absent ]; then
      message=$(rm -f "$target" 2>&1) || fail remove "$entry_path" "$message"
      sync_files "${target%/*}"
    else
      put_back
    fi
    report "$entry_path" restored ""
    drop_entry
  else
    report "$entry_path" dirty "was changed by others since kreg wrote it"
  fi
}

is_ours() {
  [ -f "$1" ] && [ -f "$target" ] && [ ! -L "$target" ] && same "$1" "$target"
}

# Puts the bytes, mode, owner and times of before in place.
put_back() {
  message=$(cp -p "$entry/before" "$temp" 2>&1) || fail write "$entry_path" "$message"
  move_in "$target"
}

undo_hosts() {
  if [ ! -f "$target" ] || [ -L "$target" ]; then
    report "$entry_path" unchanged "kreg's block is gone, and the file with it"
    drop_entry
    return 0
  fi
  wanted=$entry/after
  [ -f "$wanted" ] || wanted=$entry/next
  split_hosts "$wanted" >/dev/null
  ours=$block
  next=''
  if [ -f "$entry/next" ]; then
    split_hosts "$entry/next" >/dev/null
    next=$block
  fi
  split_hosts "$target" >/dev/null
  if [ -n "$broken" ] || [ "$blocks" -gt 1 ]; then
    report "$entry_path" dirty "the markers '$begin' and '$end' are broken: ${broken:-more than one block}"
  elif [ "$blocks" -eq 0 ]; then
    report "$entry_path" unchanged "kreg's block was gone already"
    drop_entry
  elif [ "$block" != "$ours" ] && [ "$block" != "$next" ]; then
    report "$entry_path" dirty "the lines between '$begin' and '$end' were changed by others"
  else
    strip_hosts
    drop_entry
  fi
}

# Takes the block out. What was there before comes back to the byte, a missing last newline
# included, unless others have changed the rest: then the rest stays as it is.
strip_hosts() {
  message=$(cp -p "$target" "$temp" 2>&1) || fail write "$entry_path" "$message"
  message=$({ split_hosts "$target" >"$temp"; } 2>&1) || fail write "$entry_path" "$message"
  if [ "$entry_was" = absent ] && [ ! -s "$temp" ]; then
    rm -f "$temp"
    message=$(rm -f "$target" 2>&1) || fail remove "$entry_path" "$message"
    report "$entry_path" restored ""
  elif [ "$entry_was" = file ] && { same "$entry/before" "$temp" || {
    cat "$entry/before"
    printf '%s\n' "$eol"
  } | same - "$temp"; }; then
    put_back
    report "$entry_path" restored ""
  else
    move_in "$target"
    report "$entry_path" restored "lines that others have changed since stay as they are"
  fi
}

undo_dir() {
  if [ ! -d "$target" ]; then
    drop_entry
  elif rmdir "$target" 2>/dev/null; then
    report "$entry_path" restored ""
    drop_entry
  elif [ "$state" != dirty ]; then
    report "$entry_path" unchanged "holds files of others, so it stays"
    drop_entry
  fi
}

# --- Beginning ----------------------------------------------------------------------------

root=${KREG_ROOT-}
root=${root%/}
if [ -n "$root" ]; then
  root=$(cd "$root" && pwd -P) || exit 1
fi
base=$root/var/lib/kreg
journal=$base/$instance
