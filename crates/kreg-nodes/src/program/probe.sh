# Reads facts and changes nothing. Answer: lines of facts, then `data` and the bytes of every
# file listed, in that order, then `mounts` and /proc/self/mountinfo, then `kreg-probe end`.
set -u
LC_ALL=C
export LC_ALL

nl='
'
cr=$(printf '\r')
max=1048576 # bytes; a larger file is named, not shown
root=${KREG_ROOT-}
root=${root%/}
if [ -n "$root" ]; then
  root=$(cd "$root" && pwd -P) || exit 1
fi
files=$nl

# --- Looking ------------------------------------------------------------------------------

# look PATH: a file to show, a directory or a link to name.
look() {
  case $1 in *"$nl"*) return 0 ;; esac
  case $files in *"$nl$1$nl"*) return 0 ;; esac
  if ! in_sight "$1"; then
    printf 'unreadable %s\n' "$1"
    return 0
  fi
  path=$root$1
  [ ! -L "$path" ] || printf 'link %s\n' "$1"
  if [ -d "$path" ]; then
    printf 'dir %s\n' "$1"
  elif [ -f "$path" ]; then
    if [ -r "$path" ]; then
      files=$files$1$nl
    else
      printf 'unreadable %s\n' "$1"
    fi
  elif [ -e "$path" ]; then
    printf 'special %s\n' "$1"
  fi
}

