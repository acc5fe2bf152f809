#!/usr/bin/env bash
# UCloud event streams, "Consuming a message": each event once over the instances of a service.
#
#   [HUB=URL] [HUB2=URL] consume.sh [EVENTS]
#
# Two services, of three instances each, subscribe to one stream: a sink for each of
# the services, a worker for each of the instances, at any hub of the same Redis
# (HUB2). Half of the events are there before anybody is.
set -euo pipefail
hubs=("${HUB:-http://127.0.0.1:8080}" "${HUB2:-${HUB:-http://127.0.0.1:8080}}")
events=${1:-10} run=$$-$RANDOM dir=$(mktemp -d)
stream=jobs-$run

finish() {
	curl -s -X DELETE "${hubs[0]}"/v1/{sinks/{billing,mails}-"$run",streams/"$stream"}
	rm -rf "$dir"
}
trap finish EXIT

post() { curl -sSf -d "$2" "$1"; }

# produce FROM TO produces the events with these numbers.
produce() {
	post "${hubs[0]}/v1/streams/$stream/events" \
		"$(jq -nc "[range($1; $2 + 1) | {type: \"created\", data: {job: .}}]")" >/dev/null
}

# instance SERVICE NUMBER prints and acknowledges one event after another, until its
# service has had them all.
instance() {
	local sink=${hubs[$2 % 2]}/v1/sinks/$1-$run event
	while [ "$(wc -l <"$dir/$1")" -lt "$events" ]; do
		event=$(post "$sink/pull?stream=$stream&from=oldest" '{"max":1,"wait":"1s"}' | jq -c '.events[]')
		[ -n "$event" ] || continue
		jq -r --arg who "$1/$2" '"\($who) received \(.data)"' <<<"$event" | tee -a "$dir/$1"
		post "$sink/acks" "$(jq -c '{stream, ids: [.id]}' <<<"$event")" >/dev/null
	done
}

produce 1 $((events / 2))
for service in billing mails; do
	: >"$dir/$service"
	for number in 1 2 3; do
		instance $service $number &
		instances+=($!)
	done
done
produce $((events / 2 + 1)) "$events"
for process in "${instances[@]}"; do wait "$process"; done
