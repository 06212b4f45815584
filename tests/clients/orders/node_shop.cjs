// node-postgres: parameters as text, unnamed statements.
'use strict';
const assert = require('node:assert/strict');
const {setTimeout: sleep} = require('node:timers/promises');
const {Client} = require('pg');

let client = null;

async function ask(text, ...values) {
  if (!client) {
    client = new Client();
    await client.connect();
  }
  return (await client.query(text, values)).rows;
}

async function endOfConnection() {
  if (client) await client.end();
  client = null;
}

async function listing() {
  const [office] = await ask('select * from offices where name = $1', 'office 3');
  const users = [], streets = [], offices = [];
  for (const order of await ask('select * from orders where office_id = $1 order by id', office.id)) {
    users.push(...(await ask('select * from users where id = $1', order.user_id)));
    streets.push(...(await ask('select * from addresses where user_id = $1', order.user_id)));
    if (order.is_express) offices.push(...(await ask('select * from offices where id = $1', order.office_id)));
  }
  return [users.length, streets.length, offices.length];
}

async function fixed() {
  const [office] = await ask('select * from offices where name = $1', 'office 3');
  const orders = await ask('select * from orders where office_id = $1 order by id', office.id);
  const ids = orders.map((order) => order.user_id);
  const users = await ask('select * from users where id = any($1)', ids);
  const streets = await ask('select * from addresses where user_id = any($1)', ids);
  return [users.length, streets.length, orders.filter((order) => order.is_express).length];
}

async function main() {
  const [page, visits, manner] = process.argv.slice(2);
  for (let number = 0; number < Number(visits); number++) {
    if (number > 0 && manner === 'persistent') await sleep(1000 * Number(process.env.PAUSE));
    assert.deepEqual(await (page === 'fixed' ? fixed() : listing()), [77, 154, 20]);
    if (manner === 'session') await endOfConnection();
  }
  await endOfConnection();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
