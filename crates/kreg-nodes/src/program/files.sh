nl='
'

# --- Files --------------------------------------------------------------------------------

# Where not even `sync FILE` is known, everything is written out.
sync_files() {
  sync "$@" 2>/dev/null || sync
}

# Whether standard input is what FILE holds.
same_as() {
  if command -v cmp >/dev/null 2>&1; then
    cmp -s - "$1"
  else
    [ "$(od -v -An -tx1)" = "$(od -v -An -tx1 <"$1")" ]
  fi
}

# same FILE FILE
same() {
  same_as "$2" <"$1"
}

# into FILE COMMAND...: writes standard input, which COMMAND prints, to FILE, and compares: a
# shell on a full disk may go on after a failed write as if nothing had happened.
into() {
  into_file=$1
  shift
  cat >"$into_file" || return 1
  if "$@" | same_as "$into_file"; then
    return 0
  fi
  printf '%s' "what was written to ${into_file#"$root"} does not read back" >&2
  return 1
}

# The name beside PATH that a new version is written to; no runtime reads such a name.
temp_for() {
  temp=${1%/*}/.kreg.$instance.new
}

# None that an earlier run left behind.
no_old_temp() {
  if [ -e "$temp" ] || [ -L "$temp" ]; then
    message=$(rm -f "$temp" 2>&1) || fail remove "${temp#"$root"}" "$message"
  fi
}

# no_temp STEP PATH MESSAGE: fails, and leaves nothing half written behind.
no_temp() {
  rm -f "$temp"
  fail "$1" "$2" "$3"
}

# move_in TARGET [FILE...]: puts $temp in TARGET's place, once it and FILE... are on the disk.
move_in() {
  moved_to=$1
  shift
  # SELinux: the new file gets the label of the one it replaces.
  if [ -e /sys/fs/selinux/enforce ] && [ -f "$moved_to" ]; then
    chcon --reference="$moved_to" "$temp" 2>/dev/null || :
  fi
  sync_files "$temp" "$@"
  if message=$(mv -f "$temp" "$moved_to" 2>&1); then
    sync_files "${moved_to%/*}"
    return 0
  fi
  case $message in
    *[Bb]usy*) write_over "$moved_to" ;; # a mount point, as /etc/hosts is in a container
    *) no_temp rename "${moved_to#"$root"}" "$message" ;;
  esac
}

# write_over TARGET: as move_in, into the file itself, which is never shorter on the way than
# it must be. Two steps: the new bytes, widened by line ends to the old length, at one stroke;
# then the cut. `over` in the journal tells the next run of a cut that is still to be made.
write_over() {
  new_size=$(wc -c <"$temp")
  old_size=$(wc -c <"$1")
  message=$({
    cp "$1" "$entry/under" &&
      cp "$temp" "$entry/wide" &&
      { [ "$old_size" -le "$new_size" ] || line_ends $((old_size - new_size)) >>"$entry/wide"; } &&
      cp "$temp" "$entry/over.new" &&
      same "$1" "$entry/under" && same "$temp" "$entry/over.new" &&
      mv -f "$entry/over.new" "$entry/over"
  } 2>&1) || no_temp journal "${1#"$root"}" "$message"
  sync_files "$entry"/* "$entry"
  if ! message=$({ write_at_once "$entry/wide" "$1" && cut_to $((new_size)) "$1"; } 2>&1) ||
    ! same "$temp" "$1"; then
    # The old bytes still have their room.
    write_at_once "$entry/under" "$1" >/dev/null 2>&1 && cut_to $((old_size)) "$1" >/dev/null 2>&1
    rm -f "$entry/over" "$entry/under" "$entry/wide"
    no_temp write "${1#"$root"}" "${message:-what was written does not read back}"
  fi
  sync_files "$1"
  rm -f "$entry/over" "$entry/under" "$entry/wide" "$temp"
}

# What a run that was cut off in write_over left to do.
finish_over() {
  if [ -z "$entry" ] || [ ! -f "$entry/over" ]; then
    return 0
  fi
  # A shell drops line ends at the end of what it reads, so both steps look alike here.
  if [ -f "$target" ] && [ "$(cat "$entry/over")" = "$(cat "$target")" ] && ! same "$entry/over" "$target"; then
    message=$(cut_to $(($(wc -c <"$entry/over"))) "$target" 2>&1) || fail write "${target#"$root"}" "$message"
    sync_files "$target"
  fi
  rm -f "$entry/over" "$entry/under" "$entry/wide"
}

line_ends() {
  dd if=/dev/zero bs=1 count="$1" 2>/dev/null | tr '\0' '\n'
}

# write_at_once FROM TO: by one write, over the first bytes of TO.
write_at_once() {
  dd if="$1" of="$2" bs="$(($(wc -c <"$1") + 1))" count=1 conv=notrunc
}

# cut_to SIZE FILE
cut_to() {
  dd if=/dev/null of="$2" bs=1 seek="$1" count=0
}

# --- The block in /etc/hosts --------------------------------------------------------------

cr=$(printf '\r')
begin="# BEGIN kreg $instance"
end="# END kreg $instance"

# Prints FILE without kreg's block. Sets $block to the block, $blocks to how many there are,
# $broken to what is first wrong with the markers, $tail to what the last line outside ends with,
# $eol to the carriage return of files that have them.
# shellcheck disable=SC2034 # each program uses its part of these
split_hosts() {
  block='' blocks=0 broken='' tail=$nl eol='' inside=''
  while :; do
    line='' ending=$nl
    IFS= read -r line || ending=''
    [ -n "$line$ending" ] || break
    bare=${line%"$cr"}
    if [ "$bare" = "$begin" ]; then
      [ -z "$inside" ] || broken=${broken:-a block begins within a block}
      inside=yes blocks=$((blocks + 1)) block=''
    fi
    if [ -n "$inside" ]; then
      block=$block$bare$nl
    else
      [ "$bare" != "$end" ] || broken=${broken:-a block ends that did not begin}
      printf '%s%s' "$line" "$ending"
      tail=$ending
      eol=''
      [ "$bare" = "$line" ] || eol=$cr
    fi
    [ "$bare" != "$end" ] || inside=''
    [ -n "$ending" ] || break
  done <"$1"
  [ -z "$inside" ] || broken=${broken:-a block does not end}
}

# A shell drops zero bytes, so such a file would come out changed.
is_text() {
  # shellcheck disable=SC2094 # both only read
  tr -d '\0' <"$1" | same_as "$1"
}
