# --- Journal: what was there, and what will be --------------------------------------------

make_journal() {
  [ ! -d "$journal" ] || return 0
  message=$(mkdir -m 700 "$journal" 2>&1) || fail journal "${journal#"$root"}" "$message"
  [ -n "$made" ] || return 0
  message=$({ printf '' >"$journal/made"; } 2>&1) || fail journal "${journal#"$root"}" "$message"
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

# new_entry KIND PATH [CONTENT]: writes down what is at PATH now and what will be, before any
# of it is changed. Complete once it has its number: a rename gives it.
new_entry() {
  make_journal
  was=absent
  [ ! -e "$root$2" ] || was='file'
  message=$({
    rm -rf "$journal/new" &&
      mkdir "$journal/new" &&
      # By cat, which says why it cannot write; a shell's own printf may not.
      printf '%s\n%s\n%s\n' "$1" "$was" "$2" | cat >"$journal/new/entry" &&
      { [ "$was" = absent ] || cp -p "$root$2" "$journal/new/before"; } &&
      { [ $# -lt 3 ] || "$3" | into "$journal/new/next" "$3"; }
  } 2>&1) || {
    rm -rf "$journal/new"
    fail journal "$2" "cannot be noted in ${journal#"$root"}: $message"
  }
  number=1000
  for entry in "$journal"/[0-9]*; do
    [ ! -d "$entry" ] || number=${entry##*/}
  done
  entry=$journal/$((number + 1))
  begun="$((number + 1)) $begun"
  sync_files "$journal/new"/* "$journal/new"
  message=$(mv "$journal/new" "$entry" 2>&1) || fail journal "$2" "$message"
  sync_files "$journal"
}

# next_version PATH CONTENT: $entry, which is there already, learns what will be at PATH.
next_version() {
  message=$({
    "$2" | into "$entry/next.new" "$2" && mv -f "$entry/next.new" "$entry/next"
  } 2>&1) || fail journal "$1" "$message"
}

# What was planned for $entry is in place at $target.
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
