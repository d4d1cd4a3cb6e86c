/** What the peer connection counts, by track instead of by report. */

import type { RemoteParticipant } from './participant.js';
import type { MediaKind, Mid, ParticipantId, TrackId, TrackSource } from './protocol.gen.js';
import type { LocalPublication } from './publication.js';
import type { Transport } from './transport.js';

/** One received track. */
export interface ReceivedStats {
  track: TrackId;
  participant: ParticipantId;
  kind: MediaKind;
  source: TrackSource;
  codec: string | undefined;
  bytes: number;
  packetsLost: number;
  jitterMs: number;
  /** Video. */
  framesReceived: number;
  framesDecoded: number;
  framesDropped: number;
  framesPerSecond: number;
  width: number;
  height: number;
  keyFramesDecoded: number;
  freezes: number;
  freezesMs: number;
  /** Audio. */
  audioEnergy: number;
  concealedSamples: number;
  totalSamples: number;
}

/** One sent track. */
export interface SentStats {
  source: TrackSource;
  kind: MediaKind;
  codec: string | undefined;
  bytes: number;
  framesEncoded: number;
  framesPerSecond: number;
  width: number;
  height: number;
  targetKbps: number;
  /** Why the picture is smaller than it could be: `none`, `cpu`, `bandwidth`, `other`. */
  limitedBy: string;
}

/** The path all of it takes. */
export interface TransportStats {
  state: RTCPeerConnectionState;
  dtlsVersion: string | undefined;
  srtpCipher: string | undefined;
  roundTripMs: number | undefined;
  availableOutgoingKbps: number | undefined;
  /** `host`, `srflx`, `prflx` or `relay`. */
  candidateType: string | undefined;
  protocol: string | undefined;
}

/** One moment of a call. */
export interface RoomStats {
  transport: TransportStats;
  received: ReceivedStats[];
  sent: SentStats[];
}

/** A report with any of the members that browsers put into them. */
type Report = Record<string, unknown> & { type: string; id: string };

/** Reads the reports of a transport's connection, for what is received and sent over it. */
export async function collectStats(
  transport: Transport,
  participants: Iterable<RemoteParticipant>,
  publications: Iterable<LocalPublication>,
): Promise<RoomStats> {
  const { connection } = transport;
  const received = [...participants].flatMap((participant) =>
    [...participant.publications.values()].flatMap(({ id, kind, source }) => {
      const mid = transport.midOf(id);
      return mid === undefined
        ? []
        : [{ track: id, participant: participant.id, kind, source, mid }];
    }),
  );
  const sent = [...publications].flatMap(({ source, kind }) => {
    const mid = transport.sendingMid(source);
    return mid === null ? [] : [{ source, kind, mid }];
  });
  const reports = new Map<string, Report>();
  (await connection.getStats()).forEach((report: Report) => {
    reports.set(report.id, report);
  });
  const all = [...reports.values()];
  const byMid = (type: string, mid: Mid) =>
    all.find((report) => report.type === type && report.mid === mid);
  const codec = (report: Report | undefined) =>
    text(reports.get(text(report?.codecId) ?? '')?.mimeType);

  return {
    transport: transportStats(connection, reports),
    received: received.map((ref) => {
      const report = byMid('inbound-rtp', ref.mid);
      return {
        track: ref.track,
        participant: ref.participant,
        kind: ref.kind,
        source: ref.source,
        codec: codec(report),
        bytes: number(report?.bytesReceived),
        packetsLost: number(report?.packetsLost),
        jitterMs: number(report?.jitter) * 1000,
        framesReceived: number(report?.framesReceived),
        framesDecoded: number(report?.framesDecoded),
        framesDropped: number(report?.framesDropped),
        framesPerSecond: number(report?.framesPerSecond),
        width: number(report?.frameWidth),
        height: number(report?.frameHeight),
        keyFramesDecoded: number(report?.keyFramesDecoded),
        freezes: number(report?.freezeCount),
        freezesMs: number(report?.totalFreezesDuration) * 1000,
        audioEnergy: number(report?.totalAudioEnergy),
        concealedSamples: number(report?.concealedSamples),
        totalSamples: number(report?.totalSamplesReceived),
      };
    }),
    sent: sent.map((ref) => {
      const report = byMid('outbound-rtp', ref.mid);
      return {
        source: ref.source,
        kind: ref.kind,
        codec: codec(report),
        bytes: number(report?.bytesSent),
        framesEncoded: number(report?.framesEncoded),
        framesPerSecond: number(report?.framesPerSecond),
        width: number(report?.frameWidth),
        height: number(report?.frameHeight),
        targetKbps: number(report?.targetBitrate) / 1000,
        limitedBy: text(report?.qualityLimitationReason) ?? 'none',
      };
    }),
  };
}

function transportStats(
  connection: RTCPeerConnection,
  reports: ReadonlyMap<string, Report>,
): TransportStats {
  const transport = [...reports.values()].find((report) => report.type === 'transport');
  const pair = reports.get(text(transport?.selectedCandidatePairId) ?? '');
  const local = reports.get(text(pair?.localCandidateId) ?? '');
  return {
    state: connection.connectionState,
    dtlsVersion: text(transport?.tlsVersion),
    srtpCipher: text(transport?.srtpCipher),
    roundTripMs: scaled(pair?.currentRoundTripTime, 1000),
    availableOutgoingKbps: scaled(pair?.availableOutgoingBitrate, 0.001),
    candidateType: text(local?.candidateType),
    protocol: text(local?.relayProtocol) ?? text(local?.protocol),
  };
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function scaled(value: unknown, factor: number): number | undefined {
  return typeof value === 'number' ? value * factor : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
