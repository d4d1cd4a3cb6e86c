import { describe, expect, it } from 'vitest';
import { type Exchange, OfferQueue } from '../src/offers.js';
import { FakePlatform } from './fakes/platform.js';

function setup() {
  const platform = new FakePlatform();
  const running: Array<{ exchange: Exchange; finish: () => void; fail: (error: Error) => void }> =
    [];
  const failures: unknown[] = [];
  const queue = new OfferQueue(
    platform,
    (exchange) =>
      new Promise((resolve, reject) => {
        running.push({ exchange, finish: resolve, fail: reject });
      }),
    (error) => failures.push(error),
  );
  return { queue, running, failures, clock: platform.clock };
}

describe('the offer queue', () => {
  it('lets wishes of one burst share one offer', async () => {
    const { queue, running, clock } = setup();
    queue.request();
    queue.request();
    queue.request({ iceRestart: true });
    await clock.advance(20);
    expect(running).toHaveLength(1);
    expect(running[0]?.exchange.iceRestart).toBe(true);
  });

  it('runs one exchange at a time, and one more for all that was wished meanwhile', async () => {
    const { queue, running, clock } = setup();
    queue.start();
    queue.request();
    queue.request();
    await clock.advance(1_000);
    expect(running).toHaveLength(1);
    running[0]?.finish();
    await clock.advance(20);
    expect(running).toHaveLength(2);
    running[1]?.finish();
    await clock.advance(1_000);
    expect(running).toHaveLength(2);
  });

  it('gives up an exchange that takes too long, whose answer is then stale', async () => {
    const { queue, running, clock } = setup();
    queue.start();
    await clock.advance(5_020);
    expect(running).toHaveLength(2);
    expect(running[0]?.exchange.current()).toBe(false);
    expect(running[1]?.exchange.current()).toBe(true);
    running[0]?.finish();
    await clock.advance(100);
    expect(running[1]?.exchange.current()).toBe(true);
  });

  it('remembers the ICE restart that a failed exchange was to make', async () => {
    const { queue, running, failures, clock } = setup();
    queue.request({ iceRestart: true });
    await clock.advance(20);
    running[0]?.fail(new Error('refused'));
    await clock.advance(20);
    expect(failures).toHaveLength(1);
    queue.request();
    await clock.advance(20);
    expect(running[1]?.exchange.iceRestart).toBe(true);
  });

  it('does nothing after it was closed', async () => {
    const { queue, running, failures, clock } = setup();
    queue.start();
    queue.close();
    queue.request();
    queue.start();
    running[0]?.fail(new Error('too late'));
    await clock.advance(10_000);
    expect(running).toHaveLength(1);
    expect(failures).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });
});
