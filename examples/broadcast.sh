#!/usr/bin/env bash
# UCloud broadcasting streams, "Broadcasting a message" and "Subscribing to a stream": who listens now hears everything.
#
#   [HUB=URL] [HUB2=URL] broadcast.sh [MESSAGES]
#
# Three listen at any hubs of one Redis (HUB2), the last of them when the first
# message is over.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}} messages=${1:-3}
channel=cancellations-$$-$RANDOM
trap 'kill ${clients[*]-} 2>/dev/null || :' EXIT

# listen HUB: the messages come by the descriptor $feed, none that is sent after this
# is missed.
listen() {
	exec {feed}< <(exec curl -sSfN --max-time 60 "$1/v1/broadcast/sse?channel=$channel")
	clients+=($!)
	read -r -u "$feed" _ # the hub's first word
}

# next FEED prints the next message.
next() {
	local line
	while read -r -u "$1" line; do
		case $line in
		event:*) read -r -u "$1" line && echo "$line" >&2 ;; # something may have been missed
		data:*) echo "${line#data: }" && return ;;
		esac
	done
	return 1
}

# say TEXT
say() { curl -sSf -d "{\"type\":\"cancel\",\"data\":\"$1\"}" "$hub/v1/broadcast/$channel" | jq -e .id >/dev/null; }

say 'nobody hears this'
listen "$hub" && one=$feed
listen "$other" && two=$feed
say 'message 1'
listen "$other" && three=$feed
for ((i = 2; i <= messages; i++)); do say "message $i"; done

for ((i = 1; i <= messages; i++)); do
	next "$one" | jq -r '"listener 1: \(.type) \(.data)"'
	next "$two" | jq -r '"listener 2: \(.type) \(.data)"'
	[ "$i" -eq 1 ] || next "$three" | jq -r '"listener 3: \(.type) \(.data)"'
done
