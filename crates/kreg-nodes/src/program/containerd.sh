# --- Which directories containerd reads ---------------------------------------------------

cri_v1='|plugins|cri'
cri_v2='|plugins|io.containerd.grpc.v1.cri'
cri_v3='|plugins|io.containerd.cri.v1.images'

# read_containerd: $config_path, $mirrors and $tls as this node's containerd comes to them. Where its
# release is not known, all must agree (see containerd/merge.rs, which has the source of each rule).
read_containerd() {
  if [ -n "$release" ]; then
    read_release
    return 0
  fi
  agreed=''
  for release in 1.6.0 1.7.0 2.0.0 2.2.0 2.2.2 2.3.0; do
    read_release
    found="=$config_path|$mirrors|$tls"
    [ "${agreed:-$found}" = "$found" ] || refuse /etc/containerd/config.toml \
      "leads to different directories in different releases of containerd, and which one runs here is not known"
    agreed=$found
  done
  release=''
}

# Reads config.toml and all that it imports, and puts them together as $release does.
read_release() {
  disabled=''
  # Of each of the plugin's three tables: whether it is there, whether it has a table of registries,
  # whether that sets config_path and to what, whether it has mirrors, and tls.
  a_set='' a_path='' a_mirrors='' a_tls=''
  b_there='' b_registry='' b_set='' b_path='' b_mirrors='' b_tls=''
  c_set='' c_path='' c_mirrors='' c_tls=''
  whole_schema=1
  ! release_is 2 0 || whole_schema=3
  loaded=$nl
  pending=''
  watch /etc/containerd/config.toml
  in_sight /etc/containerd/config.toml || refuse /etc/containerd/config.toml "cannot be read"
  # Without it, nothing else is read.
  ! there /etc/containerd/config.toml || pending=/etc/containerd/config.toml$nl
  while [ -n "$pending" ]; do
    config=${pending%%"$nl"*}
    pending=${pending#*"$nl"}
    watch "$config"
    case $loaded in *"$nl$config$nl"*) continue ;; esac
    loaded=$loaded$config$nl
    in_sight "$config" || refuse "$config" "cannot be read"
    there "$config" || refuse "$config" "is imported and is not there, so containerd does not start again"
    if [ ! -f "$root$config" ] || [ ! -r "$root$config" ] || [ "$(wc -c <"$root$config")" -gt 262144 ]; then
      refuse "$config" "cannot be read"
    fi
    schema=0
    x_there='' x_registry='' x_set='' x_path='' x_mirrors='' x_tls=''
    y_there='' y_registry='' y_set='' y_path='' y_mirrors='' y_tls=''
    z_set='' z_path='' z_mirrors='' z_tls=''
    read_toml "$config"
    if ! release_is 2 0; then
      replace_by_file
    else
      merge_file
    fi
  done
  if ! release_is 2 0; then
    if [ "$whole_schema" -gt 2 ] && release_is 1 7; then too_new; fi
    [ "$whole_schema" -ne 1 ] || b_set=$a_set b_path=$a_path b_mirrors=$a_mirrors b_tls=$a_tls
    config_path=$b_path mirrors=$b_mirrors tls=$b_tls
    return 0
  fi
  migrated=''
  if ! release_is 2 3; then
    [ "$whole_schema" -le 3 ] || too_new
    if [ "$whole_schema" -lt 3 ] && [ -n "$b_there" ]; then
      migrated=yes
      [ -z "$b_registry" ] || c_set=$b_set c_path=$b_path c_mirrors=$b_mirrors c_tls=$b_tls
    fi
  fi
  config_path=$c_path mirrors=$c_mirrors tls=$c_tls
  [ -z "$config_path" ] || return 0
  if ! release_is 2 2; then
    return 0
  elif ! release_is 2 2 2; then
    [ -n "$c_set" ] && [ -z "$migrated" ] || config_path=$built_in
  elif [ -z "$mirrors" ]; then
    config_path=$built_in
  fi
}

built_in=/etc/containerd/certs.d:/etc/docker/certs.d

too_new() {
  refuse "$config" "is of a version of configuration that this release of containerd does not know"
}

# 1.x: a plugin's table replaces that of an earlier file.
replace_by_file() {
  [ "$schema" -eq 0 ] || whole_schema=$schema
  [ -z "$x_there" ] || a_set=$x_set a_path=$x_path a_mirrors=$x_mirrors a_tls=$x_tls
  [ -z "$y_there" ] || b_there=yes b_registry=$y_registry b_set=$y_set b_path=$y_path b_mirrors=$y_mirrors b_tls=$y_tls
}

