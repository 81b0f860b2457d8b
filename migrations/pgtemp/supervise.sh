# supervise.sh BIN SETTINGS PRIMARY PARENT...
#
# Holds one throwaway server. Standard input is a pipe whose other end only the process that asked for the
# server holds: however that one ends, the kernel closes the pipe, and the server and its folder go.
# Standard output says "dir PATH" first, the end of the server's log if the server ends badly, and closes when
# all is gone. The server is a standby of PRIMARY, a connection string, if that is not empty. While there is a
# file "down" in its folder the server may end and keep its files; it starts again when that file is gone.

# Nothing but the pipe ends this script. PIPE: the reader may be dead when there is something left to say.
trap '' HUP INT TERM PIPE

bin=$1 settings=$2 primary=$3
shift 3

# The first folder that this user can write in.
for parent; do
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

if make >"$dir/log" 2>&1 </dev/null; then
	printf '%s' "$settings" >>"$dir/data/postgresql.conf"

	exec 3<&0 # a background job's own standard input is /dev/null
	while :; do
		"$bin/postgres" -D "$dir/data" >>"$dir/log" 2>&1 </dev/null 3<&- &
		server=$!
		# QUIT is PostgreSQL's immediate shutdown: no checkpoint for data that nobody will read again. More than once,
		# for a shell starts its background jobs with QUIT ignored, until PostgreSQL sets its own handler.
		(read -r _ <&3; rm -f "$dir/down"; : >"$dir/end"; while kill -QUIT "$server"; do sleep 0.1; done) >/dev/null 2>&1 &
		watcher=$!
		wait "$server"
		status=$?
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
