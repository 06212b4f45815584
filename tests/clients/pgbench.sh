#!/usr/bin/env bash
# pgbench: initialisation by COPY, then each mode and script; after TPC-B every balance must add up, to the last transaction.
set -euo pipefail

query() {
    psql -X -q -At -v ON_ERROR_STOP=1 -c "$1"
}

pgbench -i -I dtgpv -s 5 -q

# The number of transactions that pgbench says it did; any client that gave up is a failure.
transactions=0
bench() {
    local name=$1
    shift
    # While pgbench prepares a statement for one client, all clients of its thread wait, those in a transaction as well: a proxy that lets it wait for a server
    # then waits for ever.
    if ! pgbench -n -j 2 "$@" >"$name.out" 2>&1 || grep -qE 'aborted|error' "$name.out"; then
        echo "pgbench $name:"
        cat "$name.out"
        return 1
    fi
    transactions=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$name.out")
    echo "$name: $(grep '^tps' "$name.out"), $(grep '^latency average' "$name.out")"
}

expect() {
    local what=$1 wanted=$2 got=$3
    [ "$wanted" = "$got" ] || { echo "$what: $got instead of $wanted"; return 1; }
}

done_so_far=0
for mode in simple extended prepared; do
    crowd=$CLIENTS
    [ "$mode" != prepared ] || crowd=$NAMED_CLIENTS
    bench "select-$mode" -S -M "$mode" -c "$crowd" -t 200
    expect "select-only transactions in mode $mode" $((crowd * 200)) "$transactions"
    bench "tpcb-$mode" -M "$mode" -c "$crowd" -t 30
    expect "TPC-B transactions in mode $mode" $((crowd * 30)) "$transactions"
    done_so_far=$((done_so_far + transactions))
done
# Each transaction is a login of its own.
bench reconnect -S -C -c "$CLIENTS" -t 3
expect "rows in the history" "$done_so_far" "$(query 'select count(*) from pgbench_history')"
expect "balances" "t" "$(query 'select a = b and b = t and t = h
    from (select sum(abalance) as a from pgbench_accounts) as accounts, (select sum(bbalance) as b from pgbench_branches) as branches,
         (select sum(tbalance) as t from pgbench_tellers) as tellers, (select coalesce(sum(delta), 0) as h from pgbench_history) as history')"

# Each client writes its own number and value, and reads back what the pipeline left; a wrong answer ends pgbench with an error.
cat >pipeline.sql <<'END'
\set n random(1, 1000000000)
\startpipeline
begin;
insert into uncommitted values (:client_id, :n);
select 1 / (count(*) = 1 and min(owner) = :client_id::text and min(value) = :n::text)::integer from uncommitted;
update pgbench_branches set filler = :client_id where bid = 0;
rollback;
select :n + 1 as next;
\endpipeline
END
bench pipeline -M extended -f pipeline.sql -c "$CLIENTS" -t 50
bench pipeline-prepared -M prepared -f pipeline.sql -c "$NAMED_CLIENTS" -t 50

cat >private.sql <<'END'
\set n random(1, 1000000000)
begin;
insert into uncommitted values (:client_id, :n);
select count(*) as rows, min(owner)::integer as owner, min(value)::integer as value from uncommitted \gset
rollback;
\if :rows != 1 or :owner != :client_id or :value != :n
select 'this client saw rows of another' / 0;
\endif
END
bench private-simple -M simple -f private.sql -c "$CLIENTS" -t 30
bench private-extended -M extended -f private.sql -c "$CLIENTS" -t 30
bench private-prepared -M prepared -f private.sql -c "$NAMED_CLIENTS" -t 30
