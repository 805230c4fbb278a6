# --- The registry's directory -------------------------------------------------------------

# down_to PATH: makes PATH the working directory, one name at a time. No link is followed, and each
# directory must be one in which only $owners can put something else in a name's place; a sticky one
# will do, since the next is theirs. What is done after that by relative names is done there, whatever
# becomes of the names above. Fails if PATH is not there.
down_to() {
  cd -P "${root:-/}" 2>/dev/null || fail "$program" "$1" "${root:-/} cannot be entered"
  at='' left=${1#/}
  while [ -n "$left" ]; do
    part=./${left%%/*}
    at=$at/${left%%/*}
    case $left in */*) left=${left#*/} ;; *) left='' ;; esac
    [ ! -L "$part" ] || fail "$program" "$at" "is a symbolic link, which kreg does not follow to a registry's directory"
    [ -e "$part" ] || return 1
    cd -P "$part" 2>/dev/null || fail "$program" "$at" "cannot be entered"
    [ "$(pwd -P)" = "$root$at" ] || fail "$program" "$at" "was replaced while kreg went there; $(pwd -P) is there now"
    only_owners
  done
}

# Sees that nobody but $owners can rename what is in the working directory, which is $at on the node.
only_owners() {
  ids=$(stat -c '%u %g %a' . 2>&1) || fail "$program" "$at" "cannot be judged: $ids"
  # shellcheck disable=SC2086 # three words
  set -- $ids
  may_own "$1" || fail "$program" "$at" "belongs to user $1, who could put another directory in its place: give it to root (chown root)"
  case $3 in
    [1357]???) return 0 ;;
    *[2367]) others=others ;;
    *[2367]?)
      ! may_own "$2" || return 0
      others="group $2"
      ;;
    *) return 0 ;;
  esac
  fail "$program" "$at" "can be written to by $others, who could put another directory in its place: take that right away (chmod go-w)"
}

may_own() {
  case " $owners $(id -u) $(id -g) " in *" $1 "*) ;; *) return 1 ;; esac
}

# The id of the registry that keeps its images in the working directory, in $found; empty if none is
# said.
read_marker() {
  found=''
  [ ! -L "$marker" ] || fail "$program" "$storage/$marker" "is a symbolic link"
  [ -e "$marker" ] || return 0
  [ -f "$marker" ] || fail "$program" "$storage/$marker" "is not a regular file"
  { IFS= read -r found <"$marker"; } 2>/dev/null
  [ -n "$found" ] || fail "$program" "$storage/$marker" "holds no registry's id"
}
