# --- Taking away --------------------------------------------------------------------------

# Whether a program works here, or was killed and left its lock.
has_locks() {
  for entry in "$base"/.lock.*; do
    [ ! -e "$entry" ] || return 0
  done
  return 1
}

main() {
  if [ ! -d "$journal" ] && ! has_locks; then
    rmdir "$base" 2>/dev/null
    finish
  fi
  take_lock
  # With no id the operator means whatever registry of this name was here.
  read_owner
  if [ -n "$id" ] && [ -n "$held" ] && [ "$held" != "$id" ]; then
    report "${journal#"$root"}" unchanged "is the journal of another registry of this name, with the id $held; it stays as it is"
    finish
  fi
  [ ! -f "$journal/made" ] || made=yes
  sweep
  follow_copies
  list_entries
  for number in $numbers; do
    entry=$journal/$number
    undo_entry
  done
  drop_made
  finish
}

main </dev/null
