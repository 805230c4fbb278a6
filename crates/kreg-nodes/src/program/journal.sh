# --- Journal: what was there, and what will be --------------------------------------------

# Nothing is written where the journal is damaged: what kreg wrote before would be taken for others' files.
sound_journal() {
  sweep
  [ "$state" != dirty ] || finish
}

make_journal() {
  [ ! -d "$journal" ] || return 0
  message=$(mkdir -m 700 "$journal" 2>&1) || fail journal "${journal#"$root"}" "$message"
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

# By the shell itself, at one stroke. It may not say why it cannot: cat then does.
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
