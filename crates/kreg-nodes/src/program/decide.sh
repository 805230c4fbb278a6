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

# in_etc: refuses where containerd may start from another file than the one in /etc/containerd, as its
# process cannot be seen from here.
in_etc() {
  for mark in $other_containerds; do
    watch "$mark"
    ! there "$mark" || refuse "$mark" "shows a containerd that starts from another file than /etc/containerd/config.toml; trust this node over SSH"
  done
  case $system in
    flatcar | nixos)
      watch /etc/containerd/config.toml
      there /etc/containerd/config.toml ||
        refuse /etc/containerd/config.toml "does not exist, and on $system containerd starts from a file outside /etc; trust this node over SSH"
      ;;
  esac
}

installed() {
  for dir in /usr/bin /usr/local/bin /usr/sbin /opt/bin; do
    [ ! -x "$root$dir/$1" ] || return 0
  done
  return 1
}

# release_is MAJOR MINOR [PATCH]: whether $release is at least that.
release_is() {
  major=${release%%.*}
  minor=${release#*.}
  patch=${minor#*.}
  [ "$patch" != "$minor" ] || patch=0
  minor=${minor%%[!0-9]*}
  patch=${patch%%[!0-9]*}
  [ "$major" -eq "$1" ] || { [ "$major" -gt "$1" ] && return 0 || return 1; }
  [ "$minor" -eq "$2" ] || { [ "$minor" -gt "$2" ] && return 0 || return 1; }
  [ "${patch:-0}" -ge "${3-0}" ]
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
  may_reach "${dir:-/}" || refuse "$1" "belongs in ${dir:-/}, which this agent may not write: agents that are put on the nodes again may write what their nodes need"
  [ -w "$root${dir:-/}" ] || refuse "$1" "belongs in ${dir:-/}, which cannot be written to (read-only?)"
}

# may_reach DIR: whether this program may write there. In a Pod only some directories are mounted so that it may.
may_reach() {
  [ -n "${KREG_WRITES+set}" ] || return 0
  for tree in $KREG_WRITES; do
    case $1/ in "$tree"/*) return 0 ;; esac
  done
  return 1
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
    in_etc
    read_containerd
    # Docker's own containerd serves no kubelet.
    if [ -n "$docker" ] && [ -n "$disabled" ]; then containerd=''; fi
  fi
  [ -n "$containerd$docker$docker_certs_d" ] || refuse / "no container runtime was found"
  ca='' toml='' list_ca='' list_toml='' docker_ca=''
  if [ -n "$containerd" ]; then
    find_certs
    ca=$certs/$own/ca.crt
    toml=$certs/$own/hosts.toml
    [ -z "$list" ] || list_ca=$list/$own/ca.crt list_toml=$list/$own/hosts.toml
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
  [ -z "$list_ca" ] || may_write "$list_ca" content_ca
  [ -z "$docker_ca" ] || may_write "$docker_ca" content_ca
  [ -z "$by_name" ] || may_put_hosts /etc/hosts content_hosts
  [ -z "$toml" ] || may_write "$toml" content_toml
  [ -z "$list_toml" ] || may_write "$list_toml" content_toml
  node_is_fit

  take_lock
  sound_journal
  [ -z "$ca" ] || put_file "$ca" 644 "$adopt" content_ca
  [ -z "$list_ca" ] || put_file "$list_ca" 644 "$adopt" content_ca
  [ -z "$docker_ca" ] || put_file "$docker_ca" 644 "$adopt" content_ca
  [ -z "$by_name" ] || put_hosts /etc/hosts content_hosts
  [ -z "$toml" ] || put_file "$toml" 644 "$adopt" content_toml
  [ -z "$list_toml" ] || put_file "$list_toml" 644 "$adopt" content_toml
  prune
  finish
}

main </dev/null
