#!/usr/bin/env bash
# FluxaORM EventBroker, "Multiple Consumers" and "Auto-Claiming Pending Events": what a dead consumer holds goes to others.
#
#   [HUB=URL] [HUB2=URL] in-parallel.sh [EVENTS]
#
# How long an event may be pending is the sink's ack_wait; nobody has to claim.
set -euo pipefail
hubs=("${HUB:-http://127.0.0.1:8080}" "${HUB2:-${HUB:-http://127.0.0.1:8080}}")
events=${1:-12} run=$$-$RANDOM dir=$(mktemp -d)
stream=user-events-$run sink=many-$run
trap 'curl -s -X DELETE "${hubs[0]}"/v1/{sinks/"$sink",streams/"$stream"}; rm -rf "$dir"' EXIT

post() { curl -sSf -d "$2" "$1"; }

# pull HUB NAME COUNT takes up to COUNT events, one a line.
pull() { post "$1/v1/sinks/$sink/pull?consumer=$2" "{\"max\":$3,\"wait\":\"1s\"}" | jq -c '.events[]'; }

# consume NUMBER handles batches, and acknowledges each as a whole, until all events
# are done.
consume() {
	local base=${hubs[$1 % 2]} batch
	while [ "$(wc -l <"$dir/done")" -lt "$events" ]; do
		batch=$(pull "$base" "consumer-$1" 5)
		[ -n "$batch" ] || continue
		jq -r --arg name "consumer-$1" '"[\($name)] user \(.data.user), attempt \(.attempt)"' <<<"$batch" | tee -a "$dir/done"
		post "$base/v1/sinks/$sink/acks" "$(jq -cs '{stream: first.stream, ids: map(.id)}' <<<"$batch")" >/dev/null
	done
}

# statistics prints what is known of the sink.
statistics() {
	curl -sSf "${hubs[0]}/v1/sinks/$sink" | jq -r '.streams[] | "\(.lag) to come, \(.pending) pending"'
}

curl -sSf -X PUT -d "{\"streams\":[\"$stream\"],\"ack_wait\":\"2s\"}" "${hubs[0]}/v1/sinks/$sink" >/dev/null
post "${hubs[0]}/v1/streams/$stream/events" "$(jq -nc "[range(1; $events + 1) | {type: \"login\", data: {user: .}}]")" >/dev/null
pull "${hubs[1]}" crashes 2 | jq -r '"[crashes] user \(.data.user)"'
statistics
: >"$dir/done"
for number in 1 2 3; do
	consume $number &
	consumers+=($!)
done
for process in "${consumers[@]}"; do wait "$process"; done
statistics
