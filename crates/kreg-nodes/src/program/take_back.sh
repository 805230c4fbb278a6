# --- Undo of one entry --------------------------------------------------------------------

undo_entry() {
  read_entry || return 0
  target=$root$entry_path
  temp_for "$target"
  note=''
  if leads_out "$entry_path"; then
    report "$entry_path" dirty "is in $leads by now, by way of a link out of $root"
    return 0
  fi
  no_old_temp
  finish_over
  case $entry_kind in
    config)
      [ "$program" = restart ] || note='the runtime goes on with what it read until it is restarted'
      undo_file
      ;;
    dir) undo_dir ;;
    hosts) undo_hosts ;;
    *) undo_file ;;
  esac
}

undo_file() {
  if [ ! -e "$target" ] && [ ! -L "$target" ]; then
    if [ "$entry_was" = absent ]; then
      report "$entry_path" unchanged "was gone already"
      drop_entry
    else
      report "$entry_path" dirty "was removed by others; what was there before kreg is kept in ${entry#"$root"}/before"
    fi
  elif [ "$entry_was" = file ] && same "$entry/before" "$target"; then
    report "$entry_path" unchanged "is as it was before kreg"
    drop_entry
  elif is_ours "$entry/after" || is_ours "$entry/next"; then
    if find_heir; then
      hand_over
      return 0
    fi
    if [ "$entry_was" = absent ]; then
      message=$(rm -f "$target" 2>&1) || fail remove "$entry_path" "$message"
      sync_files "${target%/*}"
    else
      put_back
    fi
    report "$entry_path" restored "$note"
    drop_entry
  else
    report "$entry_path" dirty "was changed by others since kreg wrote it"
  fi
}

is_ours() {
  [ -f "$1" ] && [ -f "$target" ] && [ ! -L "$target" ] && same "$1" "$target"
}

# Puts the bytes, mode, owner and times of before in place.
put_back() {
  message=$({ cp -p "$entry/before" "$temp" && same "$entry/before" "$temp"; } 2>&1) ||
    no_temp write "$entry_path" "$message"
  move_in "$target"
}

undo_hosts() {
  if [ ! -f "$target" ] || [ -L "$target" ]; then
    report "$entry_path" unchanged "kreg's block is gone, and the file with it"
    drop_entry
    return 0
  fi
  wanted=$entry/after
  [ -f "$wanted" ] || wanted=$entry/next
  split_hosts "$wanted" >/dev/null
  ours=$block
  next=''
  if [ -f "$entry/next" ]; then
    split_hosts "$entry/next" >/dev/null
    next=$block
  fi
  split_hosts "$target" >/dev/null
  if [ -n "$broken" ] || [ "$blocks" -gt 1 ]; then
    report "$entry_path" dirty "the markers '$begin' and '$end' are broken: ${broken:-more than one block}"
  elif ! is_text "$target"; then
    report "$entry_path" dirty "holds a zero byte, so it is no text"
  elif [ "$blocks" -eq 0 ]; then
    report "$entry_path" unchanged "kreg's block was gone already"
    drop_entry
  elif [ "$block" != "$ours" ] && [ "$block" != "$next" ]; then
    report "$entry_path" dirty "the lines between '$begin' and '$end' were changed by others"
  else
    strip_hosts
    drop_entry
  fi
}

# Takes the block out. What was there before comes back to the byte, a missing last newline
# included, unless others have changed the rest: then the rest stays as it is.
strip_hosts() {
  # shellcheck disable=SC2094 # what is written is $temp
  message=$({
    cp -p "$target" "$temp" && split_hosts "$target" | into "$temp" split_hosts "$target"
  } 2>&1) || no_temp write "$entry_path" "$message"
  if [ "$entry_was" = absent ] && [ ! -s "$temp" ]; then
    rm -f "$temp"
    message=$(rm -f "$target" 2>&1) || fail remove "$entry_path" "$message"
    report "$entry_path" restored ""
  elif [ "$entry_was" = file ] && { same "$entry/before" "$temp" || before_ended | same_as "$temp"; }; then
    put_back
    report "$entry_path" restored ""
  else
    move_in "$target"
    report "$entry_path" restored "lines that others have changed since stay as they are"
  fi
}

before_ended() {
  cat "$entry/before"
  printf '\n'
}

undo_dir() {
  if [ ! -d "$target" ]; then
    drop_entry
  elif find_heir; then
    hand_over
  elif rmdir "$target" 2>/dev/null; then
    report "$entry_path" restored ""
    drop_entry
  elif [ "$state" != dirty ]; then
    report "$entry_path" unchanged "holds files of others, so it stays"
    drop_entry
  fi
}

