// Bull, the older sibling: jobs, retries, delays, priorities, events.
const assert = require('assert');
const Queue = require('bull');

const redis = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  const queue = new Queue('old', { redis });
  await queue.isReady();
  let attempts = 0;
  queue.process('double', 5, async (job) => { await job.progress(50); return job.data.n * 2; });
  queue.process('flaky', async () => { if (++attempts < 3) throw new Error('not yet'); return 'done'; });
  const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ name: 'double', data: { n } })));
  assert.deepStrictEqual(await Promise.all(jobs.map((job) => job.finished())), Array.from({ length: 100 }, (_, n) => n * 2));
  const flaky = await queue.add('flaky', {}, { attempts: 4, backoff: 20 });
  assert.strictEqual(await flaky.finished(), 'done');
  const before = Date.now();
  const late = await queue.add('double', { n: 1 }, { delay: 300 });
  await late.finished();
  assert.ok(Date.now() - before >= 290);
  const counts = await queue.getJobCounts();
  assert.strictEqual(counts.completed, 102);
  await queue.close();

  const ordered = new Queue('ordered', { redis });
  for (const priority of [3, 1, 2]) await ordered.add({ priority }, { priority });
  const order = [];
  ordered.process(async (job) => { order.push(job.data.priority); });
  for (let i = 0; i < 200 && order.length < 3; i++) await sleep(25);
  assert.deepStrictEqual(order, [1, 2, 3]);
  await ordered.pause();
  assert.strictEqual(await ordered.isPaused(), true);
  await ordered.resume();
  await ordered.empty();
  await ordered.obliterate({ force: true });
  await ordered.close();
  console.log(`105 jobs of Bull ${require('bull/package.json').version}`);
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
