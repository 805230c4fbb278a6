# Says how an agent stands, from inside its Pod. Answer: lines, then what its last round said.
set -u
printf 'kreg-pulse 1\n'
[ ! -f "${KREG_PROGRAMS-/kreg}/agent.sh" ] || printf 'keeps\n'
last_round
[ -z "$age" ] || printf 'age %s\n' "$age"
printf 'answer\n'
cat "$state/answer" 2>/dev/null
printf '\nkreg-pulse end\n'
