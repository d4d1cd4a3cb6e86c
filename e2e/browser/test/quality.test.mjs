// How good a call is, in figures: these are bars, and they are written to target/bench.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { aliceAndBob, openStage, quantile, record } from '../lib/stage.mjs';

const CALL_MS = Number(process.env.E2E_CALL_SECONDS ?? 60) * 1_000;
const JOINS = Number(process.env.E2E_JOINS ?? 20);
/** Of the frames that one side encodes, so many are seen by the other. */
const DECODED_SHARE = 0.95;
const FREEZE_MS = 500;
const JOIN_P50_MS = 700;

describe('a call between two pages', () => {
  let stage;
  let alice;
  let bob;
  let room;

  before(async () => {
    stage = await openStage();
    ({ alice, bob, room } = await aliceAndBob(stage));
    await alice.join(room);
  });

  after(() => stage?.close());

  it('shows its first picture soon after joining', async () => {
    const times = [];
    for (let round = 0; round < JOINS; round += 1) {
      await bob.lobby(room);
      times.push(await bob.joinAndSee());
      if (round < JOINS - 1) {
        await bob.leave();
      }
    }
    const figures = {
      'join.first_frame_p50_ms': Math.round(quantile(times, 0.5)),
      'join.first_frame_p95_ms': Math.round(quantile(times, 0.95)),
      'join.rounds': times.length,
    };
    await record(figures);
    const p50 = figures['join.first_frame_p50_ms'];
    assert.ok(p50 <= JOIN_P50_MS, `half of the joins took more than ${p50} ms`);
  });

  it('loses and freezes nearly nothing for a minute', async () => {
    await alice.receives((media) => media.framesDecoded > 20, 'pictures');
    await bob.receives((media) => media.framesDecoded > 20, 'pictures');
    const people = { alice, bob };
    for (const person of [alice, bob]) {
      await person.page.evaluate(() => {
        window.seen.watchPictures();
        window.seen.frames.length = 0;
        window.seen.watchFreezes();
      });
    }
    const start = { alice: await alice.media(), bob: await bob.media() };
    await alice.page.waitForTimeout(CALL_MS);
    const end = { alice: await alice.media(), bob: await bob.media() };

    const figures = {};
    for (const [name, other] of [
      ['alice', 'bob'],
      ['bob', 'alice'],
    ]) {
      const decoded = end[name].framesDecoded - start[name].framesDecoded;
      const encoded = end[other].framesEncoded - start[other].framesEncoded;
      const longest = await people[name].page.evaluate(() => {
        const times = window.seen.frames.map(({ at }) => at);
        return Math.max(...times.slice(1).map((at, index) => at - times[index]));
      });
      figures[name] = {
        encoded,
        decoded,
        share: Number((decoded / encoded).toFixed(4)),
        longest_freeze_ms: await people[name].page.evaluate(() => window.seen.longestFreezeMs),
        longest_painted_gap_ms: Math.round(longest),
        freezes: end[name].freezes - start[name].freezes,
        lost_packets: end[name].lost - start[name].lost,
        concealed_share: Number(
          (
            (end[name].concealed - start[name].concealed) /
            Math.max(1, end[name].samples - start[name].samples)
          ).toFixed(4),
        ),
        widths: end[name].widths,
      };
    }
    await record({
      'call.seconds': CALL_MS / 1_000,
      'call.sides': figures,
      'call.security': end.bob.security,
    });
    for (const [name, side] of Object.entries(figures)) {
      assert.ok(side.share >= DECODED_SHARE, `${name} decoded ${JSON.stringify(side)}`);
      assert.ok(
        side.longest_freeze_ms <= FREEZE_MS,
        `${name} stood still: ${JSON.stringify(side)}`,
      );
      assert.ok(side.encoded >= (CALL_MS / 1_000) * 10, `too few frames: ${JSON.stringify(side)}`);
    }
  });
});
