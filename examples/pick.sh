#!/usr/bin/env bash
# redis-event-broker, "Picking on notification": every instance of a service is notified, exactly one picks the event.
#
#   [HUB=URL] [HUB2=URL] pick.sh
#
# Two services subscribe to two topics; each has three instances, at any hubs of one
# Redis (HUB2). An event whose handler fails is picked again, by any instance.
set -euo pipefail
hubs=("${HUB:-http://127.0.0.1:8080}" "${HUB2:-${HUB:-http://127.0.0.1:8080}}")
run=$$-$RANDOM
stream=entities-$run
finish() {
	kill ${clients[*]-} 2>/dev/null || :
	curl -s -X DELETE "${hubs[0]}"/v1/{sinks/{orders,stock}-"$run",streams/"$stream"}
}
trap finish EXIT

post() { curl -sSf -d "$2" "$1"; }

# pick SERVICE INSTANCE picks events until there are none.
pick() {
	local sink=${hubs[$2 % 2]}/v1/sinks/$1-$run event
	while event=$(post "$sink/pull" '{"max":1,"wait":"1s"}' | jq -ce '.events[]'); do
		if jq -e '.topic == "topic2" and .attempt == 1' <<<"$event" >/dev/null; then
			echo "$1: could not handle topic2"
			post "$sink/nacks" "$(jq -c '{stream, ids: [.id], delay: "0s"}' <<<"$event")" >/dev/null
			continue
		fi
		jq -r --arg service "$1" '"\($service): picked \(.topic):\(.type) \(.data.id)"' <<<"$event"
		post "$sink/acks" "$(jq -c '{stream, ids: [.id]}' <<<"$event")" >/dev/null
	done
}

# instance SERVICE NUMBER FEED picks when it is notified.
instance() {
	local line
	while read -r -u "$3" line && [[ $line != data:* ]]; do :; done
	echo "$1: notified"
	pick "$1" "$2"
}

for service in orders stock; do
	curl -sSf -X PUT -d "{\"streams\":[\"$stream\"],\"topics\":[\"topic1\",\"topic2\"]}" \
		"${hubs[0]}/v1/sinks/$service-$run" >/dev/null
	for number in 1 2 3; do
		exec {feed}< <(exec curl -sSfN --max-time 60 "${hubs[number % 2]}/v1/readers/sse?stream=$stream&topic=topic1&topic=topic2")
		clients+=($!)
		read -r -u "$feed" _ # the hub's first word: nothing is missed from now on
		instance $service $number "$feed" &
		instances+=($!)
	done
done
for topic in topic1 topic2 topic3; do
	post "${hubs[0]}/v1/streams/$stream/events" "{\"topic\":\"$topic\",\"type\":\"entityCreated\",\"data\":{\"id\":\"of $topic\"}}" >/dev/null
done
for process in "${instances[@]}"; do wait "$process"; done
