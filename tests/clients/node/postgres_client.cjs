// postgres.js: pipelined queries on a pool of its own, cursors, COPY streams, cancel; unnamed, then named statements.
'use strict';
const {pipeline} = require('node:stream/promises');
const {Readable} = require('node:stream');
const postgres = require('postgres');
const {assert, crowd, failsWith, rounds, clients, namedClients} = require('./common.cjs');

async function withPool(options, work) {
  const heard = [];
  const sql = postgres({onnotice: (notice) => heard.push(notice.message), ...options});
  try {
    await work(sql, heard);
  } finally {
    await sql.end({timeout: 10});
  }
}

async function checkValues(sql, heard) {
  const [row] = await sql`select ${7}::int as a, ${"Größe ' \\"}::text as b, ${null}::text as c, ${true}::bool as d,
    ${Buffer.from([0, 255, 92])}::bytea as e, ${sql.json({k: [1, null]})}::jsonb as f, ${[1, 2, 3]}::int[] as g`;
  assert.deepEqual({...row}, {a: 7, b: "Größe ' \\", c: null, d: true, e: Buffer.from([0, 255, 92]), f: {k: [1, null]}, g: [1, 2, 3]});
  const several = await sql`select 1 as n; select 'two' as n`.simple();
  assert.deepEqual(several.map((rows) => rows[0].n), [1, 'two']);
  assert.equal((await sql`select speak(${'postgres.js'}) as said`)[0].said, 'POSTGRES.JS');
  assert.deepEqual(heard, ['heard: postgres.js']);
  await failsWith('22012', sql`select 1 / ${0}::int`);
}

async function checkTransactions(sql) {
  await failsWith('23505', sql.begin(async (inner) => {
    await inner`insert into item ${sql([{name: 'js 1', price: 1}, {name: 'js 2', price: 2}])}`;
    await inner.savepoint(async (deeper) => {
      await deeper`delete from item where name = 'js 1'`;
      throw new Error('undo this');
    }).catch((error) => assert.equal(error.message, 'undo this'));
    assert.equal((await inner`select from item where name like 'js _'`).count, 2);
    await inner`insert into item (name) values ('js 1')`;
  }));
  assert.equal((await sql`select from item where name like 'js _'`).count, 0);
  const answers = await sql.begin((inner) => Array.from({length: 200}, (_, n) => inner`select ${n}::int as n`));
  answers.forEach((rows, n) => assert.equal(rows[0].n, n));
}

async function checkCursorAndCopy(sql) {
  let sum = 0;
  await sql`select n from generate_series(1, 1000) as n`.cursor(70, (rows) => {
    for (const row of rows) sum += row.n;
  });
  assert.equal(sum, 500500);

  await sql.begin(async (inner) => {
    await inner`create temporary table copied (n int, t text) on commit drop`;
    // The driver may stop for ever behind a COPY of more than its stream's 16 KiB, with or without a proxy.
    const lines = Array.from({length: 500}, (_, n) => `${n}\ttext ${n}\n`);
    await pipeline(Readable.from(lines), await inner`copy copied from stdin`.writable());
    let out = '';
    for await (const chunk of await inner`copy (select * from copied order by n) to stdout`.readable()) out += chunk;
    assert.equal(out, lines.join(''));
  });
}

async function checkCancel(sql) {
  const query = sql`select pg_sleep(20)`.execute();
  setTimeout(() => query.cancel(), 300);
  await failsWith('57014', query);
  assert.equal((await sql`select 'alive' as state`)[0].state, 'alive');
}

async function checkCrowd(sql, kind, count) {
  await crowd(count, async (number) => {
    for (let turn = 0; turn < rounds; turn++) {
      const mine = {owner: `${kind}-${number}`, value: `${turn} ${Math.random()}`};
      await sql.begin(async (inner) => {
        await inner`insert into uncommitted ${sql(mine)}`;
        assert.deepEqual([...await inner`select owner, value from uncommitted`].map((row) => ({...row})), [mine]);
        throw new Error('undo this');
      }).catch((error) => {
        if (error.message !== 'undo this') throw error;
      });
      await sql`insert into done values (${kind}, ${number}, ${turn})`;
      assert.equal((await sql`select ${mine.value}::text as v`)[0].v, mine.value);
    }
  });
  const [done] = await sql`select count(*)::int as n from done where client_kind = ${kind}`;
  assert.equal(done.n, count * rounds);
}

async function main() {
  for (const prepare of [false, true]) {
    await withPool({max: 1, prepare}, async (sql, heard) => {
      await checkValues(sql, heard);
      await checkTransactions(sql);
      await checkCursorAndCopy(sql);
      await checkCancel(sql);
    });
  }
  await withPool({max: clients, prepare: false}, (sql) => checkCrowd(sql, 'postgres-js', clients));
  await withPool({max: namedClients, prepare: true}, (sql) => checkCrowd(sql, 'postgres-js-named', namedClients));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