# Whether PATH is seen here as the node has it. In a Pod only some trees are mounted.
in_sight() {
  [ -n "${KREG_TREES-}" ] || return 0
  for tree in $KREG_TREES; do
    case $1/ in "$tree"/*) return 0 ;; esac
  done
  return 1
}

# look_in DIR: the directory and what lies in it. Private keys are named, and not read.
look_in() {
  look "$1"
  [ -d "$root$1" ] || return 0
  for found in "$root$1"/*; do
    case $found in
      *"$nl"*) continue ;;
      *.key) [ ! -f "$found" ] || { printf 'unreadable %s\n' "${found#"$root"}" && continue; } ;;
    esac
    if [ -e "$found" ] || [ -L "$found" ]; then
      look "${found#"$root"}"
    fi
  done
}

# writable DIR: says so if the nearest directory that exists cannot be written to.
writable() {
  dir=$1
  while [ -n "$dir" ] && [ ! -d "$root$dir" ]; do
    dir=${dir%/*}
  done
  [ -w "$root${dir:-/}" ] || only_here "$root${dir:-/}" || printf 'nowrite %s\n' "${dir:-/}"
}

# only_here DIR: whether it is read-only only in this Pod: the mount is, and the file system is not. Of
# mounts at the same place the last one counts (proc_pid_mountinfo(5)).
only_here() {
  [ -n "${KREG_WRITES+set}" ] || return 1
  nearest='' mount='' device=''
  while read -r _ _ _ _ point options others; do
    case $1/ in "${point%/}"/*) ;; *) continue ;; esac
    [ "${#point}" -ge "${#nearest}" ] || continue
    nearest=$point mount=$options device=${others##* }
  done </proc/self/mountinfo
  case ,$mount, in *,ro,*) ;; *) return 1 ;; esac
  case ,$device, in *,rw,*) return 0 ;; *) return 1 ;; esac
}

# --- cloud-init -----------------------------------------------------------------------------

# cloud FILE: what it says of /etc/hosts. Nothing else of it is read out: it may hold passwords.
cloud() {
  if [ ! -f "$root$1" ] || [ ! -r "$root$1" ]; then
    return 0
  fi
  form='' follows=''
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%"$cr"}
    bare=${line#"${line%%[! ]*}"}
    case $bare in '' | '#'* | ---*) continue ;; esac
    # An object of JSON, or YAML's form of it, has other members on the same line.
    case $form$bare in '{'*) form=flow ;; esac
    form=${form:-block}
    if [ -n "$follows" ]; then
      follows=''
      # One word further in is its value, and anything else is not.
      value=${bare%% #*}
      value=${value%"${value##*[! ]}"}
      case $line,$value in
        [!\ ]* | *:* | *,*\ *) ;;
        *) printf 'cloud %s %s\n' "$1" "$value" ;;
      esac
    fi
    case $form,$line in
      block,manage_etc_hosts* | block,[\"\']manage_etc_hosts*) value=${line#*manage_etc_hosts} ;;
      flow,*manage_etc_hosts*)
        value=${line#*manage_etc_hosts}
        value=${value%%[,\}]*}
        ;;
      *) continue ;;
    esac
    value=${value#[\"\']}
    value=${value#"${value%%[! ]*}"}
    case $value in
      :*) value=${value#:} ;;
      *) continue ;;
    esac
    case ${value#"${value%%[! ]*}"} in
      '' | '#'*) follows=yes ;;
      *) printf 'cloud %s %s\n' "$1" "$value" ;;
    esac
  done <"$root$1"
}

look_at_cloud() {
  cloud /etc/cloud/cloud.cfg
  for found in "$root"/etc/cloud/cloud.cfg.d/*.cfg; do
    cloud "${found#"$root"}"
  done
  # What the machine was given at its birth, by its owner and by its provider.
  for found in cloud-config vendor-cloud-config vendor2-cloud-config; do
    cloud "/var/lib/cloud/instance/$found.txt"
  done
}

# --- WSL ----------------------------------------------------------------------------------------

# Of its settings the sections, and what they say of /etc/hosts: a command in them may hold secrets.
look_at_wsl() {
  if [ ! -f "$root/etc/wsl.conf" ] || [ ! -r "$root/etc/wsl.conf" ]; then
    return 0
  fi
  while read -r line || [ -n "$line" ]; do
    line=${line%"$cr"}
    case $line in '['*']' | [Gg]enerate[Hh]osts*) printf 'wsl %s\n' "$line" ;; esac
  done <"$root/etc/wsl.conf"
}

# --- Root's home, and logins ---------------------------------------------------------------

look_at_home() {
  if [ ! -f "$root/etc/passwd" ] || [ ! -r "$root/etc/passwd" ]; then
    return 0
  fi
  while IFS=: read -r _ _ id _ _ home _; do
    [ "$id" = 0 ] || continue
    printf 'home %s\n' "$home"
    return 0
  done <"$root/etc/passwd"
}

# login FILE: names it if it holds credentials for the registry. Nothing of it is read out.
login() {
  if ! in_sight "$1" || [ ! -f "$root$1" ] || [ ! -r "$root$1" ]; then
    return 0
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *"\"$registry\""* | *"\"$registry/"* | *"//$registry\""* | *"//$registry/"*)
        printf 'login %s\n' "$1"
        return 0
        ;;
    esac
  done <"$root$1"
}

# --- Showing ------------------------------------------------------------------------------

show_files() {
  set --
  while IFS= read -r path; do
    [ -z "$path" ] || set -- "$@" "$root$path"
  done <<FILES
$files
FILES
  if [ $# -eq 0 ]; then
    printf 'data\n'
    return 0
  fi
  stats=$(stat -L -c '%s %a %u %g %Y %n' "$@")
  set --
  while read -r size mode uid gid time path; do
    if [ "$size" -le "$max" ]; then
      printf 'file %s %s %s %s %s %s\n' "$size" "$mode" "$uid" "$gid" "$time" "${path#"$root"}"
      set -- "$@" "$path"
    else
      printf 'big %s\n' "${path#"$root"}"
    fi
  done <<STATS
$stats
STATS
  printf 'data\n'
  cat "$@"
}

show_space() {
  set --
  for dir in "$root/etc" "$root/var/lib"; do
    [ ! -d "$dir" ] || set -- "$@" "$dir"
  done
  [ $# -gt 0 ] || return 0
  space=$(df -Pk "$@" 2>/dev/null)
  while read -r _ _ _ available _ mount; do
    case $available in
      *[!0-9]* | '') ;;
      *) printf 'space %s %s\n' "$available" "$mount" ;;
    esac
  done <<SPACE
$space
SPACE
}

probe() {
  printf 'kreg-probe 1\n'
  printf 'root %s\n' "$root"
  printf 'uid %s\n' "$(id -u)"
  printf 'machine %s\n' "$(uname -m)"
  look_at_home
  find_runtimes
  look_at_paths
  look_at_cloud
  look_at_wsl
  show_space
  show_files
  printf '\nmounts\n'
  cat /proc/self/mountinfo 2>/dev/null
  printf 'kreg-probe end\n'
}
