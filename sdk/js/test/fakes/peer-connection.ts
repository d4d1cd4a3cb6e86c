/** As much of an RTCPeerConnection as the transport uses, with nothing behind it. */

type Kind = 'audio' | 'video';

let nextTrack = 1;

export class FakeTrack extends EventTarget {
  readonly kind: Kind;
  readonly id: string;
  enabled = true;
  readyState: 'live' | 'ended' = 'live';
  contentHint = '';

  constructor(kind: Kind) {
    super();
    this.kind = kind;
    this.id = `track-${nextTrack}`;
    nextTrack += 1;
  }

  stop(): void {
    this.readyState = 'ended';
  }

  getSettings(): MediaTrackSettings {
    return { deviceId: `device-of-${this.id}` };
  }

  /** As the browser's type, which nothing else here is. */
  get real(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack;
  }
}

export class FakeTransceiver {
  mid: string | null = null;
  direction: string;
  readonly kind: Kind;
  readonly sender: {
    track: FakeTrack | null;
    replaceTrack: (track: FakeTrack | null) => Promise<void>;
  };
  readonly receiver: { track: FakeTrack };

  constructor(kind: Kind, track: FakeTrack | null, direction: string) {
    this.kind = kind;
    this.direction = direction;
    this.receiver = { track: new FakeTrack(kind) };
    this.sender = {
      track,
      replaceTrack: async (replacement) => {
        this.sender.track = replacement;
      },
    };
  }
}

export class FakePeerConnection {
  connectionState = 'new';
  onicecandidate: ((event: { candidate: RTCIceCandidate | null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  configuration: RTCConfiguration;
  readonly transceivers: FakeTransceiver[] = [];
  readonly offers: Array<{ sdp: string; iceRestart: boolean }> = [];
  localDescription: string | null = null;
  readonly answers: string[] = [];
  closed = false;
  /** Whether media comes. */
  flows = false;
  #bytesReceived = 0;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
  }

  addTransceiver(trackOrKind: FakeTrack | Kind, init: { direction: string }): FakeTransceiver {
    const track = typeof trackOrKind === 'string' ? null : trackOrKind;
    const kind = typeof trackOrKind === 'string' ? trackOrKind : trackOrKind.kind;
    const transceiver = new FakeTransceiver(kind, track, init.direction);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers(): FakeTransceiver[] {
    return [...this.transceivers];
  }

  getConfiguration(): RTCConfiguration {
    return this.configuration;
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  async createOffer(
    options: { iceRestart?: boolean } = {},
  ): Promise<{ type: 'offer'; sdp: string }> {
    const sections = this.transceivers.map(
      ({ kind, direction }, index) =>
        `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${index}\r\na=${direction}\r\n`,
    );
    const sdp = `v=0\r\no=- ${this.offers.length}\r\n${sections.join('')}`;
    this.offers.push({ sdp, iceRestart: options.iceRestart ?? false });
    return { type: 'offer', sdp };
  }

  async setLocalDescription(description: { sdp: string }): Promise<void> {
    this.localDescription = description.sdp;
    this.transceivers.forEach((transceiver, index) => {
      transceiver.mid ??= String(index);
    });
  }

  async setRemoteDescription(description: { sdp: string }): Promise<void> {
    this.answers.push(description.sdp);
  }

  async getStats(): Promise<Map<string, object>> {
    this.#bytesReceived += this.flows ? 1_000 : 0;
    const bytesReceived = this.#bytesReceived;
    return new Map([['pair', { id: 'pair', type: 'candidate-pair', bytesReceived }]]);
  }

  close(): void {
    this.closed = true;
    this.connectionState = 'closed';
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}
