// Commands newer than Redis 8.2, called through the methods that @redis/client 6 and ioredis have for them.

const assert = require('assert');
const { createClient } = require('@redis/client');
const Redis = require('ioredis');

const port = Number(process.env.REDIS_PORT);

async function nodeRedis() {
  const client = createClient({ socket: { port } });
  await client.connect();
  const same = async (reply, expected) => assert.deepEqual(await reply, expected);
  await client.set('s', '100');
  await same(client.digest('s'), 'e3cd843a18868415');
  await same(client.delEx('s', { condition: 'IFEQ', matchValue: '100' }), 1);
  await client.rPush('l', ['a', 'b', 'c']);
  await client.sAdd('x', ['1', '2', '3']);
  await client.sAdd('y', ['3', '4']);
  await same(client.sUnionCard(['x', 'y']), 4);
  await same(client.sDiffCard(['x', 'y']), 2);
  await same(client.arSet('r', 0, ['1', '2', 'hello']), 3);
  await same(client.arGet('r', 2), 'hello');
  await same(client.arMGet('r', [0, 5]), ['1', null]);
  await same(client.arGetRange('r', 0, 1), ['1', '2']);
  assert.equal(Number(await client.arLen('r')), 3);
  assert.equal(Number(await client.arCount('r')), 3);
  assert.equal(Number(await client.arDel('r', [2])), 1);
  await client.hImportPrepare('fs', ['a', 'bb']);
  await client.hImportSet('imported', 'fs', ['1', '2']);
  await same(client.hmGet('imported', ['bb', 'a']), ['2', '1']);
  await client.close();
}

async function ioredis() {
  const client = new Redis(port);
  const same = async (reply, expected) => assert.deepEqual(await reply, expected);
  await same(client.msetex(2, 'a', '1', 'b', '2', 'EX', 100), 1);
  await same(client.increx('a', 'BYINT', 5, 'UBOUND', 4, 'SATURATE'), [4, 3]);
  const id = await client.xadd('st', '*', 'f', 'v');
  await client.xgroup('CREATE', 'st', 'g', '0');
  await client.xreadgroup('GROUP', 'g', 'c', 'STREAMS', 'st', '>');
  await same(client.xnack('st', 'g', 'FAIL', 'IDS', 1, id), 1);
  await same(client.arset('q', 0, '1', '2', 'hello'), 3);
  await same(client.armset('q', 7, '4.5', 9, 'x'), 2);
  await same(client.argetrange('q', 0, 3), ['1', '2', 'hello', null]);
  await same(client.arscan('q', 0, 8, 'LIMIT', 2), [[0, '1'], [1, '2']]);
  assert.equal(Number(await client.arop('q', 0, 9, 'SUM')), 7.5);
  await same(client.argrep('q', 0, 9, 'MATCH', 'ell'), [2]);
  await same(client.arinsert('q2', 'a', 'b'), 1);
  await same(client.arnext('q2'), 2);
  await same(client.arseek('q2', 5), 1);
  await same(client.arring('ring', 2, 'a', 'b', 'c'), 0);
  await same(client.arlastitems('ring', 1), ['c']);
  await same(client.ardelrange('q', 0, 1), 2);
  client.disconnect();
}

nodeRedis().then(ioredis).then(
  () => console.log('28 commands through @redis/client and ioredis'),
  (error) => { console.error(error); process.exit(1); },
);
