# Runs the program that comes on standard input, $1 bytes of it, for $2 seconds at most. All of it
# is taken in first: a part of a program must not run, and who sends it may wait for that.
set -u
program=$(mktemp "${TMPDIR-/tmp}/kreg.XXXXXX") || exit 125
head -c "$1" >"$program"
exec 3<"$program"
size=$(wc -c <"$program")
rm -f "$program"
[ "$size" -eq "$1" ] || exit 125
exec timeout -s KILL "$2" sh -s <&3 3<&-
