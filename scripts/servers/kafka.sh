# Kafka: one node, broker and controller in one process; scripts/kafka-node has it from Maven Central.

kafka_port=${BACKENDS_KAFKA_PORT:-29092}
kafka_dir=$dir/kafka
kafka_node=scripts/kafka-node/kafka-node

kafka_up() {
  need default-jre-headless /usr/bin/java
  need maven /usr/bin/mvn
  mkdir -p "$kafka_dir"
  if ! lives "$kafka_dir/pid" "$kafka_dir"; then
    setsid "$kafka_node" "$kafka_dir" "$kafka_port" $((kafka_port + 1)) >"$kafka_dir/out" 2>&1 </dev/null &
    echo $! >"$kafka_dir/pid"
  fi
  # The first time it is downloaded.
  eventually 300 kafka_decided || true
  kafka_answers 2>/dev/null || fail "Kafka did not start, see $kafka_dir/out"
}

kafka_decided() { kafka_answers || [[ ! -e /proc/$(<"$kafka_dir/pid") ]]; }

# ApiVersions (key 18, version 0) is answered with the number of the request, 7, and the error code 0.
kafka_answers() {
  { printf '\0\0\0\12\0\22\0\0\0\0\0\7\377\377' >&3 &&
    timeout 2 dd bs=10 count=1 status=none <&3 | od -An -tx1 | grep -q '00 00 00 07 00 00'; } 3<>"/dev/tcp/127.0.0.1/$kafka_port"
}

# No answer has the server's version in it, but every release has a format of metadata of its own, which is called after it.
kafka_version() {
  local features=("$kafka_node" tool FeatureCommand --bootstrap-server "127.0.0.1:$kafka_port")
  if [[ $engine == docker ]]; then features=(/opt/kafka/bin/kafka-features.sh --bootstrap-server localhost:19092); fi
  kafka_answers && at kafka "${features[@]}" describe |
    sed -n 's/^Feature: metadata.version.*SupportedMaxVersion: \([^[:space:]]*\).*/\1/p'
}

kafka_down() { stop "$kafka_dir/pid" "$kafka_dir"; }

kafka_status() {
  local version
  version=$(kafka_version 2>/dev/null) || true
  [[ $version ]] && echo "kafka: $version on 127.0.0.1:$kafka_port, $(whose "$kafka_dir/pid")"
}

kafka_env() { echo "export KAFKA_URL=kafka://127.0.0.1:$kafka_port"; }
