# shellcheck shell=bash disable=SC2034,SC2154
# What the client suites share: a private PostgreSQL, the proxy in front of it, and the running of clients. Sourced; before that stand
#
#   $budget, $clients        how many connections the proxy may have at PostgreSQL, and how many clients there are at once
#   $seconds_per_client      after which one has failed
#   $through                 pgturnstile, pgbouncer or direct
#   $require_all, $keep      0 or 1, as the options of the same names
#   ${only[@]}               names of the clients to run; none: all
#
seconds_to_start=60
clients_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
    echo "tests/clients/${0##*/}: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set -euo/p' "$0" | sed -n 's/^# \{0,1\}//p'
    exit 2
}

case $through in
    pgturnstile) proxy_binary=${PGTURNSTILE:-}; [ -n "$proxy_binary" ] || die "set PGTURNSTILE to the program to test" ;;
    pgbouncer) proxy_binary=$(PATH=$PATH:/usr/sbin command -v pgbouncer) || die "pgbouncer is not installed" ;;
    direct) proxy_binary='' ;;
    *) usage ;;
esac
[ -z "$proxy_binary" ] || [ -x "$proxy_binary" ] || die "$proxy_binary is not a program"

# --- the private PostgreSQL and the proxy in front of it --------------------------------------------------------------

pg_bin=$(pg_config --bindir 2>/dev/null || true)
if [ ! -x "$pg_bin/initdb" ]; then
    pg_bin=$(find /usr/lib/postgresql -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
fi
[ -x "$pg_bin/initdb" ] || die "PostgreSQL's initdb is not installed (Debian: postgresql)"

# PostgreSQL refuses to run as root.
as_server=()
if [ "$(id -u)" = 0 ]; then
    server_user=postgres
    id -u "$server_user" >/dev/null 2>&1 || server_user=nobody
    as_server=(setpriv "--reuid=$server_user" "--regid=$(id -g "$server_user")" --clear-groups --)
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pgturnstile-clients.XXXXXX")
chmod 755 "$work"
proxy_pid=''
sampler_pid=''

stop_process() {
    local pid=$1 signal=$2 waited=0
    kill "-$signal" "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$waited" -ge 600 ]; then
            kill -KILL "$pid" 2>/dev/null || true
            wait "$pid" 2>/dev/null || true
            return 1
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
    return 0
}

# shellcheck disable=SC2317  # the trap calls it
cleanup() {
    trap - EXIT INT TERM
    [ -z "$sampler_pid" ] || kill "$sampler_pid" 2>/dev/null || true
    [ -z "$proxy_pid" ] || stop_process "$proxy_pid" KILL || true
    if [ -f "$work/data/postmaster.pid" ]; then
        "${as_server[@]}" "$pg_bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
    fi
    if [ "$keep" = 1 ]; then
        echo "left in $work"
    else
        rm -rf "$work"
    fi
}
trap cleanup EXIT
trap 'echo "tests/clients/${0##*/}: interrupted" >&2; exit 130' INT TERM

free_port() {
    local port tries
    for tries in {1..100}; do
        port=$((10000 + RANDOM % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return 0
        fi
    done
    die "no free port found in $tries tries"
}

start_postgres() {
    # PostgreSQL keeps the reserved connections free whoever holds the others, and one of those is the sampler's.
    local reserved=3 max_connections
    max_connections=$((budget + reserved + 1))
    [ "$through" != direct ] || max_connections=$((clients * 2 + reserved))
    pg_port=$(free_port)
    mkdir "$work/data" "$work/socket"
    [ "${#as_server[@]}" = 0 ] || chown "$server_user:" "$work/data" "$work/socket"
    echo super >"$work/super_password"
    (
        cd /
        "${as_server[@]}" "$pg_bin/initdb" -D "$work/data" -U super -A scram-sha-256 --pwfile="$work/super_password" \
            -E UTF8 --locale=C --no-sync
    ) >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; die "initdb failed"; }
    cat >>"$work/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $pg_port
unix_socket_directories = '$work/socket'
max_connections = $max_connections
superuser_reserved_connections = $reserved
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 2GB
shared_buffers = 128MB
log_min_messages = warning
END
    "${as_server[@]}" "$pg_bin/pg_ctl" -D "$work/data" -l "$work/data/postgres.log" -w -t "$seconds_to_start" start \
        >"$work/pg_ctl.log" 2>&1 || { cat "$work/pg_ctl.log" "$work/data/postgres.log" >&2; die "PostgreSQL did not start"; }
}

# The reserved connections are the suite's own way to PostgreSQL, past the proxy.
super() {
    PGHOST=$work/socket PGPORT=$pg_port PGUSER=super PGPASSWORD=super PGDATABASE=app psql -X -q -v ON_ERROR_STOP=1 "$@"
}

# Further lines of [databases] and of the settings.
proxy_databases=()
proxy_settings=()

start_proxy() {
    local section=pgturnstile extra="budget = $budget"
    if [ "$through" = pgbouncer ]; then
        section=pgbouncer
        extra="ignore_startup_parameters = extra_float_digits"
    fi
    proxy_port=$(free_port)
    printf '%s\n' '"app" "app secret"' '"exporter" "exporter secret"' >"$work/userlist.txt"
    cat >"$work/proxy.ini" <<END
[databases]
app = host=127.0.0.1 port=$pg_port dbname=app
$(printf '%s\n' "${proxy_databases[@]}")

[$section]
listen_addr = 127.0.0.1
listen_port = $proxy_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $work/userlist.txt
pool_mode = transaction
default_pool_size = $budget
max_client_conn = 500
stats_users = exporter
log_connections = 0
log_disconnections = 0
$extra
$(printf '%s\n' "${proxy_settings[@]}")
END
    # The other user may not be able to reach the directory the program was built in.
    install -m 755 "$proxy_binary" "$work/proxy"
    (
        cd /
        exec "${as_server[@]}" "$work/proxy" "$work/proxy.ini"
    ) >"$work/proxy.log" 2>&1 &
    proxy_pid=$!
    local tries
    for ((tries = 0; tries < seconds_to_start * 10; tries++)); do
        if PGPORT=$proxy_port psql -X -q -c 'select 1' >"$work/probe.log" 2>&1; then
            return 0
        fi
        kill -0 "$proxy_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/proxy.log" "$work/probe.log" >&2
    die "the proxy did not come up"
}

# --- the clients ------------------------------------------------------------------------------------------------------

passed=0
failed=0
skipped=0

report() {
    local result=$1 name=$2
    case $result in
        PASS) passed=$((passed + 1)) ;;
        FAIL) failed=$((failed + 1)) ;;
        SKIP) skipped=$((skipped + 1)) ;;
    esac
    printf '%s %s%s\n' "$result" "$name" "${3:+  ($3)}"
}

