#!/usr/bin/env bash
# Pulse streaming, readers: each of them gets all events, from where it likes, and keeps its own place.
#
#   [HUB=URL] [HUB2=URL] readers.sh
#
# There is nothing to acknowledge; a reader that comes back, to any hub, says which
# event it has seen last.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
stream=my-stream-$$-$RANDOM
trap 'kill ${clients[*]-} 2>/dev/null || :; curl -s -X DELETE "$hub/v1/streams/$stream"' EXIT

# add NUMBER adds an event, and prints its id.
add() {
	curl -sSf -d "{\"type\":\"event$1\",\"data\":\"payload$1\"}" "$hub/v1/streams/$stream/events" | jq -er .id
}

# reader HUB [CURL ARGUMENT …]: its events come by the descriptor $feed.
reader() {
	exec {feed}< <(exec curl -sSfN --max-time 60 -G -d "stream=$stream" "${@:2}" "$1/v1/readers/sse")
	clients+=($!)
	read -r -u "$feed" _ # the hub's first word: nothing is missed from now on
}

# next NAME FEED prints the next event.
next() {
	local line
	while read -r -u "$2" line; do
		case $line in
		event:*) read -r -u "$2" line && echo "$line" >&2 ;; # events were lost, or the hub goes
		data:*) jq -r --arg name "$1" '"\($name), event: \(.type), payload: \(.data)"' <<<"${line#data: }" && return ;;
		esac
	done
	return 1
}

first=$(add 1)
second=$(add 2)

reader "$hub" -d from=oldest && one=$feed
next 'reader 1' "$one"
next 'reader 1' "$one"
reader "$other" -d "from=after:$first" && two=$feed
next 'reader 2' "$two"
reader "$other" && three=$feed # from the latest event on

add 3 >/dev/null # is there when the others have seen the past
next 'reader 1' "$one"
next 'reader 2' "$two"
next 'reader 3' "$three"
reader "$other" -H "Last-Event-ID: $second" && again=$feed # as a browser's EventSource does
next 'reader 1 again' "$again"
