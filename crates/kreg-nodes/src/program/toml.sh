# --- containerd's configuration -----------------------------------------------------------

# TOML as configuration files have it: tables, strings without escapes, numbers, lists of these.
# What else TOML knows is not guessed at: such a file is refused with the line. Keys are known by
# their path, each step after a `|`; $on_table and $on_value hear of every table and value.

cr=$(printf '\r')
tab=$(printf '\t')

# read_toml FILE: FILE is as the node has it.
read_toml() {
  toml_file=$1 toml_line=0 table='' seen=$nl values=$nl lists=0
  while next_line; do
    case $rest in
      '') ;;
      '[['*)
        rest=${rest#??}
        take_path
        case $rest in ']]'*) rest=${rest#??} ;; *) odd ;; esac
        line_end
        within_value "$path"
        case $seen in *"$nl$path$nl"*) odd ;; esac
        lists=$((lists + 1))
        table=$path#$lists
        on_list "$path"
        ;;
      '['*)
        rest=${rest#?}
        take_path
        case $rest in ']'*) rest=${rest#?} ;; *) odd ;; esac
        line_end
        within_value "$path"
        case $seen in *"$nl$path$nl"*) odd ;; esac
        seen=$seen$path$nl
        table=$path
        on_table "$path"
        ;;
      *)
        take_key
        path=$table\|$key
        case $rest in '='*) rest=${rest#?} ;; *) odd ;; esac
        case $seen in *"$nl$path$nl"* | *"$nl$path|"*) odd ;; esac
        seen=$seen$path$nl
        values=$values$path$nl
        skip_blanks
        take_value
        line_end
        on_value "$path"
        ;;
    esac
  done <"$root$toml_file"
}

odd() {
  refuse "$toml_file" "line $toml_line is beyond what the node agent reads of TOML"
}

# Sets $rest to the next line without blanks at its ends and without a line that is a comment.
next_line() {
  rest=''
  IFS= read -r rest || [ -n "$rest" ] || return 1
  toml_line=$((toml_line + 1))
  rest=${rest%"$cr"}
  rest=${rest%"${rest##*[! "$tab"]}"}
  skip_blanks
  case $rest in '#'*) rest='' ;; esac
}

skip_blanks() {
  rest=${rest#"${rest%%[! "$tab"]*}"}
}

line_end() {
  skip_blanks
  case $rest in '' | '#'*) ;; *) odd ;; esac
}

# A table below a value is no TOML.
within_value() {
  above=$1
  while [ -n "$above" ]; do
    case $values in *"$nl$above$nl"*) odd ;; esac
    above=${above%|*}
  done
}

# Takes a dotted path off $rest into $path.
take_path() {
  path=''
  while :; do
    skip_blanks
    take_key
    path=$path\|$key
    case $rest in '.'*) rest=${rest#?} ;; *) return 0 ;; esac
  done
}

# Takes one key, and the blanks after it, off $rest into $key.
take_key() {
  case $rest in
    \"* | \'*)
      take_string
      key=$value
      ;;
    *)
      key=${rest%%[!A-Za-z0-9_-]*}
      rest=${rest#"$key"}
      ;;
  esac
  case $key in '' | *'|'* | *'#'*) odd ;; esac
  skip_blanks
}

# Takes a string off $rest into $value.
take_string() {
  case $rest in
    \"\"\"* | \'\'\'*) odd ;;
    \"*)
      rest=${rest#?}
      value=${rest%%\"*}
      [ "$value" != "$rest" ] || odd
      case $value in *\\*) odd ;; esac
      ;;
    *)
      rest=${rest#?}
      value=${rest%%\'*}
      [ "$value" != "$rest" ] || odd
      ;;
  esac
  rest=${rest#"$value"}
  rest=${rest#?}
}

# Takes a value off $rest: $kind is string, scalar or list, $value what it holds; a list's strings
# are lines.
take_value() {
  case $rest in
    \"* | \'*)
      kind='string'
      take_string
      ;;
    '['*)
      kind='list'
      items=''
      rest=${rest#?}
      take_items
      value=$items
      ;;
    *)
      kind=scalar
      take_scalar
      ;;
  esac
}

take_items() {
  while :; do
    skip_blanks
    case $rest in
      '' | '#'*)
        next_line || odd
        continue
        ;;
      ']'*)
        rest=${rest#?}
        return 0
        ;;
      \"* | \'*) take_string ;;
      *) take_scalar ;;
    esac
    items=$items$value$nl
    skip_blanks
    while case $rest in '' | '#'*) true ;; *) false ;; esac do
      next_line || odd
    done
    case $rest in
      ','*) rest=${rest#?} ;;
      ']'*) ;;
      *) odd ;;
    esac
  done
}

take_scalar() {
  value=${rest%%[] ,#"$tab"]*}
  rest=${rest#"$value"}
  case $value in
    true | false | 0 | [+-]0) ;;
    [1-9]* | [+-][1-9]*)
      case ${value#[+-]} in
        *[!0-9.]* | *.*.* | *.) odd ;;
      esac
      ;;
    0.[0-9]*)
      case ${value#0.} in *[!0-9]*) odd ;; esac
      ;;
    *) odd ;;
  esac
}
