// What `confer doctor turn` says of a relay, from behind a NAT whose firewall lets less and less
// out, and when the firewall in front of the relay is the one that is closed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { within } from '../lib/namespaces.mjs';
import { missing, NatLab, PORTS, SERVER } from '../lib/natlab.mjs';
import { BINARY, Server } from '../lib/server.mjs';

const run = promisify(execFile);

const without = await missing();
if (without !== null && process.env.CI === 'true') {
  throw new Error(`the NAT tests have to run here: ${without}`);
}

describe('the doctor behind a NAT', { skip: without ?? false }, () => {
  let lab;
  let server;

  before(async () => {
    lab = await NatLab.open();
    const place = { namespace: lab.namespace('server'), host: SERVER, port: PORTS.web };
    // Of addresses that are for documentation, the relay reaches none unless it is told to.
    const args = ['--roles', 'turn', '--set', 'turn.allowed-peers=203.0.113.0/24'];
    server = await Server.start({ tls: true, place, args });
  });

  after(async () => {
    await server?.stop();
    await lab?.close();
  });

  /** What it finds of the server from site a, by transport, and whether it is content. */
  async function examine() {
    const secret = path.join(server.data, 'secrets', 'turn-key');
    const trusted = path.join(server.data, 'tls', 'self-signed.crt');
    const [command, ...before] = within(lab.namespace('host-a'), BINARY);
    const options = ['--secret-file', secret, '--ca', trusted, '--timeout', '1200ms', '--json'];
    const all = [...before, 'doctor', 'turn', SERVER, ...options];
    const { stdout, code = 0 } = await run(command, all).catch((failed) => failed);
    const { goals, works } = JSON.parse(stdout);
    assert.equal(code, works ? 0 : 1);
    const found = Object.fromEntries(goals.map((goal) => [goal.transport, goal]));
    return { ...found, works };
  }

  /** What a step came to at the first place where it was taken. */
  function check(goal, step) {
    const checks = goal.places.flatMap(({ checks }) => checks);
    return checks.find((each) => each.step === step);
  }

  it('finds everything good, and the NAT', async () => {
    await lab.firewall('a', 'open');
    const { udp, tcp, tls, dtls, works } = await examine();
    assert.equal(works, true, JSON.stringify({ udp, tcp, tls }));
    for (const goal of [udp, tcp, tls]) {
      assert.match(check(goal, 'binding').says, /^seen as 203\.0\.113\.1:\d+, so .* behind NAT$/);
      for (const step of ['allocate', 'peer', 'relay', 'release']) {
        assert.equal(check(goal, step).outcome, 'good', JSON.stringify(check(goal, step)));
      }
    }
    // It is not served, and nobody asked for it by name.
    assert.equal(check(dtls, 'handshake').outcome, 'absent');
  });

  it('says that UDP is blocked, and that TCP and TLS are not', async () => {
    await lab.firewall('a', 'no UDP');
    const { udp, tcp, tls, works } = await examine();
    assert.deepEqual([works, udp.works, tcp.works, tls.works], [false, false, true, true]);
    assert.match(check(udp, 'binding').means, /firewall drops UDP to port 3478/);
    assert.equal(check(tcp, 'peer').outcome, 'warning');
    assert.match(check(tcp, 'peer').means, /lets no UDP out/);
    assert.equal(check(tcp, 'relay').outcome, 'good');
  });

  it('says that only TLS at 443 is left', async () => {
    await lab.firewall('a', 'only TCP 443');
    const { udp, tcp, tls, works } = await examine();
    assert.deepEqual([works, udp.works, tcp.works, tls.works], [false, false, false, true]);
    assert.match(check(tcp, 'connect').means, /firewall drops TCP to port 3478/);
    const working = tls.places.filter((place) => place.works).map(({ address }) => address);
    assert.deepEqual(working, [`${SERVER}:${PORTS.web}`]);
  });

  it("says that the relay's ports are closed, which the relay itself does not notice", async () => {
    await lab.firewall('a', 'open');
    const [command, ...args] = within(lab.namespace('server'), 'nft');
    const closed = `table ip closed {
      chain in {
        type filter hook input priority -10; policy accept;
        iifname "wan" udp dport 49152-65535 drop
      }
    }`;
    await run(command, [...args, closed]);
    try {
      const { udp, works } = await examine();
      assert.equal(works, true);
      assert.equal(check(udp, 'peer').outcome, 'warning');
      assert.match(check(udp, 'peer').next, /turn\.relay-ports/);
      assert.equal(check(udp, 'relay').outcome, 'good');
    } finally {
      await run(command, [...args, 'delete table ip closed']);
    }
  });
});
