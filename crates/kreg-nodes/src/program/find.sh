# Says whether a directory is on this node: `there`, `missing`, or `link` where a link leads to it, which
# from inside a Pod may lead elsewhere than on the node.
set -u

find_dir() {
  found=${KREG_ROOT-}
  rest=${dir#/}/
  while [ -n "$rest" ]; do
    found=$found/${rest%%/*}
    rest=${rest#*/}
    if [ -L "$found" ]; then
      printf 'kreg-find link\n'
      return 0
    elif [ ! -d "$found" ]; then
      printf 'kreg-find missing\n'
      return 0
    fi
  done
  printf 'kreg-find there\n'
}

find_dir </dev/null
