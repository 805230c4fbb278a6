# --- Files of trust -----------------------------------------------------------------------

# put_file PATH MODE ADOPT CONTENT: PATH comes to hold what the function CONTENT prints.
put_file() {
  begin_with "$1"
  if [ -f "$target" ] && "$4" | same_as "$target"; then
    as_wanted "$1"
    return 0
  fi
  note=''
  if [ -z "$entry" ]; then
    if [ -f "$target" ]; then
      if [ "$3" != yes ]; then
        failed_step=check
        report "$1" dirty "exists and was not written by kreg"
        leave_as_found
      fi
      note="what was there is kept and comes back on undo"
    fi
    make_parents "$1"
    new_entry file "$1" "$4"
  else
    keep_drift
    make_parents "$1"
    next_version "$1" "$4"
  fi
  no_old_temp
  message=$({ "$4" | into "$temp" "$4" && chmod "$2" "$temp"; } 2>&1) ||
    no_temp write "$1" "$message"
  put_in_place "$1" "$note"
}

# put_hosts PATH BLOCK: PATH comes to hold the lines that BLOCK prints, markers included.
put_hosts() {
  begin_with "$1"
  hosts_block=$2
  wanted=$("$2")$nl
  if [ -f "$target" ]; then
    split_hosts "$target" >/dev/null
    [ -z "$broken" ] || fail check "$1" "the markers '$begin' and '$end' are broken: $broken"
    is_text "$target" || fail check "$1" "holds a zero byte, so it is no text"
    if [ "$blocks" -eq 1 ] && [ "$block" = "$wanted" ]; then
      as_wanted "$1"
      return 0
    fi
  else
    make_parents "$1"
  fi
  if [ -z "$entry" ]; then
    new_entry hosts "$1" new_hosts
  else
    next_version "$1" new_hosts
  fi
  no_old_temp
  message=$({
    { [ ! -f "$target" ] || cp -p "$target" "$temp"; } &&
      cat "$entry/next" >"$temp" && same "$entry/next" "$temp"
  } 2>&1) || no_temp write "$1" "$message"
  put_in_place "$1" ""
}

# An edit by others to a file of kreg's is mended; the edited file is kept beside the entry.
keep_drift() {
  [ -f "$target" ] || return 0
  if ! is_ours "$entry/after" && ! is_ours "$entry/next" && ! is_ours "$entry/before"; then
    message=$(cp -p "$target" "$entry/drift" 2>&1) || fail journal "$entry_path" "$message"
    note="was changed by others; their version is kept in ${entry#"$root"}/drift"
  fi
}

# Every directory that is missing above PATH, each written down before it is made.
make_parents() {
  rest=${1#/}
  parent=''
  while [ "$rest" != "${rest#*/}" ]; do
    parent=$parent/${rest%%/*}
    rest=${rest#*/}
    if [ ! -d "$root$parent" ]; then
      find_entry "$parent"
      [ -n "$entry" ] || new_entry dir "$parent"
      message=$(mkdir "$root$parent" 2>&1) || fail mkdir "$parent" "$message"
    fi
  done
  find_entry "$1"
}

# The hosts file as it will be: the rest as it is, its last line ended, then the block.
# shellcheck disable=SC2317 # called by name
new_hosts() {
  tail=$nl eol=''
  [ ! -f "$target" ] || split_hosts "$target"
  [ -n "$tail" ] || printf '\n'
  "$hosts_block" | while IFS= read -r line; do
    printf '%s%s\n' "$line" "$eol"
  done
}

# What an earlier run put in place and this one no longer wants.
prune() {
  list_entries
  for number in $numbers; do
    entry=$journal/$number
    read_entry || continue
    # A runtime's own configuration is the restart step's.
    [ "$entry_kind" != config ] || continue
    case $planned in
      *"$nl$entry_path$nl"* | *"$nl$entry_path/"*) ;;
      *) undo_entry ;;
    esac
  done
}
