# supervise.sh BIN SETTINGS PRIMARY FAKER PARENT...
#
# Holds one throwaway server. Standard input is a pipe whose other end only the process that asked for the
# server holds: however that one ends, the kernel closes the pipe, and the server and its folder go.
# Standard output says "dir PATH" first, the end of the server's log if the server ends badly, and closes when
# all is gone. The server is a standby of PRIMARY, a connection string, if that is not empty. With FAKER, libfaketime,
# its clock is what the file "clock" in its folder says. While there is a file "down" in its folder the server may end
# and keep its files; it starts again when that file is gone.

# Nothing but the pipe ends this script. PIPE: the reader may be dead when there is something left to say.
trap '' HUP INT TERM PIPE

bin=$1 settings=$2 primary=$3 faker=$4
shift 4

# The first folder that this user can write in; one in memory only if it has room for what tests make.
for parent; do
	[ "$parent" != /dev/shm ] || [ "$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')" -ge 4000000 ] 2>/dev/null || continue
	dir=$(mktemp -d "$parent/pgtemp.XXXXXX" 2>/dev/null) && break
done
if [ -z "$dir" ]; then
	echo "no folder to write in among: $*"
	exit 1
fi
echo "dir $dir"

make() {
	if [ -n "$primary" ]; then
		"$bin/pg_basebackup" -D "$dir/data" -d "$primary" -R -X stream -c fast --no-sync
	else
		"$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync
	fi
}

run() {
	if [ -n "$faker" ]; then
		# Only the server has it, for this script measures its pauses.
		LD_PRELOAD=$faker FAKETIME_TIMESTAMP_FILE=$dir/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
		export LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE FAKETIME_DONT_FAKE_MONOTONIC
	fi
	exec "$bin/postgres" -D "$dir/data"
}

echo +0 >"$dir/clock"
if make >"$dir/log" 2>&1 </dev/null; then
	printf '%s' "$settings" >>"$dir/data/postgresql.conf"

	exec 3<&0 # a background job's own standard input is /dev/null
	while :; do
		run >>"$dir/log" 2>&1 </dev/null 3<&- &
		server=$!
		# QUIT is PostgreSQL's immediate shutdown: no checkpoint for data that nobody will read again. More than once,
		# for a shell starts its background jobs with QUIT ignored, until PostgreSQL sets its own handler.
		(read -r _ <&3; rm -f "$dir/down"; : >"$dir/end"; while kill -QUIT "$server"; do sleep 0.1; done) >/dev/null 2>&1 &
		watcher=$!
		wait "$server"
		status=$?
		[ -z "$faker" ] || rm -f "/dev/shm/faketime_shm_$server" "/dev/shm/sem.faketime_sem_$server"
		[ -e "$dir/down" ] || break
		: >"$dir/ended" # not before the server has: its own pid file goes a moment earlier
		while [ -e "$dir/down" ]; do sleep 0.05; done
		rm "$dir/ended"
		[ ! -e "$dir/end" ] || break
		kill -KILL "$watcher"
	done
	kill -KILL "$watcher"
else
	status=1
fi

[ "$status" -eq 0 ] || tail -c 4000 "$dir/log"
rm -rf "$dir"
