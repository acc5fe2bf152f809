#!/usr/bin/env bash
# Pulse streaming, event sinks: nodes share the events of a sink, what is not acknowledged comes again, another sink gets copies.
#
#   [HUB=URL] [HUB2=URL] sinks.sh
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
run=$$-$RANDOM stream=my-stream-$run
trap 'curl -s -X DELETE "$hub"/v1/{sinks/my{,-other}-sink-"$run",streams/"$stream"}' EXIT

post() { curl -sSf -d "$2" "$1"; }

# take HUB SINK NODE prints the next event for a node, and leaves it in $event.
take() {
	event=$(post "$1/v1/sinks/$2-$run/pull?stream=$stream&from=oldest&ack_wait=2s" '{"max":1,"wait":"20s"}' | jq -ce '.events[]')
	jq -r "\"$2, node $3: \(.type), payload: \(.data), attempt \(.attempt)\"" <<<"$event"
}

# ack HUB SINK acknowledges it. Any hub will do.
ack() { post "$1/v1/sinks/$2-$run/acks" "$(jq -c '{stream, ids: [.id]}' <<<"$event")" | jq -e '.acked[]' >/dev/null; }

post "$hub/v1/streams/$stream/events" '[
	{"type":"event 1","data":"payload 1"},
	{"type":"event 2","data":"payload 2"},
	{"type":"event 3","data":"payload 3"}
]' | jq -r '"\(.ids | length) events added"'

take "$hub" my-sink 1 && ack "$other" my-sink
take "$other" my-sink 2 && ack "$other" my-sink
take "$other" my-sink 3 # and dies
take "$hub" my-sink 1 && ack "$hub" my-sink
for _ in 1 2 3; do
	take "$other" my-other-sink 1 && ack "$hub" my-other-sink
done
curl -sSf "$hub/v1/sinks/my-sink-$run" | jq -r '.streams[] | "my-sink: \(.lag) to come, \(.pending) pending"'
