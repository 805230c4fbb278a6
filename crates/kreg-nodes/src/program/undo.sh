# --- Taking away --------------------------------------------------------------------------

main() {
  if [ ! -d "$journal" ]; then
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
  has_entries || [ ! -f "$journal/made" ] || rm -f "$journal/made"
  finish
}

main </dev/null
