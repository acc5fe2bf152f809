#!/usr/bin/env bash
# Pulse streaming, pub/sub: sinks and readers of topics, by name, by pattern, and by topic and event.
#
#   [HUB=URL] [HUB2=URL] topics.sh
#
# What a sink leaves out is acknowledged for it; it stays in the stream for others.
set -euo pipefail
hub=${HUB:-http://127.0.0.1:8080} other=${HUB2:-${HUB:-http://127.0.0.1:8080}}
run=$$-$RANDOM stream=my-stream-$run
trap 'curl -s -X DELETE "$hub"/v1/{sinks/{all,name,pattern,both}-"$run",streams/"$stream"}' EXIT

post() { curl -sSf -d "$2" "$1"; }
show() { jq -r --arg who "$1" '.events[] | "\($who), topic: \(.topic), event: \(.type), payload: \(.data)"'; }

# sink NAME QUERY prints and acknowledges what there is for a sink.
sink() {
	local page
	page=$(post "$other/v1/sinks/$1-$run/pull?stream=$stream&from=oldest&$2" '{"max":10,"wait":"20s"}')
	show "sink $1" <<<"$page"
	post "$other/v1/sinks/$1-$run/acks" "$(jq -c '{stream: .events[0].stream, ids: [.events[].id]}' <<<"$page")" >/dev/null
	curl -sSf "$hub/v1/sinks/$1-$run" | jq -r '.streams[] | "sink \($who), to come: \(.lag), pending: \(.pending)"' --arg who "$1"
}

# reader QUERY prints what there is for a reader, as a page.
reader() { curl -sSf -g "$other/v1/streams/$stream/events?$1" | show "reader $1"; }

post "$hub/v1/streams/$stream/events" '[
	{"topic":"my-topic","type":"event 1","data":"payload 1"},
	{"topic":"other-topic","type":"event 1","data":"payload 2"},
	{"topic":"my-topic","type":"event 2","data":"payload 3"},
	{"topic":"my-topic.eu","type":"event 2","data":"payload 4"}
]' | jq -r '"\(.ids | length) events added"'

sink all ''
sink name 'topic=my-topic'
sink pattern 'topic=my-topic.*'
sink both 'topic=my-*&type=event+2'
reader 'topic=my-*'
reader 'topic=my-**'
reader 'topic=re:(my|other)-topic&type=*+1'
