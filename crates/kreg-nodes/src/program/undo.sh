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
