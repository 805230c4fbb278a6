# Where programs of a node are that root may run.
program_dirs='/usr/bin /usr/local/bin /usr/sbin /opt/bin'

# of_node PROCESS NAME: whether it is the node's own: root's through and through, in the namespaces of
# the node's init. Anybody may call a program `dockerd`, in a Pod or at home, and it must not be run
# as root for that; what passes here runs as root on the node already. A service may have mounts of
# its own: then its program must be the very file that is in one of the usual places. Where init's
# namespaces cannot be seen, no process passes.
of_node() {
  key='' one='' two='' three='' four=''
  { while read -r key one two three four && [ "$key" != Uid: ]; do :; done <"$1/status"; } 2>/dev/null
  [ "$key $one $two $three $four" = 'Uid: 0 0 0 0' ] || return 1
  # shellcheck disable=SC3013 # -ef: POSIX.1-2024, and in dash, bash and busybox long since
  if [ ! "$1/ns/pid" -ef /proc/1/ns/pid ] || [ ! "$1/ns/user" -ef /proc/1/ns/user ]; then
    return 1
  elif [ "$1/ns/mnt" -ef /proc/1/ns/mnt ]; then
    return 0
  fi
  for dir in $program_dirs; do
    # shellcheck disable=SC3013
    [ ! "$1/exe" -ef "$dir/$2" ] || return 0
  done
  return 1
}

# unit_of PROCESS: the systemd unit that it belongs to (cgroups(7)), without `.service`; nothing where
# there is none.
unit_of() {
  while IFS= read -r line; do
    case $line in
      0::/*.service* | *:name=systemd:/*.service*)
        line=${line%.service*}
        printf '%s' "${line##*/}"
        return
        ;;
    esac
  done 2>/dev/null <"$1/cgroup"
}
