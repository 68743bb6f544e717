# PostgreSQL: a database and a role for each service that keeps its data there.

postgres_port=${BACKENDS_POSTGRES_PORT:-25432}
postgres_dir=$dir/postgres
postgres_databases=(users catalog orders inventory payments)

# Debian has a folder for each version; the newest is ours.
postgres_bin() { find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }

# The server refuses to run as root.
as_postgres() {
  if [[ $(id -u) == 0 ]]; then (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"); else "$@"; fi
}

# Statements on standard input, as the superuser: no password is ever an argument.
postgres_sql() {
  local client=("$(postgres_bin)/psql" -p "$postgres_port")
  if [[ $engine == docker ]]; then client=(psql); fi
  PGPASSWORD=$(<"$postgres_dir/superuser.password") at postgres "${client[@]}" -h 127.0.0.1 -U postgres -d postgres -X -q -A -t \
    -v ON_ERROR_STOP=1
}

postgres_answers() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$postgres_port"; }

postgres_secrets() {
  local name
  mkdir -p "$postgres_dir"
  for name in superuser "${postgres_databases[@]}"; do
    [[ -s $postgres_dir/$name.password ]] || secret "$postgres_dir/$name.password"
  done
}

postgres_up() {
  need postgresql "$(postgres_bin)/postgres"
  local data=$postgres_dir/data log=$postgres_dir/log bin
  bin=$(postgres_bin)
  postgres_secrets
  if [[ ! -s $data/PG_VERSION ]]; then
    rm -rf "$data"
    mkdir -p "$data" "$log"
    if [[ $(id -u) == 0 ]]; then chown postgres: "$data" "$log" "$postgres_dir/superuser.password"; fi
    as_postgres "$bin/initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 -A scram-sha-256 \
      --pwfile="$postgres_dir/superuser.password" >"$postgres_dir/initdb.log" 2>&1 || fail "initdb failed, see $postgres_dir/initdb.log"
  fi
  eventually 60 postgres_started || fail "PostgreSQL did not start, see $log"
}

# Right after the server was killed its process may still be in the table, and a new one then refuses to start.
postgres_started() {
  postgres_answers && return
  as_postgres "$(postgres_bin)/pg_ctl" -D "$postgres_dir/data" -l "$postgres_dir/log/postgres.log" -s -W start \
    -o "-c listen_addresses=127.0.0.1 -p $postgres_port -c unix_socket_directories= -c max_connections=${BACKENDS_POSTGRES_CONNECTIONS:-300}"
  sleep 0.5
  postgres_answers
}

# A role owns its database, and nobody else may connect to it. One client for all of it: this runs beside a load.
postgres_prepare() {
  local name
  for name in "${postgres_databases[@]}"; do
    cat <<SQL
SELECT 'CREATE ROLE $name LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$name') \gexec
-- The file may be newer than the role.
ALTER ROLE $name PASSWORD '$(<"$postgres_dir/$name.password")';
SELECT 'CREATE DATABASE $name OWNER $name' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$name') \gexec
REVOKE CONNECT ON DATABASE $name FROM PUBLIC;
SQL
  done | postgres_sql
}

postgres_down() { stop "$postgres_dir/data/postmaster.pid" "$postgres_dir/data" INT; }

postgres_status() {
  local version
  version=$(postgres_sql 2>/dev/null <<<'SHOW server_version') || true
  [[ $version ]] && echo "postgres: $version on 127.0.0.1:$postgres_port, $(whose "$postgres_dir/data/postmaster.pid")"
}

postgres_env() {
  local name
  for name in "${postgres_databases[@]}"; do
    [[ -s $postgres_dir/$name.password ]] || fail "there is no PostgreSQL yet: scripts/backends up"
    echo "export ${name^^}_DATABASE_URL=postgres://$name:$(<"$postgres_dir/$name.password")@127.0.0.1:$postgres_port/$name"
  done
}
