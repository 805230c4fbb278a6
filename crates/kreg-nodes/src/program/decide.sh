# --- What this node needs -----------------------------------------------------------------

# As kreg's plan decides it, on the node itself and with nobody there: where the plan would refuse,
# or where this is not sure, nothing is written.

# refuse PATH REASON: leaves the node alone, and ends.
refuse() {
  failed_step=plan
  report "$1" failed "$2"
  state=refused
  finish
}

# Files and directories that the decision hangs on, one a line.
watched=$nl
watch() {
  case $watched in *"$nl$1$nl"*) ;; *) watched=$watched$1$nl ;; esac
}

# Whether this program sees PATH as the node has it. In a Pod only some trees are mounted.
in_sight() {
  [ -n "${KREG_TREES-}" ] || return 0
  for tree in $KREG_TREES; do
    case $1/ in "$tree"/*) return 0 ;; esac
  done
  return 1
}

there() {
  [ -e "$root$1" ] || [ -L "$root$1" ]
}

# $runtime and $release: what the cluster says of this node, else what is installed.
find_runtime() {
  docker='' containerd='' release=''
  if [ -n "${KREG_RUNTIME-}" ]; then
    case $KREG_RUNTIME in *' '[0-9]*.[0-9]*) release=${KREG_RUNTIME#* } ;; esac
    case ${KREG_RUNTIME%% *} in
      containerd) containerd=yes ;;
      dockerd) docker=yes ;;
      *) refuse / "the runtime is ${KREG_RUNTIME%% *}, which this release of kreg does not set up" ;;
    esac
    return 0
  fi
  for name in k3s-server k3s-agent k3s rke2 crio; do
    ! installed "$name" || refuse / "the runtime is $name, which this release of kreg does not set up"
  done
  if installed containerd || there /etc/containerd/config.toml; then containerd=yes; fi
  ! installed dockerd || docker=yes
}

installed() {
  for dir in /usr/bin /usr/local/bin /usr/sbin /opt/bin; do
    [ ! -x "$root$dir/$1" ] || return 0
  done
  return 1
}

# Whether containerd's release is known and at least MAJOR.MINOR.
release_is() {
  [ -n "$release" ] || return 1
  major=${release%%.*}
  minor=${release#*.}
  minor=${minor%%[!0-9]*}
  [ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }
}

# --- containerd ---------------------------------------------------------------------------

cri_v1='|plugins|cri'
cri_v2='|plugins|io.containerd.grpc.v1.cri'
cri_v3='|plugins|io.containerd.cri.v1.images'

# Reads config.toml and all that it imports, as containerd puts them together: up to 1.7 a later
# file replaces a plugin's table, from 2.0 on it is merged.
read_containerd() {
  disabled=''
  last_path='' last_mirrors='' last_tls=''
  all_path='' all_mirrors='' all_tls=''
  loaded=$nl
  pending=/etc/containerd/config.toml$nl
  there /etc/containerd/config.toml || imports_of /etc/containerd/config.toml '/etc/containerd/conf.d/*.toml'
  while [ -n "$pending" ]; do
    config=${pending%%"$nl"*}
    pending=${pending#*"$nl"}
    watch "$config"
    case $loaded in *"$nl$config$nl"*) continue ;; esac
    loaded=$loaded$config$nl
    in_sight "$config" || refuse "$config" "cannot be read"
    there "$config" || continue
    if [ ! -f "$root$config" ] || [ ! -r "$root$config" ] || [ "$(wc -c <"$root$config")" -gt 262144 ]; then
      refuse "$config" "cannot be read"
    fi
    schema=1 section=''
    read_toml "$config"
  done
  if release_is 2 0 || [ -z "$release" ]; then
    config_path=$all_path mirrors=$all_mirrors tls=$all_tls
  else
    config_path=$last_path mirrors=$last_mirrors tls=$last_tls
  fi
}

# imports_of FILE PATTERN: queues the files that PATTERN in FILE means.
imports_of() {
  case $2 in
    *[]\[?\\\"\'\ ]*) refuse "$1" "imports $2, which the node agent cannot follow" ;;
    /*) pattern=$2 ;;
    *) pattern=${1%/*}/${2#./} ;;
  esac
  case $pattern in
    *'*'*)
      watch "${pattern%/*}"
      in_sight "${pattern%/*}" || refuse "$1" "imports $pattern, which cannot be read"
      case ${pattern%/*} in *'*'*) refuse "$1" "imports $pattern, which the node agent cannot follow" ;; esac
      for import in "$root${pattern%/*}"/*; do
        import=${import#"$root"}
        # shellcheck disable=SC2254 # a pattern on purpose
        case ${import##*/} in
          ${pattern##*/}) pending=$pending$import$nl ;;
        esac
      done
      ;;
    *) pending=$pending$pattern$nl ;;
  esac
}

