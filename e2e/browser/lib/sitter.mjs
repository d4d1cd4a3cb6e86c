// A camera and a microphone for pictures: somebody drawn, who sits still, instead of the browser's
// green test card and its beeps. Runs in the page before the app does.

export function sitFor({ sky, wall, shirt, skin, hair, speaking, tilt }) {
  // Blurred once: the room behind somebody does not move.
  const room = (width, height) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    const backdrop = context.createLinearGradient(0, 0, width, height);
    backdrop.addColorStop(0, sky);
    backdrop.addColorStop(1, wall);
    context.fillStyle = backdrop;
    context.fillRect(0, 0, width, height);

    // A window and a shelf, out of focus.
    context.filter = `blur(${width / 90}px)`;
    context.fillStyle = 'rgb(255 255 255 / 35%)';
    context.fillRect(width * (0.08 + tilt), height * 0.1, width * 0.2, height * 0.42);
    context.fillStyle = 'rgb(0 0 0 / 12%)';
    context.fillRect(width * (0.68 - tilt), height * 0.3, width * 0.26, height * 0.03);
    context.fillRect(width * (0.72 - tilt), height * 0.16, width * 0.05, height * 0.14);
    context.fillRect(width * (0.79 - tilt), height * 0.19, width * 0.04, height * 0.11);
    return canvas;
  };

  const draw = (context, { width, height }, behind, time) => {
    context.drawImage(behind, 0, 0);
    const sway = Math.sin(time / 1_400) * width * 0.004;
    const x = width / 2 + sway;
    const ellipse = (fill, cx, cy, rx, ry) => {
      context.fillStyle = fill;
      context.beginPath();
      context.ellipse(cx, cy, rx, ry, 0, 0, 2 * Math.PI);
      context.fill();
    };
    ellipse(shirt, x, height * 1.12, width * 0.24, height * 0.44);
    ellipse(hair, x, height * 0.4, height * 0.175, height * 0.2);
    context.fillStyle = skin;
    context.fillRect(x - height * 0.055, height * 0.52, height * 0.11, height * 0.2);
    ellipse(skin, x, height * 0.44, height * 0.14, height * 0.18);
    ellipse(hair, x, height * 0.31, height * 0.15, height * 0.075);
    ellipse('#20242a', x - height * 0.05, height * 0.435, height * 0.011, height * 0.015);
    ellipse('#20242a', x + height * 0.05, height * 0.435, height * 0.011, height * 0.015);
    context.strokeStyle = '#7d3f35';
    context.lineWidth = height * 0.009;
    context.lineCap = 'round';
    context.beginPath();
    context.arc(x, height * 0.485, height * 0.05, 0.2 * Math.PI, 0.8 * Math.PI);
    context.stroke();
  };

  const camera = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    const behind = room(canvas.width, canvas.height);
    draw(context, canvas, behind, 0);
    setInterval(() => draw(context, canvas, behind, performance.now()), 50);
    return canvas.captureStream(20).getVideoTracks()[0];
  };

  const microphone = () => {
    const context = new AudioContext();
    const voice = new OscillatorNode(context, { frequency: 180, type: 'triangle' });
    const loudness = new GainNode(context, { gain: speaking ? 0.25 : 0 });
    const out = context.createMediaStreamDestination();
    voice.connect(loudness).connect(out);
    voice.start();
    return out.stream.getAudioTracks()[0];
  };

  const { mediaDevices } = navigator;
  const enumerate = mediaDevices.enumerateDevices.bind(mediaDevices);
  const names = { audioinput: 'Desk microphone', videoinput: 'Camera', audiooutput: 'Headphones' };
  mediaDevices.enumerateDevices = async () =>
    (await enumerate())
      .filter(({ kind }, index, all) => all.findIndex((each) => each.kind === kind) === index)
      .map(({ kind, deviceId, groupId }) => ({ kind, deviceId, groupId, label: names[kind] }));
  mediaDevices.getUserMedia = async ({ audio, video }) =>
    new MediaStream([...(audio ? [microphone()] : []), ...(video ? [camera()] : [])]);
}

/** Three people who are easy to tell apart. */
export const SITTERS = {
  alice: {
    sky: '#f3d9c4',
    wall: '#c98f6b',
    shirt: '#2f5d62',
    skin: '#e8b48f',
    hair: '#4a2f27',
    speaking: false,
    tilt: 0,
  },
  bob: {
    sky: '#c9d9e8',
    wall: '#6f8fae',
    shirt: '#d9a441',
    skin: '#8d5b3f',
    hair: '#1d1a1a',
    speaking: true,
    tilt: 0.04,
  },
  carol: {
    sky: '#d7e3d0',
    wall: '#7c9a78',
    shirt: '#7a4b6d',
    skin: '#f0c9a8',
    hair: '#b5651d',
    speaking: false,
    tilt: 0.02,
  },
};
