# --- Erasing images -----------------------------------------------------------------------

# Below $storage only distribution's own tree is the registry's: nothing else is touched, and
# directories above it go if that leaves them empty.
main() {
  tree=$storage/docker/registry/v2
  take_lock
  down_to "$storage" || finish
  read_marker
  if [ -n "$found" ] && [ "$found" != "$id" ]; then
    # So nothing in it is this registry's.
    report "$storage" unchanged "belongs to the registry with the id $found, as its $marker says, and stays"
    cd /
    finish
  fi
  if down_to "$tree"; then
    is_marked
    has_no_mounts "$storage/docker"
    down_to "${tree%/*}" || fail erase "$tree" "disappeared while kreg worked"
    message=$(rm -rf ./v2 2>&1) || fail erase "$tree" "$message"
    report "$tree" changed erased
  fi
  ! down_to "$storage/docker" || rmdir ./registry 2>/dev/null
  ! down_to "$storage" || rmdir ./docker 2>/dev/null
  # The marker goes last, so that a run that was cut off goes on here.
  if [ -n "$found" ] && [ "$found" = "$id" ] && [ ! -e ./docker ]; then
    message=$(rm -f "$marker" 2>&1) || fail erase "$storage/$marker" "$message"
  fi
  ! down_to "${storage%/*}" || rmdir "./${storage##*/}" 2>/dev/null
  cd /
  finish
}

# A registry with an id erases only what is marked.
is_marked() {
  [ "$found" = "$id" ] ||
    fail erase "$storage" "has no $marker with this registry's id $id, so the images in it may be those of another: if they are not, remove $tree yourself"
}

# has_no_mounts PATH: fails if PATH is a mount point, or one is below it. Bind mounts of the same file
# system count too, which no comparison of devices shows (proc_pid_mountinfo(5)).
has_no_mounts() {
  [ -r /proc/self/mountinfo ] || fail erase "$1" "may have mounts below it: /proc/self/mountinfo cannot be read"
  below=$(printf '%s' "$root$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/	/\\011/g')
  while read -r _ _ _ _ point _; do
    case $point in
      "$below" | "$below"/*) fail erase "${point#"$root"}" "is a mount point, and kreg does not erase what is mounted: unmount it first" ;;
    esac
  done </proc/self/mountinfo
}

main </dev/null
