// Redlock: exclusive, extended, released, and lost to time.
const assert = require('assert');
const Redis = require('ioredis');
const Redlock = require('redlock');

async function main() {
  const client = new Redis(Number(process.env.REDIS_PORT));
  const eager = new Redlock([client], { retryCount: 0 });
  const patient = new Redlock([client], { retryCount: 40, retryDelay: 20, retryJitter: 5 });
  const lock = await eager.lock('locks:a', 1000);
  await assert.rejects(eager.lock('locks:a', 1000));
  await lock.extend(500);
  setTimeout(() => lock.unlock(), 100);
  const next = await patient.lock('locks:a', 500);
  await next.unlock();
  await eager.lock(['locks:b', 'locks:c'], 50);
  await new Promise((resolve) => setTimeout(resolve, 80));
  const third = await eager.lock(['locks:c', 'locks:d'], 500);
  await third.unlock();
  let inside = 0, most = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    const mine = await patient.lock('locks:e', 2000);
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside--;
    await mine.unlock();
  }));
  assert.strictEqual(most, 1);
  await client.quit();
  console.log(`12 locks of redlock ${require('redlock/package.json').version}`);
}
main().catch((error) => { console.error(error); process.exit(1); });
