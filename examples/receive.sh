#!/usr/bin/env bash
# Liiklus, "Java example": a group subscribes, receives, and acknowledges every n-th record; positions and replay.
#
#   [HUB=URL] [HUB2=URL] receive.sh [EVENTS [EVERY]]
#
# There are 10 events, or EVENTS, at least 3; every 4th, or EVERY, is acknowledged.
# Records come in their order to one consumer of the group at a time; one that
# dies after the last ack has some of them received again by the next, at any hub.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
events=${1:-10} every=${2:-4} run=$$-$RANDOM
stream=user-events-$run group=/v1/sinks/analytics-$run
trap 'curl -s -X DELETE "$hub$group" "$hub/v1/streams/$stream"' EXIT

post() { curl -sSf -d "$2" "$1"; }

# subscribe HUB prints records, one a line. The group starts with the earliest.
subscribe() {
	post "$1$group/pull?stream=$stream&from=oldest&order=strict&ack_wait=2s" "{\"max\":$events,\"wait\":\"20s\"}" | jq -c '.events[]'
}

# receive HUB processes records, and acknowledges every n-th of them.
receive() {
	local record n=0
	while read -r record; do
		jq -r '"record \(.data) of \(.key)"' <<<"$record"
		n=$((n + 1))
		[ $((n % every)) -ne 0 ] || ack "$1" "$(jq -r .id <<<"$record")"
	done
}

# ack HUB ID acknowledges all up to a record.
ack() { post "$1$group/acks" "{\"stream\":\"$stream\",\"up_to\":\"$2\"}" | jq -r '"ACK of \(.acked | length)"'; }

# position prints where the group is.
position() { curl -sSf "$hub$group" | jq -r '.streams[] | "\(.lag) to receive, \(.pending) without an ACK"'; }

ids=$(post "$hub/v1/streams/$stream/events" \
	"$(jq -nc "[range(1; $events + 1) | {type: \"login\", key: \"user-\(. % 3)\", data: .}]")" | jq -ce .ids)
subscribe "$hub" | receive "$hub"
position
echo 'the consumer dies, another one goes on:'
subscribe "$other" | receive "$other"
ack "$other" "$(jq -r '.[-1]' <<<"$ids")"
position
echo "replay, for the group, from record $((events - 1)) on:"
post "$hub$group/seek" "{\"stream\":\"$stream\",\"to\":\"after:$(jq -r '.[-3]' <<<"$ids")\"}" >/dev/null
subscribe "$other" | receive "$other"
echo 'and for somebody without a group, from the last known record on:'
curl -sSf "$other/v1/streams/$stream/events?from=after:$(jq -r '.[-2]' <<<"$ids")" | jq -r '.events[] | "record \(.data) of \(.key)"'
