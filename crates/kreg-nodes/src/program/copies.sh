# --- Copies -------------------------------------------------------------------------------

# snapd copies the data of a snap, /var/snap/NAME/REVISION, to the next revision at each refresh, and
# kreg's files with it. What the journal knows in one revision and what is the same in another is
# kreg's there too: it gets an entry of its own.
follow_copies() {
  for origin in "$journal"/[0-9]*; do
    entry=$origin
    read_entry || continue
    known=$entry_path kind=$entry_kind
    case $kind,$known in
      file,/var/snap/*/*/* | dir,/var/snap/*/*/*) ;;
      *) continue ;;
    esac
    below=${known#/var/snap/}
    snap=/var/snap/${below%%/*}
    below=${below#*/}
    below=${below#*/}
    for revision in "$root$snap"/*; do
      copy=$snap/${revision##*/}/$below
      target=$root$copy
      if [ -L "$revision" ] || [ "$copy" = "$known" ] || leads_out "$copy"; then
        continue
      fi
      is_copy || continue
      find_entry "$copy"
      [ -n "$entry" ] || note_copy "$copy"
    done
  done
}

is_copy() {
  if [ "$kind" = dir ]; then
    [ -d "$target" ] && [ ! -L "$target" ]
  else
    is_ours "$origin/after" || is_ours "$origin/next"
  fi
}

# note_copy PATH: an entry as $origin is, for its copy at PATH.
note_copy() {
  number=1000
  for entry in "$journal"/[0-9]*; do
    number=${entry##*/}
  done
  # The 1 keeps 0999 from being read as octal.
  number=$((1$number + 1))
  entry=$journal/${number#1}
  if ! message=$({
    mkdir "$entry" &&
      { [ ! -f "$origin/before" ] || cp -p "$origin/before" "$entry/before"; } &&
      { [ "$kind" = dir ] || cp -p "$target" "$entry/after"; } &&
      sync_files "$entry"/* "$entry" &&
      { read -r _ && read -r was; } <"$origin/entry" &&
      printf '%s\n%s\n%s\n' "$kind" "$was" "$1" | cat >"$entry/entry"
  } 2>&1); then
    rm -rf "$entry"
    fail journal "$1" "cannot be noted in ${journal#"$root"}: $message"
  fi
}
