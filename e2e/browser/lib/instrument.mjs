// What a test sees of a page that the page does not show: frames of the socket, counters of the
// media. Runs in the page before the app does and changes nothing about it.

export function instrument() {
  const seen = { connections: [], sockets: 0, events: [], sent: [], frames: [] };
  window.seen = seen;

  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...options) {
      super(...options);
      seen.connections.push(this);
    }
  };

  const Line = window.WebSocket;
  window.WebSocket = class extends Line {
    constructor(...options) {
      super(...options);
      seen.sockets += 1;
      this.addEventListener('message', ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.type === 'event') {
          seen.events.push({ at: performance.now(), ...frame.event });
        }
      });
    }

    send(text) {
      const { op } = JSON.parse(text);
      seen.sent.push({ at: performance.now(), op });
      super.send(text);
    }
  };

  /** Pictures of others as they reach the screen: when each one came. */
  seen.watchPictures = () => {
    const watched = new WeakSet();
    const watch = (video) => {
      watched.add(video);
      const next = (now, { mediaTime, width, height }) => {
        seen.frames.push({ at: performance.now(), now, mediaTime, width, height });
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    };
    const look = () => {
      for (const video of document.querySelectorAll('[data-testid=tile]:not([data-self]) video')) {
        if (!watched.has(video)) {
          watch(video);
        }
      }
    };
    look();
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
  };

  /**
   * The longest time a picture of others stood still, as the receiver itself counts freezes: a
   * busy machine that paints late is not the network's doing.
   */
  seen.watchFreezes = () => {
    const known = new Map();
    seen.longestFreezeMs = 0;
    setInterval(async () => {
      for (const connection of seen.connections) {
        const reports = connection.connectionState === 'closed' ? [] : await connection.getStats();
        for (const [id, report] of reports) {
          if (report.type !== 'inbound-rtp' || report.kind !== 'video') {
            continue;
          }
          const now = { count: report.freezeCount ?? 0, ms: 1000 * report.totalFreezesDuration };
          const before = known.get(id) ?? now;
          known.set(id, now);
          if (now.count > before.count) {
            const mean = (now.ms - before.ms) / (now.count - before.count);
            seen.longestFreezeMs = Math.max(seen.longestFreezeMs, Math.round(mean));
          }
        }
      }
    }, 250);
  };

  /** How media travels now: the path that the newest connection has chosen. */
  seen.path = async () => {
    const open = seen.connections.filter(({ connectionState }) => connectionState !== 'closed');
    const stats = [...((await open.at(-1)?.getStats())?.values() ?? [])];
    const transport = stats.find(({ type }) => type === 'transport');
    const pair = stats.find(({ id }) => id === transport?.selectedCandidatePairId);
    const near = stats.find(({ id }) => id === pair?.localCandidateId);
    const far = stats.find(({ id }) => id === pair?.remoteCandidateId);
    return {
      id: near?.id,
      type: near?.candidateType,
      protocol: near?.relayProtocol,
      url: near?.url,
      near: near?.address,
      far: far?.address,
      farType: far?.candidateType,
      roundTripMs: 1000 * pair?.currentRoundTripTime,
    };
  };

  /** What all media connections of the page have received and sent up to now. */
  seen.media = async () => {
    const total = {
      framesDecoded: 0,
      framesReceived: 0,
      framesEncoded: 0,
      keyFrames: 0,
      freezes: 0,
      freezesMs: 0,
      audioEnergy: 0,
      audioPackets: 0,
      concealed: 0,
      samples: 0,
      lost: 0,
      repaired: 0,
      videos: 0,
      widths: [],
      security: null,
      states: [],
    };
    for (const connection of seen.connections) {
      if (connection.connectionState === 'closed') {
        continue;
      }
      total.states.push(connection.connectionState);
      const reports = await connection.getStats();
      for (const report of reports.values()) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') {
          total.framesDecoded += report.framesDecoded ?? 0;
          total.framesReceived += report.framesReceived ?? 0;
          total.keyFrames += report.keyFramesDecoded ?? 0;
          total.freezes += report.freezeCount ?? 0;
          total.freezesMs += 1000 * (report.totalFreezesDuration ?? 0);
          total.lost += report.packetsLost ?? 0;
          total.repaired += report.retransmittedPacketsReceived ?? 0;
          total.videos += report.framesDecoded > 0 ? 1 : 0;
          if (report.frameWidth) {
            total.widths.push(report.frameWidth);
          }
        } else if (report.type === 'inbound-rtp' && report.kind === 'audio') {
          total.audioEnergy += report.totalAudioEnergy ?? 0;
          total.audioPackets += report.packetsReceived ?? 0;
          total.concealed += report.concealedSamples ?? 0;
          total.samples += report.totalSamplesReceived ?? 0;
        } else if (report.type === 'outbound-rtp' && report.kind === 'video') {
          total.framesEncoded += report.framesEncoded ?? 0;
        } else if (report.type === 'transport' && report.srtpCipher) {
          const { srtpCipher, tlsVersion, dtlsCipher, dtlsRole } = report;
          total.security = { srtpCipher, dtlsVersion: tlsVersion, dtlsCipher, dtlsRole };
        }
      }
    }
    return total;
  };
}
