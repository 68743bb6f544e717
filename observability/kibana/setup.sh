#!/usr/bin/env bash
# Brings the data view, the saved searches and the dashboard into Kibana. What somebody changed there is replaced.
set -euo pipefail
cd "$(dirname "$0")"
: "${KIBANA_URL:=http://127.0.0.1:5601}"
answer=$(curl -fsS --retry 30 --retry-connrefused --retry-delay 2 -X POST "$KIBANA_URL/api/saved_objects/_import?overwrite=true" \
  -H 'kbn-xsrf: windtunnel' -F file=@objects.ndjson)
echo "$answer"
[[ $answer == *'"success":true'* ]]
