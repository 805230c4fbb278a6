# --- The node's own software --------------------------------------------------------------

# Sets $system to the ID in os-release: empty where that is a link to what is not in sight.
find_system() {
  system=''
  watch /etc/os-release
  [ -f "$root/etc/os-release" ] || return 0
  while read -r line || [ -n "$line" ]; do
    line=${line%"$cr"}
    case $line in
      ID=*)
        system=${line#ID=}
        system=${system#[\"\']}
        system=${system%[\"\']}
        ;;
    esac
  done <"$root/etc/os-release"
}

# OpenShift's node-ca erases what it does not know below Docker's directory.
is_openshift() {
  case $system in rhcos | scos) return 0 ;; esac
  for mark in $marks; do
    watch "$mark"
    [ ! -d "$root$mark" ] || return 0
  done
  return 1
}
