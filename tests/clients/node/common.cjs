// What the Node.js clients share.
'use strict';
const assert = require('node:assert/strict');

// Runs work(0) ... work(count - 1) side by side; the first failure is the test's failure.
const crowd = (count, work) => Promise.all(Array.from({length: count}, (_, number) => work(number)));

// The promise must fail with this SQLSTATE.
async function failsWith(state, promise) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, state, String(error));
    return error;
  }
  assert.fail(`no error, but ${state} was due`);
}

module.exports = {
  assert,
  crowd,
  failsWith,
  rounds: 5,
  clients: Number(process.env.CLIENTS),
  namedClients: Number(process.env.NAMED_CLIENTS),
};
