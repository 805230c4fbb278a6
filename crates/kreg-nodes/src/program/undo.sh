# --- Taking away --------------------------------------------------------------------------

main() {
  if [ ! -d "$journal" ]; then
    rmdir "$base" 2>/dev/null
    finish
  fi
  take_lock
  [ ! -f "$journal/made" ] || made=yes
  numbers=''
  for entry in "$journal"/[0-9]*; do
    [ ! -f "$entry/entry" ] || numbers="${entry##*/} $numbers"
  done
  for number in $numbers; do
    entry=$journal/$number
    undo_entry
  done
  [ "$state" = dirty ] || rm -rf "$journal/new" "$journal/done" "$journal/made"
  finish
}

main </dev/null
