# Runs the program that comes on standard input, $1 bytes of it, for $2 seconds at most.
set -u
head -c "$1" | timeout -s KILL "$2" sh -s
