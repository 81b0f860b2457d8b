# hold.sh PROGRAM ARGUMENT...
#
# Runs a program until standard input ends, then asks it to end. Standard input is a pipe whose other end only the
# process that wants the program holds: however that one goes, the kernel closes the pipe, and the program ends too.
# USR1 and USR2, sent to the process group, are for the program alone.

exec 3<&0 # a background job's own standard input is /dev/null
"$@" </dev/null 3<&- &
program=$!
trap '' USR1 USR2 # not before: the program would begin with them ignored
(read -r _ <&3; kill -TERM "$program") >/dev/null 2>&1 &
watcher=$!
wait "$program"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
