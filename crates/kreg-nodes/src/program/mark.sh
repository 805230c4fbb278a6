# --- Marking the registry's directory -----------------------------------------------------

main() {
  take_lock
  make=yes
  down_to "$storage"
  read_marker
  if [ "$found" = "$id" ]; then
    report "$storage/$marker" unchanged ""
  elif [ -n "$found" ]; then
    fail mark "$storage" "belongs to the registry with the id $found, as its $marker says: give this one (id $id) another directory"
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
