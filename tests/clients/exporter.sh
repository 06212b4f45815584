#!/usr/bin/env bash
# Debian's prometheus-pgbouncer-exporter, pointed at the console: it scrapes without an error, and its values fit the load.
set -euo pipefail

port=$((20000 + RANDOM % 10000))
exporter_pid=''
trap '[ -z "$exporter_pid" ] || kill "$exporter_pid" 2>/dev/null || true' EXIT

export PGUSER=$CONSOLE_USER PGPASSWORD=$CONSOLE_PASSWORD
prometheus-pgbouncer-exporter --host 127.0.0.1 --port "$port" --pgbouncer-host "$PGHOST" --pgbouncer-port "$PGPORT" \
    --pgbouncer-user "$CONSOLE_USER" >exporter.log 2>&1 &
exporter_pid=$!
unset PGUSER PGPASSWORD

scrape() {
    /usr/bin/python3 -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())' \
        "http://127.0.0.1:$port/metrics" >metrics.txt
}

# value METRIC LABELS
value() {
    awk -v name="$1$2" '$1 == name { print int($2) }' metrics.txt
}

for ((tries = 0; tries < 600; tries++)); do
    if scrape 2>scrape.log; then break; fi
    kill -0 "$exporter_pid" 2>/dev/null || { cat exporter.log >&2; exit 1; }
    sleep 0.1
done

before=$(value pgbouncer_requests_total '{database="app"}')
for ((i = 0; i < 25; i++)); do
    PGUSER=app PGPASSWORD='app secret' psql -X -q -At -c 'select 1' >/dev/null
done
scrape
after=$(value pgbouncer_requests_total '{database="app"}')
[ -n "$before" ] && [ $((after - before)) -eq 25 ] || { echo "requests_total went from $before to $after in 25 queries" >&2; exit 1; }

for metric in 'pgbouncer_received_bytes_total{database="app"}' 'pgbouncer_sent_bytes_total{database="app"}' \
    'pgbouncer_query_microseconds_total{database="app"}' 'pgbouncer_databases' 'pgbouncer_pools' 'pgbouncer_used_clients'; do
    awk -v name="$metric" '$1 == name && $2 > 0 { found = 1 } END { exit !found }' metrics.txt || { echo "$metric is not above 0" >&2; exit 1; }
done
for metric in pgbouncer_active_clients pgbouncer_waiting_clients pgbouncer_pool_size pgbouncer_reserve_pool pgbouncer_dns_pending; do
    grep -q "^$metric" metrics.txt || { echo "there is no $metric" >&2; exit 1; }
done
! grep -iE 'traceback|error' exporter.log >&2