is_wanted() {
    local name
    [ "${#only[@]}" -gt 0 ] || return 0
    for name in "${only[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

# client NAME PACKAGES CHECK COMMAND...: runs COMMAND when CHECK says that what it needs is installed.
client() {
    local name=$1 packages=$2 check=$3 log="$work/$1.log" begin=$EPOCHREALTIME status=0
    shift 3
    is_wanted "$name" || return 0
    if ! bash -c "$check" >"$log" 2>&1; then
        if [ "$require_all" = 1 ]; then
            report FAIL "$name" "not installed; Debian: $packages"
        else
            report SKIP "$name" "not installed; Debian: $packages"
        fi
        return 0
    fi
    mkdir "$work/$name"
    (cd "$work/$name" && exec timeout --kill-after=5 "$seconds_per_client" "$@") >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" = 0 ]; then
        report PASS "$name" "$(awk "BEGIN { printf \"%.1f s\", $EPOCHREALTIME - $begin }")"
        return 0
    fi
    [ "$status" != 124 ] || echo "not done after $seconds_per_client s" >>"$log"
    report FAIL "$name" "exit status $status"
    tail -n 40 "$log" | sed 's/^/    /'
}

install_node_packages() {
    node_dir=${CLIENTS_BUILD_DIR:-$work}/node
    export NODE_PATH=$node_dir/node_modules
    mkdir -p "$node_dir"
    if ! cmp -s "$clients_dir/node/package-lock.json" "$node_dir/installed-lock.json"; then
        cp "$clients_dir/node/package.json" "$clients_dir/node/package-lock.json" "$node_dir/"
        (cd "$node_dir" && npm ci --no-audit --no-fund --ignore-scripts) || return 1
        cp "$clients_dir/node/package-lock.json" "$node_dir/installed-lock.json"
    fi
}

# await_none CONDITION: waits until PostgreSQL has no connection of the proxy's that fulfils it; prints how many are left at the end.
await_none() {
    local left tries
    for ((tries = 0; tries < 600; tries++)); do
        left=$(super -At -c "select count(*) from pg_stat_activity where usename = 'app' and $1")
        [ "$left" != 0 ] || break
        sleep 0.1
    done
    echo "$left"
}

judge_shutdown() {
    local status=0 left complaint='AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed'
    stop_process "$proxy_pid" TERM || status=timeout
    [ "$status" = timeout ] || wait "$proxy_pid" || status=$?
    proxy_pid=''
    left=$(await_none true)
    if [ "$status" = 0 ] && [ "$left" = 0 ] && ! grep -qE "$complaint" "$work/proxy.log"; then
        report PASS shutdown
    else
        report FAIL shutdown "exit status $status, connections left at PostgreSQL: $left"
        { grep -E -A 20 "$complaint" "$work/proxy.log" || tail -n 20 "$work/proxy.log"; } | head -n 40 | sed 's/^/    /'
    fi
}

# The database that schema.sql makes, and what leads to it. Nothing of the caller's surroundings may reach the clients.
prepare_surroundings() {
    start_postgres
    PGDATABASE=postgres super -d postgres -f "$clients_dir/schema.sql" >"$work/schema.log" 2>&1 || { cat "$work/schema.log" >&2; die "schema.sql failed"; }
    unset PGHOSTADDR PGSERVICE PGSERVICEFILE PGPASSFILE PGOPTIONS PGSSLMODE PGAPPNAME PGCLIENTENCODING PGTZ PGDATESTYLE DATABASE_URL NODE_OPTIONS
    export PGHOST=127.0.0.1 PGUSER=app PGPASSWORD='app secret' PGDATABASE=app PGCONNECT_TIMEOUT=20
    export CLIENTS=$clients NAMED_CLIENTS=$named_clients LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
    export SUPER_CONNINFO="host=$work/socket port=$pg_port user=super password=super dbname=app"
}

# Debian's modules belong to Debian's interpreter, whatever else stands first in PATH.
python=/usr/bin/python3
perl=/usr/bin/perl
ruby=/usr/bin/ruby
jdbc=/usr/share/java/postgresql.jar
