# --- Erasing images -----------------------------------------------------------------------

# Below $storage only distribution's own tree is the registry's: nothing else is touched, and
# directories above it go if that leaves them empty. No link is followed.
main() {
  tree=$storage/docker/registry/v2
  for part in "$storage" "$storage/docker" "$storage/docker/registry" "$tree"; do
    [ ! -L "$root$part" ] || fail erase "$part" "is a symbolic link, which kreg does not follow to erase"
  done
  ! leads_out "$storage" || fail erase "$storage" "is in $leads, by way of a link out of $root"
  [ -d "$root$tree" ] || finish
  message=$(rm -rf -- "$root$tree" 2>&1) || fail erase "$tree" "$message"
  report "$tree" changed erased
  rmdir "$root$storage/docker/registry" "$root$storage/docker" "$root$storage" 2>/dev/null
  finish
}

main </dev/null
