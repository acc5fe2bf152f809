#!/usr/bin/env bash
# A worker of an Event Hub sink, in bash (4 or newer) with curl and jq. It pulls
# events, runs a command for each with the event's JSON on stdin, and acknowledges
# those for which the command has succeeded. The others are nacked: they come again
# after the sink's backoff, and are dead letters after max_deliveries, the reason
# being the command's exit status and the last line that it wrote to stderr.
#
#   worker.sh [-u URL] [-n MAX] [-w SECONDS] SINK[?QUERY] COMMAND [ARG …]
#
#   -u URL      where a hub is (http://127.0.0.1:8080)
#   -n MAX      events to pull at once; they are handled one after another (10)
#   -w SECONDS  how long a pull waits for the first event, 1 to 60 (5)
#   QUERY       stream=… and the settings of a sink that is new
#
#   worker.sh 'shipping?stream=orders&from=oldest&max_deliveries=3' jq .data
#
# Run as many as you like, against any hub: each event goes to one of them.
# - While a command runs, the leases of all events in hand are extended, every 10 s or
#   every third of ack_wait (as it is when the first event comes), whichever is
#   shorter. A worker that dies extends nothing, so its events go to others once
#   ack_wait is over.
# - While no hub answers, or one says 5xx or 429, the worker tries again, after 1 s
#   and then ever more slowly, up to 30 s. When a pull is refused (another 4xx), it
#   ends with status 1.
# - On SIGTERM it waits for the answer to its pull, handles what it has in hand, and
#   ends with status 0. Under systemd that takes KillMode=mixed, or the commands get
#   the signal, too; so they do by Ctrl-C.
# - An event comes again when its ack was lost: a command should know an id that it
#   has dealt with.
# jq before 1.7 rounds numbers of more than 17 digits.
set -u -o pipefail # not -e: that a command fails is nothing unusual here

usage() {
	sed -n '/^# Run/q; s/^#   //p' "$0" >&2
	exit 2
}

say() { echo "worker: $*" >&2; }

hub=http://127.0.0.1:8080 max=10 patience=5
while getopts u:n:w: option; do
	case $option in
	u) hub=${OPTARG%/} ;;
	n) max=$OPTARG ;;
	w) patience=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || usage
sink=${1%%\?*} query=${1#"${1%%\?*}"}
shift
command=("$@")

dir=$(mktemp -d) || exit 1
every=''    # seconds between two extensions; unknown before the first event
stopping='' # a signal has come
idle=''     # there is nothing in hand
extender='' # process that extends leases
trap stopping=1 TERM INT # run when the present command has ended
# A child that is killed before its exec would run this, too.
trap '[ $BASHPID != $$ ] || { kill $extender 2>/dev/null; rm -rf "$dir"; }' EXIT

# call PATH [BODY] asks the hub, by POST when there is a body, until it says yes or
# no; the answer is in $dir/answer. Fails when that is no, and when the worker is to
# stop and this was the third try, or there is nothing in hand.
call() {
	local code i tries=0 delay=1
	while :; do
		curl -sS --max-time $((patience + 10)) -o "$dir/answer" -w '%{http_code}' ${2+--data-binary @-} \
			"$hub/v1/sinks/$sink$1" <<<"${2-}" >"$dir/code" 2>"$dir/fault"
		code=$(<"$dir/code")
		case $code in
		2??) return 0 ;;
		429) ;;
		4??)
			say "$sink$1: $(<"$dir/answer")"
			return 1
			;;
		esac
		tries=$((tries + 1))
		[ -z "$stopping" ] || { [ -z "$idle" ] && [ $tries -lt 3 ]; } || return 1
		say "$sink$1: status ${code:-000} $(<"$dir/fault"), trying again in about $delay s"
		for ((i = 0; i < delay; i++)); do
			[ -z "$stopping" ] || [ -z "$idle" ] || return 1
			sleep "$((RANDOM % 2)).$((RANDOM % 9 + 1))" # 1 s on average, so that workers do not come back all at once
		done
		delay=$((delay < 16 ? 2 * delay : 30))
	done
}

# pull waits for events, and puts them into $dir/events, one a line: these are in
# hand.
pull() {
	local status
	idle=1
	call "/pull$query" "{\"max\":$max,\"wait\":\"${patience}s\"}"
	status=$?
	idle=''
	[ $status -eq 0 ] && jq -c '.events[]' "$dir/answer" >"$dir/next" && mv "$dir/next" "$dir/events"
}

# learn sets every to a third of the sink's ack_wait, or to 10.
learn() {
	call '' && every=$(jq -r '.config.ack_wait | [scan("([0-9.]+)(h|ms|m|s)")]
		| map((.[0] | tonumber) * {h: 3600, m: 60, s: 1, ms: 0.001}[.[1]]) | [add / 3, 10] | min' "$dir/answer")
	every=${every:-1}
}

# extend has ack_wait start anew for the events in hand, again and again. One that
# is settled, or was given to another, stays as it is: the attempt says which
# delivery is meant. This runs beside the rest, but not for longer, even where the
# worker is killed.
extend() {
	local body
	while sleep "$every" && kill -0 $$; do
		while read -r body; do
			curl -s --max-time 10 --data-binary @- "$hub/v1/sinks/$sink/extend" <<<"$body"
		done < <(jq -sc 'group_by(.stream)[] | {stream: .[0].stream, ids: map({id, attempt})}' "$dir/events")
	done
} >/dev/null 2>&1

# handle EVENT runs the command, and settles the event.
handle() {
	local stream id attempt status
	read -r stream id attempt < <(jq -r '"\(.stream) \(.id) \(.attempt)"' <<<"$1")
	"${command[@]}" <<<"$1" 2>"$dir/stderr"
	status=$?
	cat "$dir/stderr" >&2
	if [ $status -eq 0 ]; then
		call /acks "{\"stream\":\"$stream\",\"ids\":[\"$id\"]}"
		return
	fi
	say "$stream $id, attempt $attempt: exit status $status"
	# A reason may have 1024 bytes.
	call /nacks "$(tail -n 1 "$dir/stderr" | head -c 1000 |
		jq -Rsc --arg stream "$stream" --arg id "$id" --argjson attempt "$attempt" --arg status $status \
			'{$stream, ids: [{$id, $attempt}], reason: "exit status \($status): \(.)"[:250] | rtrimstr("\n")}')"
}

while [ -z "$stopping" ]; do
	if ! pull; then
		[ -n "$stopping" ] && break
		exit 1
	fi
	mapfile -t events <"$dir/events"
	[ ${#events[@]} -gt 0 ] || continue
	if [ -z "$extender" ]; then
		learn
		extend &
		extender=$!
	fi
	for event in "${events[@]}"; do
		handle "$event"
	done
	: >"$dir/events"
done
