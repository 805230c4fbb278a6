# --- Marking the registry's directory -----------------------------------------------------

# $how is write; adopt, to write over the mark of another registry; look, to fail only where the directory is
# another registry's; or fresh, to fail also where it holds images and nothing says whose.
main() {
  take_lock
  down_to "$storage" || finish
  read_marker
  [ "$how" != adopt ] || [ "$found" = "$id" ] || found=''
  if [ -n "$found" ] && [ "$found" != "$id" ]; then
    fail owner "$storage" "belongs to the registry with the id $found, as its $marker says: give this one (id $id) another directory"
  elif [ -z "$found" ] && [ "$how" = fresh ] && [ -e ./docker/registry/v2 ]; then
    fail owner "$storage" "holds images, and no $marker that says whose they are"
  elif [ -n "$found" ] || [ "$how" = look ] || [ "$how" = fresh ]; then
    report "$storage/$marker" unchanged ""
  else
    message=$({
      rm -f "./$marker.new" && printf '%s\n' "$id" | cat >"./$marker.new" && chmod 644 "./$marker.new" &&
        sync && mv -f "./$marker.new" "./$marker" && sync
    } 2>&1) || fail mark "$storage/$marker" "$message"
    read_marker
    [ "$found" = "$id" ] || fail mark "$storage/$marker" "could not be read back after it was written"
    report "$storage/$marker" changed ""
  fi
  cd /
  finish
}

main </dev/null
