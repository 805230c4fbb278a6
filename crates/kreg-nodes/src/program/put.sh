# --- Putting in place ---------------------------------------------------------------------

planned=$nl
begun=''

# As in every program, but a node is left as it was found: what this run began is taken back,
# the newest first. What it only brought up to date stays for the next run.
fail() {
  if [ -n "$failed_step" ]; then
    # What failed is told of already: this is the taking back, which cannot be done either.
    report "$2" failed "could not be put back: $3"
    finish
  fi
  failed_step=$1
  report "$2" failed "$3"
  # Without the lock all that is there is another run's.
  [ -n "$locked" ] || finish
  leave_as_found
}

leave_as_found() {
  for number in $begun; do
    entry=$journal/$number
    undo_entry
  done
  drop_made
  finish
}

# Looks at what is at PATH, before anything is put there.
begin_with() {
  target=$root$1
  planned=$planned$1$nl
  temp_for "$target"
  ! leads_out "$1" || fail check "$1" "belongs in $leads, by way of a link out of $root"
  [ ! -L "$target" ] || fail check "$1" "is a symbolic link, which kreg does not write through"
  if [ -e "$target" ] && [ ! -f "$target" ]; then
    fail check "$1" "is not a regular file"
  fi
  find_entry "$1"
  finish_over
}

as_wanted() {
  [ -z "$entry" ] || settle_entry
  no_old_temp
  report "$1" unchanged ""
}

# The journal reaches the disk before the first change, and what is new before its name.
put_in_place() {
  move_in "$target" "$journal"/*/* "$journal"/* "$journal"
  message=$(mv -f "$entry/next" "$entry/after" 2>&1) || fail journal "$1" "$message"
  report "$1" changed "$2"
}
