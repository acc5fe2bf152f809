#!/usr/bin/env bash
# FluxaORM EventBroker, "Single Consumer": one consumer at a time, oldest events first, also when its handler fails.
#
#   [HUB=URL] [HUB2=URL] in-order.sh [EVENTS]
#
# Two consumers stand ready at any hubs of one Redis (HUB2): one of them is served.
# A batch whose third event fails goes on with that event, not behind it.
set -euo pipefail
hubs=("${HUB:-http://127.0.0.1:8080}" "${HUB2:-${HUB:-http://127.0.0.1:8080}}")
events=${1:-10} run=$$-$RANDOM dir=$(mktemp -d)
stream=order-events-$run sink=single-$run
trap 'curl -s -X DELETE "${hubs[0]}"/v1/{sinks/"$sink",streams/"$stream"}; rm -rf "$dir"' EXIT

post() { curl -sSf -d "$2" "$1"; }

# handle EVENT does the work: it fails for order 3 at first.
handle() { jq -er 'select(.data.order != 3 or .attempt > 1) | "order \(.data.order)"' <<<"$1"; }

# settle HUB VERB BODY
settle() { post "$1/v1/sinks/$sink/$2" "$3" >/dev/null; }

# consume HUB COUNT BLOCK handles batches of up to COUNT events, until all are done.
consume() {
	local batch event last
	while [ "$(grep -c '^order ' "$dir/log")" -lt "$events" ]; do
		batch=$(post "$1/v1/sinks/$sink/pull" "{\"max\":$2,\"wait\":\"$3\"}" | jq -c '.events[]')
		last=''
		while read -r event && [ -n "$event" ]; do
			if handle "$event" >>"$dir/log"; then
				last=$(jq -r .id <<<"$event")
				continue
			fi
			echo 'a handler failed' >>"$dir/log"
			# What is behind it in the batch is taken back, what is before it is not.
			settle "$1" nacks "$(jq -c '{stream, ids: [{id, attempt}], delay: "100ms"}' <<<"$event")"
			break
		done <<<"$batch"
		[ -z "$last" ] || settle "$1" acks "{\"stream\":\"$stream\",\"up_to\":\"$last\"}"
	done
}

curl -sSf -X PUT -d "{\"streams\":[\"$stream\"],\"order\":\"strict\"}" "${hubs[0]}/v1/sinks/$sink" |
	jq -r '"order: \(.config.order)"' | tee "$dir/log"
for base in "${hubs[@]}"; do
	consume "$base" 4 1s &
	consumers+=($!)
done
for ((i = 1; i <= events; i++)); do
	post "${hubs[i % 2]}/v1/streams/$stream/events" "{\"type\":\"placed\",\"data\":{\"order\":$i}}" >/dev/null
done
for process in "${consumers[@]}"; do wait "$process"; done
sed 1d "$dir/log"
