# Memcached.

memcached_port=${BACKENDS_MEMCACHED_PORT:-21211}
memcached_dir=$dir/memcached

memcached_version() {
  { printf 'version\r\n' >&3 && timeout 2 head -n 1 <&3 | sed -n 's/^VERSION \([0-9.]*\).*/\1/p'; } 3<>"/dev/tcp/127.0.0.1/$memcached_port"
}

memcached_answers() { memcached_version | grep -q .; }

memcached_up() {
  need memcached /usr/bin/memcached
  mkdir -p "$memcached_dir"
  if ! memcached_answers 2>/dev/null; then
    local user=()
    if [[ $(id -u) == 0 ]]; then user=(-u root); fi
    memcached "${user[@]}" -l 127.0.0.1 -p "$memcached_port" -m 64 -d -P "$memcached_dir/pid"
  fi
  eventually 30 memcached_answers || fail "Memcached did not start"
}

memcached_down() { stop "$memcached_dir/pid" memcached; }

memcached_status() {
  local version
  version=$(memcached_version 2>/dev/null) || true
  [[ $version ]] && echo "memcached: $version on 127.0.0.1:$memcached_port, $(whose "$memcached_dir/pid")"
}

memcached_env() { echo "export MEMCACHED_URL=memcached://127.0.0.1:$memcached_port"; }
