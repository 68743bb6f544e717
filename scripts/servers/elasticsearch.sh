# Elasticsearch: one node made of its published libraries (scripts/elasticsearch-node), since Debian has no package of it.

elasticsearch_port=${BACKENDS_ELASTICSEARCH_PORT:-29200}
elasticsearch_dir=$dir/elasticsearch

elasticsearch_ask() { curl -fsS --noproxy '*' --max-time 2 "http://127.0.0.1:$elasticsearch_port$1"; }

# The libraries have no `GET /`; every node tells its version here.
elasticsearch_version() {
  elasticsearch_ask '/_nodes?filter_path=nodes.*.version' | sed -n 's/.*"version":"\([^"]*\)".*/\1/p'
}

# A node that has just started again may still be opening its indices.
elasticsearch_answers() { elasticsearch_ask '/_cluster/health?wait_for_status=yellow&timeout=1s'; }

elasticsearch_up() {
  need default-jdk-headless /usr/bin/javac
  need maven /usr/bin/mvn
  need curl /usr/bin/curl
  mkdir -p "$elasticsearch_dir"
  if ! elasticsearch_answers >/dev/null 2>&1 && ! lives "$elasticsearch_dir/pid" "$elasticsearch_dir"; then
    setsid scripts/elasticsearch-node/elasticsearch-node "$elasticsearch_dir/home" "$elasticsearch_port" \
      $((elasticsearch_port + 1)) >"$elasticsearch_dir/log" 2>&1 </dev/null &
    echo $! >"$elasticsearch_dir/pid"
  fi
  # The first start fetches 40 MB and compiles.
  eventually 300 elasticsearch_decided || true
  elasticsearch_answers >/dev/null 2>&1 || fail "Elasticsearch did not start, see $elasticsearch_dir/log"
}

# Whether it answers, or has ended without.
elasticsearch_decided() { elasticsearch_answers || ! lives "$elasticsearch_dir/pid" "$elasticsearch_dir"; }

elasticsearch_down() { stop "$elasticsearch_dir/pid" "$elasticsearch_dir"; }

elasticsearch_status() {
  local version
  version=$(elasticsearch_version 2>/dev/null) || true
  [[ $version ]] && echo "elasticsearch: $version on 127.0.0.1:$elasticsearch_port, $(whose "$elasticsearch_dir/pid")"
}

elasticsearch_env() { echo "export ELASTICSEARCH_URL=http://127.0.0.1:$elasticsearch_port"; }
