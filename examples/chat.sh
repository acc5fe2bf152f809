#!/usr/bin/env bash
# Centrifugo, channels and their presence stats: rooms to enter and to leave, how many are there, what is said.
#
#   [HUB=URL] [HUB2=URL] chat.sh
#
# Ann and Ben are at any hubs of one Redis (HUB2), Ann in both rooms; Ben does not care
# who is typing. A hub knows within 5 s who is at others.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
house=house-$$-$RANDOM
trap 'kill ${clients[*]-} 2>/dev/null || :' EXIT

# enter HUB CURL-ARGUMENT …: what is said comes by the descriptor $feed.
enter() {
	exec {feed}< <(exec curl -sSfN --max-time 60 -G "${@:2}" "$1/v1/broadcast/sse")
	clients+=($!)
	read -r -u "$feed" _ # the hub's first word: nothing is missed from now on
}

# next NAME FEED prints the next message.
next() {
	local line
	while read -r -u "$2" line; do
		case $line in
		event:*) read -r -u "$2" line && echo "$line" >&2 ;; # something may have been missed
		data:*)
			jq -r --arg name "$1" '"\($name), in the \(.channel | sub(".*:"; "")): \(.type) \(.data)"' <<<"${line#data: }"
			return
			;;
		esac
	done
	return 1
}

# say ROOM TYPE TEXT
say() { curl -sSf -d "{\"type\":\"$2\",\"data\":\"$3\"}" "$hub/v1/broadcast/$house:$1" | jq -e .id >/dev/null; }

# rooms EXPECTED waits until the hub knows that, and prints what it knows.
rooms() {
	local known='' tries
	for ((tries = 0; tries < 100; tries++)); do
		known=$(curl -sSf "$hub/v1/channels?prefix=$house:" |
			jq -r '[.channels[] | "\(.subscribers) in the \(.channel | sub(".*:"; ""))"] | join(", ")')
		[ "$known" != "$1" ] || break
		sleep 0.1
	done
	echo "$known"
}

enter "$hub" -d "channel=$house:hall" -d "channel=$house:yard" && ann=$feed
rooms '1 in the hall, 1 in the yard'
enter "$other" -d "channel=$house:hall" -d type=says && ben=$feed
rooms '2 in the hall, 1 in the yard'

say hall types …
say hall says 'Hello!'
next Ann "$ann"
next Ann "$ann"
next Ben "$ben"

kill "${clients[1]}" # Ben goes
rooms '1 in the hall, 1 in the yard'
say yard says 'Good bye, Ben.'
next Ann "$ann"
curl -sSf "$hub/v1/channels/$house:roof" | jq -r '"\(.subscribers) on the roof"'
