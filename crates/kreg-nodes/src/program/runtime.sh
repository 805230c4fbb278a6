# What the cluster says of this node's runtime: its own line, else the one for all.
while read -r name what; do
  case $name in
    "${KREG_NODE-}") own=$what ;;
    '*') all=$what ;;
  esac
done <"${KREG_PROGRAMS-/kreg}/runtimes"
KREG_RUNTIME=${own-${all-}}
export KREG_RUNTIME
