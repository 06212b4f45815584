#!/usr/bin/env bash
# psql: the same long script through the proxy and straight to PostgreSQL must print the same; then a crowd of psqls.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=3
quiet=(psql -X -q -At -v ON_ERROR_STOP=1)

# \bind came with psql 16.
has_bind=off
if psql --help=commands | grep -qF '\bind '; then
    has_bind=on
fi

printf 'copied from a file\t7.25\nanother\t1.00\n' >rows.txt
head -c 300000 /dev/urandom >large_object

# As it is typed: no ON_ERROR_STOP, every answer and every error on the same stream. Temporary schemas are numbered by server.
run_script() {
    psql -X -e -v has_bind="$has_bind" -d "$1" 2>&1 <"$here/psql_script.sql" | sed 's/pg_temp_[0-9]*/pg_temp_N/'
}

run_script "$PGDATABASE" >through_proxy.txt || { tail -n 5 through_proxy.txt; exit 1; }
cmp large_object large_object_back
rm large_object_back
PGOPTIONS='-c role=app' run_script "$SUPER_CONNINFO" >direct.txt || { tail -n 5 direct.txt; exit 1; }
cmp large_object large_object_back
if ! diff -u direct.txt through_proxy.txt; then
    echo "psql printed something else through the proxy than directly"
    exit 1
fi
for expected in 'heard: hello' 'division by zero' 'violates unique constraint' 'COPY 2000' 'Table "public.item"' 'current transaction is aborted'; do
    grep -qF "$expected" direct.txt || { echo "the script did not show: $expected"; exit 1; }
done

# One of a crowd: each row it sees uncommitted must be its own.
one_of_the_crowd() {
    local me=$1 round answer expected
    for ((round = 0; round < rounds; round++)); do
        echo "begin; insert into uncommitted values ('psql-$me', 'round $round');"
        echo "select owner, value from uncommitted; rollback;"
        echo "insert into done values ('psql', $me, $round);"
    done >"crowd-$me.sql"
    answer=$("${quiet[@]}" -f "crowd-$me.sql")
    expected=$(for ((round = 0; round < rounds; round++)); do echo "psql-$me|round $round"; done)
    [ "$answer" = "$expected" ] || { printf 'client %s saw:\n%s\n' "$me" "$answer"; return 1; }
}

crowd=()
for ((i = 0; i < CLIENTS; i++)); do
    one_of_the_crowd "$i" &
    crowd+=($!)
done
for pid in "${crowd[@]}"; do
    wait "$pid"
done
[ "$("${quiet[@]}" -c "select count(*) from done where client_kind = 'psql'")" = $((CLIENTS * rounds)) ]
