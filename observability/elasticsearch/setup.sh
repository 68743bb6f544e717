#!/usr/bin/env bash
# Tells Elasticsearch what log lines look like, before the first of them comes.
set -euo pipefail
cd "$(dirname "$0")"
: "${ELASTICSEARCH_URL:=http://127.0.0.1:9200}"
for template in *.json; do
  name=${template%.json}
  curl -fsS --retry 30 --retry-connrefused --retry-delay 1 -o /dev/null -X PUT "$ELASTICSEARCH_URL/_index_template/$name" \
    -H 'content-type: application/json' --data-binary "@$template"
  echo "index template $name"
done
