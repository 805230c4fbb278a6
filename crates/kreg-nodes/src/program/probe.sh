# Reads facts and changes nothing. Answer: lines of facts, then `data` and the bytes of every
# file listed, in that order, then `mounts` and /proc/self/mountinfo, then `kreg-probe end`.
set -u
LC_ALL=C
export LC_ALL

nl='
'
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
  [ -w "$root${dir:-/}" ] || printf 'nowrite %s\n' "${dir:-/}"
}

# --- Runtimes -----------------------------------------------------------------------------

# version_of NAME PROGRAM. It is the dearest step of a probe: no other process than the program, and
# one in Go collects no garbage on so short a way (a sixth less CPU time).
version_of() {
  words=$(GOGC=off "$2" --version 2>/dev/null)
  words=${words%%"$nl"*}
  [ -z "$words" ] || printf 'version %s %s\n' "$1" "$words"
}

# whose_containerd PID: k3s, RKE2 and some releases of Docker start one of their own. Its parent says so;
# of one whose parent has ended, its arguments.
whose_containerd() {
  parent=''
  { while read -r key parent _ && [ "$key" != PPid: ]; do :; done <"/proc/$1/status"; } 2>/dev/null
  { read -r parent <"/proc/$parent/comm"; } 2>/dev/null || parent=''
  case $parent in
    k3s | k3s-server | k3s-agent) name=k3s-containerd ;;
    rke2 | rke2-server | rke2-agent) name=rke2-containerd ;;
    dockerd) name=docker-containerd ;;
    *)
      case $(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline") in
        */rancher/k3s/*) name=k3s-containerd ;;
        */rancher/rke2/*) name=rke2-containerd ;;
        */run/docker/containerd/*) name=docker-containerd ;;
      esac
      ;;
  esac
}

# configured NAME FILE: that of k3s and RKE2 holds the cluster's token, and nothing that is needed.
configured() {
  case $1 in k3s | k3s-server | k3s-agent | rke2) return 0 ;; esac
  printf 'config %s %s\n' "$1" "$2"
  look "$2"
}

# running NAME PID: how a runtime was started, and its configuration file.
running() {
  printf 'running %s\n' "$1"
  arguments=$(tr '\0' '\n' <"/proc/$2/cmdline" 2>/dev/null)
  previous=''
  while IFS= read -r argument; do
    case $previous in
      -c | --config) configured "$1" "$argument" ;;
      --container-runtime-endpoint) printf 'endpoint %s\n' "$argument" ;;
    esac
    case $argument in
      --config=*) configured "$1" "${argument#*=}" ;;
      --container-runtime-endpoint=*) printf 'endpoint %s\n' "${argument#*=}" ;;
    esac
    previous=$argument
  done <<ARGUMENTS
$arguments
ARGUMENTS
  [ "$1" = kubelet ] || version_of "$1" "/proc/$2/exe"
  started "$1" "$2"
}

# started NAME PID: seconds since 1970. Field 22 of /proc/PID/stat counts hundredths since boot.
started() {
  read -r line 2>/dev/null <"/proc/$2/stat" || return 0
  # shellcheck disable=SC2086 # split into fields on purpose
  set -- "$1" ${line##*) }
  shift 20
  ticks=${1-0}
  while read -r key value rest; do
    [ "$key" != btime ] || printf 'started %s %s\n' "$name" "$((value + ticks / 100))"
  done </proc/stat
}

# told_crio PROCESS: the files that CRI-O was given, by its environment and by its arguments. No
# other variable and no other argument leaves the node.
told_crio() {
  { tr '\0' '\n' <"$1/environ"; } 2>/dev/null | while IFS= read -r word; do
    case ${word%%=*} in
      HOME | XDG_CONFIG_HOME | XDG_RUNTIME_DIR | DOCKER_CONFIG) ;;
      CONTAINER_CONFIG | CONTAINER_CONFIG_DIR) ;;
      CONTAINER_REGISTRIES_CONF | CONTAINER_REGISTRIES_CONF_DIR) ;;
      CONTAINER_SIGNATURE_POLICY | CONTAINER_GLOBAL_AUTH_FILE) ;;
      *) continue ;;
    esac
    printf 'option crio %s %s\n' "${word%%=*}" "${word#*=}"
  done
  { tr '\0' '\n' <"$1/cmdline"; } 2>/dev/null | {
    flag=''
    while IFS= read -r word; do
      if [ -n "$flag" ]; then
        printf 'option crio %s %s\n' "$flag" "$word"
        flag=''
        continue
      fi
      case $word in -*) flag=${word#-} && flag=${flag#-} ;; *) continue ;; esac
      case ${flag%%=*} in
        c | config | d | config-dir | registries-conf | registries-conf-dir) ;;
        signature-policy | global-auth-file) ;;
        *) flag='' && continue ;;
      esac
      case $flag in
        *=*) printf 'option crio %s %s\n' "${flag%%=*}" "${flag#*=}" && flag='' ;;
      esac
    done
  }
}

find_runtimes() {
  seen=' '
  if [ -z "$root" ]; then
    for process in /proc/[0-9]*; do
      name=''
      { read -r name <"$process/comm"; } 2>/dev/null || continue
      case $name in
        containerd | dockerd | crio | cri-dockerd | kubelet | k3s-server | k3s-agent | rke2) ;;
        *) continue ;;
      esac
      of_node "$process" "$name" || continue
      [ "$name" != containerd ] || whose_containerd "${process#/proc/}"
      case $seen in *" $name "*) continue ;; esac
      seen="$seen$name "
      running "$name" "${process#/proc/}"
      [ "$name" != crio ] || told_crio "$process"
    done
  elif [ -n "${KREG_RUNTIME-}" ]; then
    # Where no process of the node is seen: what the cluster says of it.
    name=${KREG_RUNTIME%% *}
    seen=" $name "
    printf 'running %s\nversion %s %s\n' "$name" "$name" "$KREG_RUNTIME"
  fi
  for name in containerd dockerd crio cri-dockerd podman k3s rke2; do
    for dir in $program_dirs; do
      [ -x "$root$dir/$name" ] || continue
      printf 'program %s %s\n' "$name" "$dir/$name"
      # A running one has told its version; nothing is run out of another root.
      case $seen in
        *" $name "*) ;;
        *) [ -n "$root" ] || version_of "$name" "$dir/$name" ;;
      esac
      break
    done
  done
}

# --- cloud-init -----------------------------------------------------------------------------

# cloud FILE: what it says of /etc/hosts. Nothing else of it is read out: it may hold passwords.
cloud() {
  if [ ! -f "$root$1" ] || [ ! -r "$root$1" ]; then
    return 0
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in manage_etc_hosts:*) printf 'cloud %s %s\n' "$1" "${line#*:}" ;; esac
  done <"$root$1"
}

look_at_cloud() {
  cloud /etc/cloud/cloud.cfg
  for found in "$root"/etc/cloud/cloud.cfg.d/*.cfg; do
    cloud "${found#"$root"}"
  done
  # What the machine was given at its birth.
  cloud /var/lib/cloud/instance/cloud-config.txt
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
  show_space
  show_files
  printf '\nmounts\n'
  cat /proc/self/mountinfo 2>/dev/null
  printf 'kreg-probe end\n'
}
