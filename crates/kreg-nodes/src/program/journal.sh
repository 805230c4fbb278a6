# --- Journal: what was there, and what will be --------------------------------------------

# Nothing is written where the journal is another registry's, or damaged: what kreg wrote before would be
# taken for others' files.
sound_journal() {
  own_journal
  sweep
  [ "$state" != dirty ] || finish
}

# own_journal: fails where $journal is that of another registry of this name, such as one of a cluster that
# no longer exists. With $adopt it goes over to this one, with all that was there before the other.
own_journal() {
  read_owner
  case $held in '' | "$id") return 0 ;; esac
  [ "$adopt" = yes ] || not_ours
  write_owner
  report "${journal#"$root"}" changed "was that of the registry with the id $held"
}

not_ours() {
  fail check "${journal#"$root"}" "is the journal of another registry of this name: its id is $held, that of this one is $id"
}

# Before the first entry, so that no entry is ever without the id of its registry.
write_owner() {
  if [ "$id" = "$instance" ]; then
    message=$(rm -f "$journal/id" 2>&1)
  else
    message=$({
      printf '%s\n' "$id" | cat >"$journal/id.new" && sync_files "$journal/id.new" && mv -f "$journal/id.new" "$journal/id"
    } 2>&1)
  fi || fail journal "${journal#"$root"}/id" "$message"
}

make_journal() {
  ! has_entries || return 0
  [ -d "$journal" ] || message=$(mkdir -m 700 "$journal" 2>&1) || fail journal "${journal#"$root"}" "$message"
  write_owner
  [ -n "$made" ] || return 0
  message=$({ printf '' >"$journal/made"; } 2>&1) || fail journal "${journal#"$root"}" "$message"
}

# new_entry KIND PATH [CONTENT]: writes down what is at PATH now and what will be, before any
# of it is changed. Complete once it holds a whole `entry`, which is written last.
new_entry() {
  make_journal
  was=absent
  [ ! -e "$root$2" ] || was='file'
  number=1000
  for entry in "$journal"/[0-9]*; do
    [ ! -d "$entry" ] || number=${entry##*/}
  done
  # The 1 keeps 0999 from being read as octal.
  number=$((1$number + 1))
  number=${number#1}
  entry=$journal/$number
  if ! message=$({
    mkdir "$entry" &&
      { [ "$was" = absent ] || { cp -p "$root$2" "$entry/before" && sync_files "$entry/before"; }; } &&
      { [ $# -lt 3 ] || "$3" | into "$entry/next" "$3"; }
  } 2>&1) || ! note_entry "$@"; then
    rm -rf "$entry"
    fail journal "$2" "cannot be noted in ${journal#"$root"}: $message"
  fi
  begun="$number $begun"
}

# By the shell itself, in one write. Its "I/O error" hides the cause: cat then says it.
note_entry() {
  { printf '%s\n%s\n%s\n' "$1" "$was" "$2" >"$entry/entry"; } 2>/dev/null
  if read_entry && [ "$entry_kind $entry_was $entry_path" = "$1 $was $2" ]; then
    return 0
  fi
  message=$({ printf '%s\n%s\n%s\n' "$1" "$was" "$2" | cat >"$entry/entry"; } 2>&1) && read_entry
}

# next_version PATH CONTENT: $entry, which is there already, learns what will be at PATH.
next_version() {
  message=$({
    "$2" | into "$entry/next.new" "$2" && mv -f "$entry/next.new" "$entry/next"
  } 2>&1) || fail journal "$1" "$message"
}

# What was planned for $entry was found in place at $target.
settle_entry() {
  message=$({
    if is_ours "$entry/next"; then
      mv -f "$entry/next" "$entry/after"
    elif ! is_ours "$entry/after"; then
      cp -p "$target" "$entry/after.new" &&
        mv -f "$entry/after.new" "$entry/after" &&
        rm -f "$entry/next"
    fi
  } 2>&1) || fail journal "$entry_path" "$message"
}
