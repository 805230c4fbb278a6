# --- Runtimes -----------------------------------------------------------------------------

# version_of NAME PROGRAM. It is the dearest step of a probe: no other process than the program, and
# one in Go collects no garbage on so short a way (a sixth less CPU time).
version_of() {
  words=$(GOGC=off "$2" --version 2>/dev/null)
  words=${words%%"$nl"*}
  [ -z "$words" ] || printf 'version %s %s\n' "$1" "$words"
}

# started_by PROCESS: sets $parent to the name of the process that started it, and $unit to the service of
# systemd that it runs in; empty where there is none.
started_by() {
  parent='' key='' above=0
  { while read -r key above _ && [ "$key" != PPid: ]; do :; done <"$1/status"; } 2>/dev/null
  if [ "$key" = PPid: ] && [ "$above" -gt 0 ]; then
    { read -r parent <"/proc/$above/comm"; } 2>/dev/null || parent=''
  fi
  unit=$(unit_of "$1")
}

arguments_of() {
  tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null
}

# serves PID: whether this containerd is a daemon. Its shims run `containerd publish`, and a child that
# has not become another program yet has its name too.
serves() {
  [ "$parent" != containerd ] || return 1
  while IFS= read -r argument; do
    case $argument in publish | config | oci-hook | help | --version | -v) return 1 ;; esac
  done <<ARGUMENTS
$(arguments_of "$1")
ARGUMENTS
}

# name_containerd: k3s, RKE2 and some releases of Docker start one of their own, which stays in their
# service even after its parent has ended. Of any others each has a name: containerd, containerd.2 and so
# on.
name_containerd() {
  case $parent,$unit in
    k3s,* | k3s-server,* | k3s-agent,* | *,k3s | *,k3s-agent) name=k3s-containerd ;;
    rke2,* | *,rke2-server | *,rke2-agent) name=rke2-containerd ;;
    dockerd,* | *,docker) name=docker-containerd ;;
    *)
      number=1
      while :; do
        case $seen in *" $name "*) ;; *) break ;; esac
        number=$((number + 1))
        name=containerd.$number
      done
      ;;
  esac
}

# running NAME PID: how a runtime was started, by whom, and its configuration file.
running() {
  printf 'running %s\n' "$1"
  [ -z "$parent" ] || printf 'parent %s %s\n' "$1" "$parent"
  [ -z "$unit" ] || printf 'unit %s %s\n' "$1" "$unit"
  options "$1" <<ARGUMENTS
$(arguments_of "$2")
ARGUMENTS
  case $1 in kubelet | kubelite) ;; *) version_of "$1" "/proc/$2/exe" ;; esac
  started "$1" "$2"
}

# options NAME: reads arguments, one a line.
options() {
  previous=''
  while IFS= read -r argument; do
    case $argument in
      -*=*) option "$1" "${argument%%=*}" "${argument#*=}" ;;
      *) option "$1" "$previous" "$argument" ;;
    esac
    previous=$argument
  done
}

option() {
  case $1,$2 in
    # Their own configuration holds the cluster's token: see endpoint_for.
    k3s-server,* | k3s-agent,* | rke2,*)
      case $2 in
        --container-runtime-endpoint) printf 'endpoint %s\n' "$3" ;;
        -c | --config) own_config=$3 ;;
      esac
      ;;
    *,-c | *,--config) printf 'config %s %s\n' "$1" "$3" && look "$3" ;;
    *containerd*,-a | *containerd*,--address) printf 'address %s %s\n' "$1" "$3" ;;
    kubelet,--config-dir)
      printf 'drop-ins %s %s\n' "$1" "$3"
      for found in "$3"/*.conf; do
        look "$found"
      done
      ;;
    # MicroK8s: one program with the kubelet in it, whose arguments are in a file.
    kubelite,--kubelet-args-file) [ ! -r "$3" ] || options kubelet <"$3" ;;
    *,--container-runtime-endpoint)
      case $3 in
        "\${SNAP_COMMON}"*) printf 'endpoint /var/snap/microk8s/common%s\n' "${3#*\}}" ;;
        *) printf 'endpoint %s\n' "$3" ;;
      esac
      ;;
  esac
}

# endpoint_for ID: what k3s or RKE2 is told to use in place of its own containerd. Nothing else of these
# files leaves the node: they hold the cluster's token.
endpoint_for() {
  value=''
  own_config=$root${own_config:-/etc/rancher/$1/config.yaml}
  for found in "$own_config" "$own_config.d"/*.yaml; do
    if [ ! -f "$found" ] || [ ! -r "$found" ]; then
      continue
    fi
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
        container-runtime-endpoint[:\ ]* | [\"\']container-runtime-endpoint[\"\'][:\ ]*) value=${line#*:} ;;
      esac
    done <"$found"
  done
  [ -z "$value" ] || printf 'endpoint %s\n' "$value"
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
  seen=' ' own_config=''
  if [ -z "$root" ]; then
    for process in /proc/[0-9]*; do
      name=''
      { read -r name <"$process/comm"; } 2>/dev/null || continue
      case $name in
        containerd | dockerd | crio | cri-dockerd | kubelet | kubelite | k3s-server | k3s-agent | rke2) ;;
        *) continue ;;
      esac
      of_node "$process" "$name" || continue
      started_by "$process"
      if [ "$name" = containerd ]; then
        serves "${process#/proc/}" || continue
        name_containerd
      fi
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
  case $seen in *' k3s-server '* | *' k3s-agent '*) endpoint_for k3s ;; esac
  case $seen in *' rke2 '*) endpoint_for rke2 ;; esac
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
