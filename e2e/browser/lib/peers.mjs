// Two peer connections without a server of theirs: an app that nobody here wrote, reduced to WebRTC.

/** What a page finds of its own addresses when it asks `iceServers`. */
export function gathered({ page }, iceServers) {
  return page.evaluate(async (servers) => {
    const connection = new RTCPeerConnection({ iceServers: servers });
    const found = [];
    const complete = new Promise((done) => {
      connection.addEventListener('icecandidate', ({ candidate }) => {
        if (candidate === null) {
          done();
        } else if (candidate.candidate !== '') {
          const { type, address, port, protocol } = candidate;
          found.push({ type, address, port, protocol });
        }
      });
    });
    connection.createDataChannel('any');
    await connection.setLocalDescription();
    await complete;
    connection.close();
    return found;
  }, iceServers);
}

/**
 * Two pages connect with the relays that each is given, and through nothing else unless `policy`
 * says so; how many of `count` messages come back to the first.
 */
export async function meet([caller, callee], iceServers, count, policy = 'relay') {
  for (const [from, to] of [
    [caller, callee],
    [callee, caller],
  ]) {
    await from.page.exposeFunction('tell', (what) =>
      to.page.evaluate((told) => window.hear(told), what),
    );
  }
  for (const [side, { page }] of [caller, callee].entries()) {
    await page.evaluate(prepare, { iceServers: iceServers[side], iceTransportPolicy: policy });
  }
  return caller.page.evaluate(async (wanted) => {
    const channel = window.peer.createDataChannel('echo');
    await new Promise((open, fail) => {
      channel.addEventListener('open', open);
      window.peer.addEventListener('connectionstatechange', () => {
        if (window.peer.connectionState === 'failed') {
          fail(new Error('no path between them'));
        }
      });
    });
    let back = 0;
    const all = new Promise((done) => {
      channel.addEventListener('message', () => {
        back += 1;
        if (back === wanted) {
          done();
        }
      });
    });
    for (let sent = 0; sent < wanted; sent += 1) {
      channel.send('x'.repeat(1_000));
    }
    await all;
    return back;
  }, count);
}

/** In each page: a connection that tells the other side what it has, and echoes what it gets. */
function prepare(configuration) {
  const peer = new RTCPeerConnection(configuration);
  window.peer = peer;
  peer.addEventListener('icecandidate', ({ candidate }) =>
    window.tell({ candidate: candidate?.toJSON() }),
  );
  peer.addEventListener('negotiationneeded', async () => {
    await peer.setLocalDescription();
    window.tell({ description: peer.localDescription.toJSON() });
  });
  peer.addEventListener('datachannel', ({ channel }) => {
    channel.addEventListener('message', ({ data }) => channel.send(data));
  });
  // One after another: candidates mean nothing before the description that they belong to.
  let order = Promise.resolve();
  window.hear = ({ description, candidate }) => {
    order = order.then(async () => {
      if (description === undefined) {
        await peer.addIceCandidate(candidate);
        return;
      }
      await peer.setRemoteDescription(description);
      if (description.type === 'offer') {
        await peer.setLocalDescription();
        window.tell({ description: peer.localDescription.toJSON() });
      }
    });
    return order;
  };
}