# 2.x: tables are merged, of files of 2.3 and later each brought to the newest schema before.
merge_file() {
  if [ "$schema" -le 1 ]; then
    [ "$whole_schema" -le 3 ] || too_new
    # The short name becomes the long one. Which of two counts is not for here.
    if [ -n "$x_there" ]; then
      [ -z "$y_there" ] || refuse "$config" "names one plugin in two ways, which the node agent cannot follow"
      y_there=yes y_registry=$x_registry y_set=$x_set y_path=$x_path y_mirrors=$x_mirrors y_tls=$x_tls
    fi
  fi
  if release_is 2 3; then
    [ "$schema" -le 4 ] || too_new
    if [ "$schema" -lt 4 ]; then
      [ -z "$y_registry" ] || z_set=$y_set z_path=$y_path z_mirrors=$y_mirrors z_tls=$y_tls
      y_there='' y_registry='' y_set='' y_path='' y_mirrors='' y_tls=''
    fi
  elif [ "$schema" -gt 1 ]; then
    whole_schema=$schema
  fi
  b_there=$b_there$y_there b_registry=$b_registry$y_registry
  [ -z "$y_set" ] || b_set=yes b_path=$y_path
  b_mirrors=$b_mirrors$y_mirrors b_tls=$b_tls$y_tls
  [ -z "$z_set" ] || c_set=yes c_path=$z_path
  c_mirrors=$c_mirrors$z_mirrors c_tls=$c_tls$z_tls
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

# Sets $below to the rest of PATH below one of the CRI plugin's tables, and $cri to which, or fails.
in_cri() {
  case $1 in
    "$cri_v1") cri=x below='' ;;
    "$cri_v1|"*) cri=x below=${1#"$cri_v1"} ;;
    "$cri_v2") cri=y below='' ;;
    "$cri_v2|"*) cri=y below=${1#"$cri_v2"} ;;
    "$cri_v3") cri=z below='' ;;
    "$cri_v3|"*) cri=z below=${1#"$cri_v3"} ;;
    *) return 1 ;;
  esac
  note_cri there yes
  case $below in '|registry' | '|registry|'*) note_cri registry yes ;; esac
}

# note_cri WHAT VALUE: of the table that $cri names.
note_cri() {
  case $cri$1 in
    xthere) x_there=yes ;; ythere) y_there=yes ;;
    xregistry) x_registry=yes ;; yregistry) y_registry=yes ;;
    xmirrors) x_mirrors=yes ;; ymirrors) y_mirrors=yes ;; zmirrors) z_mirrors=yes ;;
    xtls) x_tls=yes ;; ytls) y_tls=yes ;; ztls) z_tls=yes ;;
    xpath) x_set=yes x_path=$2 ;; ypath) y_set=yes y_path=$2 ;; zpath) z_set=yes z_path=$2 ;;
  esac
}

on_table() {
  in_cri "$1" || return 0
  case $below in
    '|registry|mirrors|'*) note_cri mirrors yes ;;
    '|registry|configs|'*'|tls|'*) note_cri tls yes ;;
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
      note_cri path "$value"
      ;;
    '|registry|mirrors|'*) note_cri mirrors yes ;;
    '|registry|configs|'*'|tls') odd ;;
    '|registry|configs|'*'|tls|'*) note_cri tls yes ;;
    '|registry|configs|'*'|'*) ;;
    '|registry|configs|'*) odd ;;
  esac
}

# Sets $certs to the first root of config_path, and $list to the whole of it where it names several: as
# releases read it that split the list, and those that do not (see containerd/layout.rs).
find_certs() {
  config=/etc/containerd/config.toml
  [ -z "$disabled" ] || refuse "$config" "turns containerd's CRI plugin off (disabled_plugins)"
  [ -n "$config_path" ] || refuse "$config" "sets no config_path, nor do its imports, so containerd looks in no directory for registries"
  [ -z "$mirrors" ] || refuse "$config" "sets registry.mirrors beside config_path, with which containerd's CRI plugin does not load"
  [ -z "$tls" ] || { [ -n "$release" ] && release_is 2 0; } ||
    refuse "$config" "sets registry.configs.*.tls beside config_path, with which the CRI plugin of containerd 1.x does not load"
  case $config_path in
    *[]\[*?\\]* | *//* | */./* | */../* | */. | */.. | *:[!/]* | *: | */.:* | */..:* | [!/]* | *:/)
      refuse "$config" "sets a config_path that the node agent cannot follow: $config_path" ;;
  esac
  certs=${config_path%%:*} list=''
  [ "$certs" = "$config_path" ] || list=${config_path%/}
  certs=${certs%/}
  [ -n "$certs" ] || refuse "$config" "sets a config_path that the node agent cannot follow: $config_path"
  for place in "$certs" "$list"; do
    [ -n "$place" ] || continue
    in_sight "$place" || refuse "$place" "is where containerd looks, and is not mounted in the node agent"
    # Only from 2.1 on a list is read as one name.
    case $place in *:*) [ -z "$release" ] || release_is 2 1 || continue ;; esac
    for name in $hiding; do
      watch "$place/$name"
      ! there "$place/$name" || refuse "$place/$name" "exists, and containerd reads it instead of $place/$own"
    done
  done
}
