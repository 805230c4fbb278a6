# --- Marking the registry's directory -----------------------------------------------------

# $how is look, to fail only where the directory is another registry's, or write.
main() {
  take_lock
  down_to "$storage" || finish
  read_marker
  if [ -n "$found" ] && [ "$found" != "$id" ]; then
    fail owner "$storage" "belongs to the registry with the id $found, as its $marker says: give this one (id $id) another directory"
  elif [ -n "$found" ] || [ "$how" = look ]; then
    report "$storage/$marker" unchanged ""
  else
    message=$({
      rm -f "./$marker.new" && printf '%s\n' "$id" >"./$marker.new" && chmod 644 "./$marker.new" &&
        sync && mv -f "./$marker.new" "./$marker" && sync
    } 2>&1) || fail mark "$storage/$marker" "$message"
    read_marker
    [ "$found" = "$id" ] || fail mark "$storage/$marker" "does not read back"
    report "$storage/$marker" changed ""
  fi
  cd /
  finish
}

main </dev/null