# Sets $below to the rest of PATH below the CRI plugin's table, or fails.
in_cri() {
  case $schema in
    -* | 0 | 1) set -- "$1" "$cri_v1" "$cri_v2" ;;
    2) set -- "$1" "$cri_v2" ;;
    *) set -- "$1" "$cri_v3" ;;
  esac
  whole=$1
  shift
  for cri in "$@"; do
    case $whole in
      "$cri") below='' ;;
      "$cri|"*) below=${whole#"$cri"} ;;
      *) continue ;;
    esac
    if [ "$section" != "$cri" ]; then
      # Two names for one table: which of them counts is not for here.
      [ -z "$section" ] || odd
      section=$cri
      last_path='' last_mirrors='' last_tls=''
    fi
    return 0
  done
  return 1
}

on_table() {
  in_cri "$1" || return 0
  case $below in
    '|registry|mirrors|'*) last_mirrors=yes all_mirrors=yes ;;
    '|registry|configs|'*'|tls|'*) last_tls=yes all_tls=yes ;;
  esac
}

on_list() {
  case $1 in '|plugins') odd ;; esac
  ! in_cri "$1" || case $below in '' | '|registry' | '|registry|'*) odd ;; esac
}

on_value() {
  case $1 in
    '|version')
      [ "$kind" = scalar ] || odd
      case $value in true | false | *.*) odd ;; esac
      schema=${value#+}
      return 0
      ;;
    '|imports')
      [ "$kind" = list ] || odd
      while [ -n "$value" ]; do
        import=${value%%"$nl"*}
        value=${value#*"$nl"}
        imports_of "$toml_file" "$import"
      done
      return 0
      ;;
    '|disabled_plugins')
      [ "$kind" = list ] || odd
      case $nl$value in
        *"${nl}cri$nl"* | *"${nl}io.containerd.grpc.v1.cri$nl"* | *"${nl}io.containerd.cri.v1.images$nl"*) disabled=yes ;;
      esac
      return 0
      ;;
    '|plugins') odd ;;
  esac
  in_cri "$1" || return 0
  case $below in
    '' | '|registry' | '|registry|mirrors' | '|registry|configs') odd ;;
    '|registry|config_path')
      [ "$kind" = string ] || odd
      last_path=$value
      [ -z "$value" ] || all_path=$value
      ;;
    '|registry|mirrors|'*) last_mirrors=yes all_mirrors=yes ;;
    '|registry|configs|'*'|tls') odd ;;
    '|registry|configs|'*'|tls|'*) last_tls=yes all_tls=yes ;;
    '|registry|configs|'*'|'*) ;;
    '|registry|configs|'*) odd ;;
  esac
}

