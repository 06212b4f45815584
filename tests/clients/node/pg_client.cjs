// node-postgres: simple and extended queries, many in flight, its pool, named statements, binary answers, cancel by statement_timeout.
'use strict';
const {Client, Pool} = require('pg');
const {assert, crowd, failsWith, rounds, clients, namedClients} = require('./common.cjs');

async function withClient(options, work) {
  const client = new Client(options);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function checkValues(client) {
  const values = [7, "Größe ' \\", null, [1, null, 3], true, Buffer.from([0, 255, 92]), {k: [1, null]}, new Date(86400000)];
  const question =
    'select $1::int as a, $2::text as b, $3::text as c, $4::int[] as d, $5::bool as e, $6::bytea as f, $7::jsonb as g, $8::timestamptz as h';
  const answer = await client.query({text: question, values, rowMode: 'array'});
  assert.deepEqual(answer.rows, [values]);
  const binary = await client.query({text: 'select $1::int4 as n, $2::text as t', values: [41, 'x'], binary: true});
  assert.deepEqual(binary.rows, [{n: 41, t: 'x'}]);
  const several = await client.query("select 1 as n; create temporary table t on commit drop as select 2 as n; select 'last' as n");
  assert.deepEqual(several.map((one) => one.command), ['SELECT', 'SELECT', 'SELECT']);
  assert.equal(several[2].rows[0].n, 'last');
}

async function checkTransactions(client) {
  const heard = [];
  client.on('notice', (notice) => heard.push(notice.message));
  assert.equal((await client.query('select speak($1) as said', ['node'])).rows[0].said, 'NODE');
  assert.deepEqual(heard, ['heard: node']);
  await client.query('begin');
  await client.query("insert into item (name, price) values ('node', 1.25)");
  await client.query('savepoint s');
  const error = await failsWith('23505', client.query('insert into item (name) values ($1)', ['node']));
  assert.equal(error.constraint, 'item_name_key');
  await failsWith('25P02', client.query('select 1'));
  await client.query('rollback to savepoint s');
  assert.equal((await client.query("select price from item where name = 'node'")).rows[0].price, '1.25');
  await client.query('rollback');
  assert.equal((await client.query("select from item where name = 'node'")).rowCount, 0);
}

// The driver sends one query after the other, but its users have hundreds waiting in it.
async function checkManyAtOnce(client) {
  const answers = await Promise.allSettled(
    Array.from({length: 300}, (_, n) => client.query('select 100 / ($1::int % 50) as q, $1::int as n', [n])));
  answers.forEach((answer, n) => {
    if (n % 50 === 0) assert.equal(answer.reason.code, '22012');
    else assert.deepEqual(answer.value.rows, [{q: Math.trunc(100 / (n % 50)), n}]);
  });
  const large = await client.query("select repeat('x', 3000000) as large, n from generate_series(1, 3) as n");
  assert.deepEqual(large.rows.map((row) => row.large.length), [3000000, 3000000, 3000000]);
}

async function checkNamed(client) {
  const double = (n) => client.query({name: 'double', text: 'select $1::int * 2 as n', values: [n]});
  for (let n = 0; n < 10; n++) assert.equal((await double(n)).rows[0].n, n * 2);
  await failsWith('22P02', double('nonsense'));
  assert.equal((await double(21)).rows[0].n, 42);
}

async function oneOfTheCrowd(kind, number, client, isNamed) {
  const insert = isNamed ? {name: 'mine', text: 'insert into uncommitted values ($1, $2)'} : {text: 'insert into uncommitted values ($1, $2)'};
  for (let turn = 0; turn < rounds; turn++) {
    const mine = {owner: `${kind}-${number}`, value: `${turn} ${Math.random()}`};
    await client.query('begin');
    await client.query({...insert, values: [mine.owner, mine.value]});
    assert.deepEqual((await client.query('select owner, value from uncommitted')).rows, [mine]);
    await client.query('rollback');
    await client.query('insert into done values ($1, $2, $3)', [kind, number, turn]);
    assert.deepEqual((await client.query('select $1::text as v', [mine.value])).rows, [{v: mine.value}]);
  }
}

async function checkPool() {
  const pool = new Pool({max: clients});
  const answers = await crowd(clients * 5, (n) => pool.query('select $1::int as n, pg_sleep(0.002)', [n]));
  answers.forEach((answer, n) => assert.equal(answer.rows[0].n, n));
  await pool.end();
}

async function main() {
  await withClient({}, async (client) => {
    await checkValues(client);
    await checkTransactions(client);
    await checkManyAtOnce(client);
  });
  await withClient({}, checkNamed);
  await checkPool();
  await crowd(clients, (number) => withClient({}, (client) => oneOfTheCrowd('node-pg', number, client, false)));
  await crowd(namedClients, (number) => withClient({}, (client) => oneOfTheCrowd('node-pg-named', number, client, true)));
  await withClient({}, async (client) => {
    for (const [kind, count] of [['node-pg', clients], ['node-pg-named', namedClients]]) {
      const done = await client.query('select count(*)::int as n from done where client_kind = $1', [kind]);
      assert.equal(done.rows[0].n, count * rounds);
    }
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
