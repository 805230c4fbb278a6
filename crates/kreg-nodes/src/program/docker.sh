# --- Docker's configuration ---------------------------------------------------------------

daemon=/etc/docker/daemon.json
byte_order_mark=$(printf '\357\273\277')
docker_certs=/etc/docker/certs.d

# With containerd's image store Docker reads one directory, and in it hosts.toml first. Where that
# would not be kreg's, and the image store may be containerd's, nothing is written.
judge_docker() {
  image_store=''
  watch "$daemon"
  ! there "$daemon" || read_daemon
  # Docker's own is the default of releases before 29.
  if [ -z "$image_store" ] && [ -n "$release" ] && ! release_is 29 0; then image_store=false; fi
  [ "$image_store" != false ] || return 0
  for name in $hiding "$own/hosts.toml"; do
    watch "$docker_certs/$name"
    there "$docker_certs/$name" || continue
    find_entry "$docker_certs/$name"
    [ -n "$entry" ] ||
      refuse "$docker_certs/$name" "exists, and Docker reads it instead of $docker_certs/$own/ca.crt if containerd keeps its images, which cannot be ruled out"
  done
}

beyond() {
  refuse "$daemon" "is no JSON, or beyond what the node agent reads of it"
}

# Sets $image_store to what features.containerd-snapshotter is in daemon.json. Of JSON it knows
# objects, lists, strings without escapes, plain numbers and words; what else there is, is refused.
read_daemon() {
  if [ ! -f "$root$daemon" ] || [ ! -r "$root$daemon" ] || [ "$(wc -c <"$root$daemon")" -gt 16384 ]; then
    beyond
  fi
  is_text "$root$daemon" || beyond
  rest=$(cat "$root$daemon")
  # Docker reads one from 23.0 on.
  case $rest in
    "$byte_order_mark"*)
      if [ -n "$release" ] && ! release_is 23 0; then beyond; fi
      rest=${rest#"$byte_order_mark"}
      ;;
  esac
  case $rest in *[!\ -~"$nl$cr$tab"]* | *\\*) beyond ;; esac
  # What is open, the innermost first; what may come next; the keys of the outer two.
  open='' next=object outer='' inner=''
  while rest=${rest#"${rest%%[! "$nl$cr$tab"]*}"} && [ -n "$rest" ]; do
    case $open in ????????????*) beyond ;; esac
    case $next,$rest in
      'object,{'* | 'value,{'* | 'item,{'*) open="{$open" next='first' ;;
      'value,['* | 'item,['*) open="[$open" next='item' ;;
      'first,}'* | 'more,}'*) shut '{' ;;
      'item,]'* | 'more,]'*) shut '[' ;;
      'more,,'*)
        case $open in
          '{'*) next='key' ;;
          '['*) next='value' ;;
          *) beyond ;;
        esac
        ;;
      'colon,:'*) next='value' ;;
      'first,"'* | 'key,"'*)
        take_text
        next='colon'
        case $open in
          '{') outer=$word inner='' ;;
          '{{') inner=$word ;;
        esac
        # The last one counts.
        case $outer.$inner in features. | features.containerd-snapshotter) image_store='' ;; esac
        continue
        ;;
      'value,"'* | 'item,"'*)
        take_text
        next='more'
        continue
        ;;
      'value,'* | 'item,'*)
        take_word
        next='more'
        case $open.$outer.$inner.$word in
          '{{.features.containerd-snapshotter.true' | '{{.features.containerd-snapshotter.false') image_store=$word ;;
        esac
        continue
        ;;
      *) beyond ;;
    esac
    rest=${rest#?}
  done
  # Nothing at all is an object to Docker.
  case $next$open in more | object) ;; *) beyond ;; esac
}

shut() {
  case $open in
    "$1"*) open=${open#?} next='more' ;;
    *) beyond ;;
  esac
}

# Takes a string off $rest into $word.
take_text() {
  rest=${rest#?}
  word=${rest%%\"*}
  [ "$word" != "$rest" ] || beyond
  case $word in *["$nl$cr$tab"]*) beyond ;; esac
  rest=${rest#"$word"}
  rest=${rest#?}
}

# Takes a number, or true, false or null, off $rest into $word.
take_word() {
  word=${rest%%[!a-z0-9.-]*}
  rest=${rest#"$word"}
  case $word in
    true | false | null) ;;
    [0-9]* | -[0-9]*)
      case ${word#-} in *[!0-9.]* | *.*.* | *. | 0[0-9]* | ????????????????*) beyond ;; esac
      ;;
    *) beyond ;;
  esac
}
