# Redis, as a cache: nothing is kept on disk.

redis_port=${BACKENDS_REDIS_PORT:-26379}
redis_dir=$dir/redis

redis_ask() {
  local port=$redis_port
  if [[ $engine == docker ]]; then port=6379; fi
  at redis timeout 2 redis-cli -h 127.0.0.1 -p "$port" "$@"
}

redis_up() {
  need redis-server /usr/bin/redis-server
  mkdir -p "$redis_dir"
  if ! redis_ask ping >/dev/null 2>&1; then
    redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --maxmemory 64mb --maxmemory-policy allkeys-lru \
      --dir "$redis_dir" --logfile "$redis_dir/log" --pidfile "$redis_dir/pid" --daemonize yes >/dev/null
  fi
  eventually 30 redis_ask ping || fail "Redis did not start, see $redis_dir/log"
}

redis_down() { stop "$redis_dir/pid" redis-server; }

redis_status() {
  local version
  version=$(redis_ask info server 2>/dev/null | sed -n 's/^redis_version:\([0-9.]*\).*/\1/p')
  [[ $version ]] && echo "redis: $version on 127.0.0.1:$redis_port, $(whose "$redis_dir/pid")"
}

redis_env() { echo "export REDIS_URL=redis://127.0.0.1:$redis_port"; }