# Sets $heir to the journal of another registry that still needs what $entry is about: a directory with
# files of that registry in it, or a runtime's configuration that names the directory above them. Fails
# if there is none.
find_heir() {
  case $program,$entry_kind in
    restart,*) return 1 ;; # the runtime does not run with this configuration
    *,dir) ;;
    *,config) config_text=$(cat "$entry/after" "$entry/next" 2>/dev/null) ;;
    *) return 1 ;;
  esac
  for heir in "$base"/*/[0-9]*/entry; do
    case $heir in "$journal"/*) continue ;; esac
    { read -r heir_kind && read -r _ && IFS= read -r heir_path; } 2>/dev/null <"$heir" || continue
    heir=${heir%/*/entry}
    case $entry_kind,$heir_kind,$heir_path in
      dir,*,"$entry_path"/*) return 0 ;;
      config,file,/*/*/*) case $config_text in *"${heir_path%/*/*}"*) return 0 ;; esac ;;
    esac
  done
  return 1
}

# Moves $entry to $heir, as its oldest: the last undo of the registries that need it takes it back.
hand_over() {
  for oldest in "$heir"/[0-9]*; do
    break
  done
  # The 1 keeps 0999 from being read as octal.
  oldest=$((1${oldest##*/} - 1))
  message=$(mv "$entry" "$heir/${oldest#1}" 2>&1) || fail journal "$entry_path" "cannot be handed over to ${heir#"$root"}: $message"
  sync_files "$heir" "$journal"
  report "$entry_path" unchanged "another registry (${heir##*/}) still needs it; it is restored when that registry is removed"
}

# Sets $entry_kind (file, hosts, dir, config), $entry_was (absent, file) and $entry_path; fails if $entry
# is not complete.
read_entry() {
  [ -f "$entry/entry" ] || return 1
  {
    IFS= read -r entry_kind &&
      IFS= read -r entry_was &&
      IFS= read -r entry_path
  } <"$entry/entry" || return 1
  case $entry_kind,$entry_was,$entry_path in
    file,absent,/* | file,file,/* | hosts,absent,/* | hosts,file,/* | config,absent,/* | config,file,/* | dir,absent,/*) ;;
    *) return 1 ;;
  esac
}

# find_entry PATH: sets $entry to its directory in the journal, empty if there is none.
find_entry() {
  for entry in "$journal"/[0-9]*; do
    read_entry || continue
    [ "$entry_path" != "$1" ] || return 0
  done
  entry=''
}

# Forgets $entry: first what kreg wrote, then that it is one, then the rest. So what is left of it after a
# kill is complete, or holds no `after`.
drop_entry() {
  message=$(rm -rf "$entry/after" "$entry/next" "$entry/entry" "$entry" 2>&1) || fail journal "$entry_path" "$message"
}

# Removes what a run that was cut off did not complete, or did not quite forget. An entry with an
# `after` was complete once: it holds the only copy of what was there before, so it stays, and is told.
sweep() {
  for entry in "$journal"/[0-9]*; do
    if [ ! -d "$entry" ] || read_entry; then
      continue
    elif [ -e "$entry/after" ]; then
      failed_step=journal
      report "${entry#"$root"}" dirty "is a damaged journal entry, so kreg does not know which file it is about: find the file that holds what $(damaged_holds), then remove ${entry#"$root"} and try again"
    else
      message=$(rm -rf "$entry" 2>&1) || fail journal "${entry#"$root"}" "$message"
    fi
  done
}

damaged_holds() {
  if [ -e "$entry/before" ]; then
    printf "'after' in it holds and put 'before' in its place"
  else
    printf "'after' in it holds and put back what was there before kreg"
  fi
}

# Sets $numbers to those of all entries, the newest first.
# shellcheck disable=SC2317 # a restart needs no list
list_entries() {
  numbers=''
  for entry in "$journal"/[0-9]*; do
    [ ! -d "$entry" ] || numbers="${entry##*/} $numbers"
  done
}

# Sets $held to the id of the registry that $journal is about, empty if nothing is in it. A registry that
# has no id, as those of an earlier kreg, goes by its name.
read_owner() {
  held=''
  has_entries || return 0
  held=$instance
  [ ! -e "$journal/id" ] || { IFS= read -r held <"$journal/id"; } 2>/dev/null || held='(not readable)'
}

# Once $journal has no entry, it is not the one that says who made /var/lib.
drop_made() {
  if has_entries || [ ! -f "$journal/made" ]; then
    return 0
  fi
  for heir in "$base"/*; do
    if [ -d "$heir" ] && [ "$heir" != "$journal" ]; then
      mv -f "$journal/made" "$heir/made"
      return 0
    fi
  done
  rm -f "$journal/made"
}