# Sets $certs to the directory below which containerd looks for registries.
find_certs() {
  config=/etc/containerd/config.toml
  [ -z "$disabled" ] || refuse "$config" "turns containerd's CRI plugin off (disabled_plugins)"
  certs=''
  old_ifs=$IFS
  IFS=:
  for one in $config_path; do
    case $one in
      *[]\[*?]*) refuse "$config" "sets a config_path that the node agent cannot follow: $config_path" ;;
      /*) ;;
      *) continue ;;
    esac
    [ -n "$certs" ] || certs=${one%"${one##*[!/]}"}
    [ -n "$certs" ] || refuse "$config" "sets a config_path that the node agent cannot follow: $config_path"
  done
  IFS=$old_ifs
  if [ -z "$certs" ] && [ -z "$mirrors" ] && release_is 2 2; then
    certs=/etc/containerd/certs.d
  fi
  [ -n "$certs" ] || refuse "$config" "sets no config_path, nor do its imports, so containerd looks in no directory for registries"
  [ -z "$mirrors" ] || refuse "$config" "sets registry.mirrors beside config_path, with which containerd's CRI plugin does not load"
  [ -z "$tls" ] || release_is 2 0 ||
    refuse "$config" "sets registry.configs.*.tls beside config_path, with which the CRI plugin of containerd 1.x does not load"
  in_sight "$certs" || refuse "$certs" "is where containerd looks, and is not mounted in the node agent"
  for name in $hiding; do
    watch "$certs/$name"
    ! there "$certs/$name" || refuse "$certs/$name" "exists, and containerd reads it instead of $certs/$own"
  done
}

# --- Whether it may be written ------------------------------------------------------------

changes=''

# may_write PATH CONTENT: as `put_file` will find it.
may_write() {
  look_at "$1"
  if [ -f "$target" ]; then
    ! "$2" | same_as "$target" || return 0
    find_entry "$1"
    [ -n "$entry" ] || [ "$adopt" = yes ] || refuse "$1" "exists and was not written by kreg"
  fi
  changes=yes
  writable "$1"
}

# may_put_hosts PATH BLOCK: as `put_hosts` will find it.
may_put_hosts() {
  look_at "$1"
  if [ -f "$target" ]; then
    is_text "$target" || refuse "$1" "holds a zero byte, so it is no text"
    split_hosts "$target" >/dev/null
    [ -z "$broken" ] || refuse "$1" "kreg's markers are broken: $broken"
    wanted=$("$2")$nl
    if [ "$blocks" -eq 1 ] && [ "$block" = "$wanted" ]; then
      return 0
    fi
  fi
  changes=yes
  writable "$1"
}

look_at() {
  watch "$1"
  target=$root$1
  ! leads_out "$1" || refuse "$1" "belongs in $leads, by way of a link out of $root"
  [ ! -L "$target" ] || refuse "$1" "is a symbolic link, and kreg writes regular files only"
  if [ -e "$target" ]; then
    [ -f "$target" ] || refuse "$1" "is not a regular file"
    [ "$(wc -c <"$target")" -le 1048576 ] || refuse "$1" "is larger than 1 MiB, and kreg leaves such files alone"
  fi
}

writable() {
  dir=${1%/*}
  while [ -n "$dir" ] && [ ! -d "$root$dir" ]; do
    dir=${dir%/*}
  done
  [ -w "$root${dir:-/}" ] || refuse "$1" "belongs in ${dir:-/}, which cannot be written to (read-only?)"
}

node_is_fit() {
  [ -n "$changes" ] || return 0
  if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    refuse / "the node program does not run as root"
  fi
  writable "${base#"$root"}/$instance"
  set --
  for dir in "$root/etc" "$root/var/lib"; do
    [ ! -d "$dir" ] || set -- "$@" "$dir"
  done
  [ $# -gt 0 ] || return 0
  space=$(df -Pk "$@" 2>/dev/null)
  while read -r _ _ _ available _ mount; do
    case $available in
      '' | *[!0-9]*) ;;
      *) [ "$available" -ge 256 ] || refuse "$mount" "has $available KiB free; kreg needs 256" ;;
    esac
  done <<SPACE
$space
SPACE
}

# shellcheck disable=SC2317,SC2329 # called at the end
tell_watched() {
  [ -z "${KREG_WATCH-}" ] || printf '%s' "${watched#"$nl"}" >"$KREG_WATCH"
}

main() {
  trap tell_watched EXIT
  find_system
  case $system in
    talos | bottlerocket) refuse /etc/os-release "is that of $system, which makes its files from its own settings; set the CA there" ;;
  esac
  find_runtime
  config_path=''
  if [ -n "$containerd" ]; then
    read_containerd
    # Docker's own containerd serves no kubelet.
    if [ -n "$docker" ] && [ -n "$disabled" ]; then containerd=''; fi
  fi
  [ -n "$containerd$docker$docker_certs_d" ] || refuse / "no container runtime was found"
  ca='' toml='' docker_ca=''
  if [ -n "$containerd" ]; then
    find_certs
    ca=$certs/$own/ca.crt
    toml=$certs/$own/hosts.toml
  fi
  [ -z "$docker" ] || judge_docker
  if [ -n "$docker$docker_certs_d" ]; then
    ! is_openshift || refuse "$docker_certs" "is OpenShift's, whose node-ca erases what it does not know there; set additionalTrustedCA in image.config.openshift.io/cluster"
    docker_ca=$docker_certs/$own/ca.crt
    [ "$docker_ca" != "$ca" ] || docker_ca=''
  fi
  [ -z "$docker" ] || [ -z "$address" ] || by_name=yes
  [ -z "$name_is_address" ] || by_name=''
  [ -z "$by_name" ] || [ -n "$address" ] || refuse /etc/hosts "needs the registry's address, which was not given"

  [ -z "$ca" ] || may_write "$ca" content_ca
  [ -z "$docker_ca" ] || may_write "$docker_ca" content_ca
  [ -z "$by_name" ] || may_put_hosts /etc/hosts content_hosts
  [ -z "$toml" ] || may_write "$toml" content_toml
  node_is_fit

  take_lock
  sweep
  [ -z "$ca" ] || put_file "$ca" 644 "$adopt" content_ca
  [ -z "$docker_ca" ] || put_file "$docker_ca" 644 "$adopt" content_ca
  [ -z "$by_name" ] || put_hosts /etc/hosts content_hosts
  [ -z "$toml" ] || put_file "$toml" 644 "$adopt" content_toml
  prune
  finish
}

main </dev/null
