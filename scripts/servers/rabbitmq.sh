# RabbitMQ: a node and an epmd (the name server of Erlang) of its own.

rabbitmq_port=${BACKENDS_RABBITMQ_PORT:-25672}
rabbitmq_dir=$dir/rabbitmq
rabbitmq_bin=/usr/lib/rabbitmq/bin

# Runs a program of RabbitMQ against our node.
rabbitmq_run() {
  env HOME="$rabbitmq_dir" \
    ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((rabbitmq_port + 2)) \
    RABBITMQ_NODENAME="windtunnel$rabbitmq_port@localhost" \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$rabbitmq_port" RABBITMQ_DIST_PORT=$((rabbitmq_port + 1)) \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
    RABBITMQ_MNESIA_BASE="$rabbitmq_dir/data" RABBITMQ_LOG_BASE="$rabbitmq_dir/log" \
    RABBITMQ_CONFIG_FILE="$rabbitmq_dir/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$rabbitmq_dir/plugins" \
    RABBITMQ_PID_FILE="$rabbitmq_dir/pid" RABBITMQ_CONF_ENV_FILE=/dev/null ERL_CRASH_DUMP="$rabbitmq_dir/erl_crash.dump" \
    "$@"
}

rabbitmq_up() {
  need rabbitmq-server "$rabbitmq_bin/rabbitmq-server"
  mkdir -p "$rabbitmq_dir"/{data,log}
  echo '[].' >"$rabbitmq_dir/plugins"
  # A small machine is no reason to refuse messages.
  printf 'disk_free_limit.absolute = 50MB\nlog.file.level = warning\n' >"$rabbitmq_dir/rabbitmq.conf"
  if ! lives "$rabbitmq_dir/epmd.pid" epmd; then
    setsid env ERL_EPMD_ADDRESS=127.0.0.1 epmd -port $((rabbitmq_port + 2)) >"$rabbitmq_dir/log/epmd" 2>&1 </dev/null &
    echo $! >"$rabbitmq_dir/epmd.pid"
  fi
  if ! lives "$rabbitmq_dir/pid" "$rabbitmq_dir"; then
    rabbitmq_run setsid "$rabbitmq_bin/rabbitmq-server" >"$rabbitmq_dir/log/out" 2>&1 </dev/null &
  fi
  eventually 90 rabbitmq_answers || fail "RabbitMQ did not start, see $rabbitmq_dir/log"
}

# The protocol header is answered with connection.start (class 10, method 10), which has the server's version in it.
rabbitmq_version() {
  { printf 'AMQP\0\0\11\1' >&3 && timeout 2 dd bs=4096 count=1 status=none <&3 |
    tr -cd '[:print:]' | sed -n 's/.*versionS\([0-9.]*\).*/\1/p'; } 3<>"/dev/tcp/127.0.0.1/$rabbitmq_port"
}

rabbitmq_answers() { rabbitmq_version | grep -q .; }

rabbitmq_down() {
  stop "$rabbitmq_dir/pid" "$rabbitmq_dir"
  # It may be that of a node from elsewhere, on the same port.
  if lives "$rabbitmq_dir/epmd.pid" epmd; then stop "$rabbitmq_dir/epmd.pid" epmd; fi
}

rabbitmq_status() {
  local version
  version=$(rabbitmq_version 2>/dev/null) || true
  [[ $version ]] && echo "rabbitmq: $version on 127.0.0.1:$rabbitmq_port, $(whose "$rabbitmq_dir/pid")"
}

rabbitmq_env() { echo "export AMQP_URL=amqp://guest:guest@127.0.0.1:$rabbitmq_port/%2f"; }

# Anything of RabbitMQ's own, such as: rabbitmqctl close_all_connections test
rabbitmq_tool() {
  if [[ $engine == docker ]]; then at rabbitmq "$@"; else rabbitmq_run "$rabbitmq_bin/$1" "${@:2}"; fi
}
