// BullMQ: workers, delays, retries, priorities, repeats, flows, events.
const assert = require('assert');
const { Queue, Worker, QueueEvents, FlowProducer } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, condition) {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await sleep(25);
  }
  throw new Error(`never: ${what}`);
}

async function main() {
  const queue = new Queue('jobs', { connection });
  const events = new QueueEvents('jobs', { connection });
  await events.waitUntilReady();
  const completed = [];
  events.on('completed', ({ jobId }) => completed.push(jobId));

  // Retries with backoff, progress, results, many at once.
  let attempts = 0;
  const worker = new Worker('jobs', async (job) => {
    if (job.name === 'flaky' && ++attempts < 3) throw new Error('not yet');
    if (job.name === 'lost') throw new Error('never');
    await job.updateProgress(50);
    return { doubled: job.data.n * 2 };
  }, { connection, concurrency: 5 });
  await worker.waitUntilReady();

  const jobs = await queue.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: 'double', data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
  assert.deepStrictEqual(results.map((r) => r.doubled), Array.from({ length: 200 }, (_, n) => n * 2));

  const flaky = await queue.add('flaky', { n: 4 }, { attempts: 5, backoff: { type: 'exponential', delay: 20 } });
  assert.strictEqual((await flaky.waitUntilFinished(events)).doubled, 8);
  assert.strictEqual(attempts, 3);

  const lost = await queue.add('lost', { n: 0 }, { attempts: 2, backoff: 10 });
  await assert.rejects(lost.waitUntilFinished(events), /never/);
  assert.strictEqual(await lost.getState(), 'failed');
  await lost.retry();
  await until('failed again', async () => (await lost.getState()) === 'failed');

  // Delays.
  const before = Date.now();
  const late = await queue.add('late', { n: 1 }, { delay: 300 });
  assert.strictEqual(await late.getState(), 'delayed');
  await late.waitUntilFinished(events);
  assert.ok(Date.now() - before >= 290, 'a delayed job waits');

  // The same id is one job; counts; logs; removal.
  await queue.pause();
  const one = await queue.add('once', { n: 1 }, { jobId: 'the-one' });
  await queue.add('once', { n: 2 }, { jobId: 'the-one' });
  assert.strictEqual((await queue.getJobCounts('paused', 'wait')).paused, 1);
  await one.log('a line');
  assert.deepStrictEqual((await queue.getJobLogs('the-one')).logs, ['a line']);
  await queue.resume();
  await one.waitUntilFinished(events);
  await worker.close();

  // Priorities decide the order.
  for (const priority of [5, 1, 3, 2, 4]) await queue.add('ordered', { n: priority }, { priority });
  const order = [];
  const second = new Worker('jobs', async (job) => { order.push(job.data.n); }, { connection });
  await until('all in order', () => order.length === 5);
  assert.deepStrictEqual(order, [1, 2, 3, 4, 5]);

  // A schedule.
  await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick', data: { n: 9 } });
  await until('three ticks', () => order.filter((n) => n === 9).length >= 3);
  await queue.removeJobScheduler('tick');

  // A flow: the parent waits for its children.
  const flow = new FlowProducer({ connection });
  const family = new Worker('family', async (job) => {
    if (job.name === 'child') return job.data.n;
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((a, b) => a + b, 0);
  }, { connection });
  const familyEvents = new QueueEvents('family', { connection });
  await familyEvents.waitUntilReady();
  const tree = await flow.add({
    name: 'parent', queueName: 'family',
    children: [1, 2, 3].map((n) => ({ name: 'child', queueName: 'family', data: { n } })),
  });
  assert.strictEqual(await tree.job.waitUntilFinished(familyEvents), 6);

  // A rate limit.
  const limited = new Queue('limited', { connection });
  const stamps = [];
  const slow = new Worker('limited', async () => { stamps.push(Date.now()); }, { connection, limiter: { max: 2, duration: 200 } });
  await limited.addBulk(Array.from({ length: 6 }, () => ({ name: 'x', data: {} })));
  await until('six limited jobs', () => stamps.length === 6);
  assert.ok(stamps[5] - stamps[0] >= 350, 'a limiter limits');

  await until('events of all', () => completed.length >= 208);
  await Promise.all([second.close(), family.close(), slow.close()]);
  await queue.clean(0, 1000, 'completed');
  await queue.obliterate({ force: true });
  await Promise.all([queue.close(), events.close(), familyEvents.close(), flow.close(), limited.close()]);
  console.log(`${completed.length} jobs of BullMQ ${require('bullmq/package.json').version}`);
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
