//! A TURN client with nothing of its own: it says what it is told to, and shows what it hears.

use std::net::SocketAddr;

use confer_turn_core::credentials::ephemeral_password;
use confer_turn_core::frame::stream_frame_length;
use confer_turn_core::integrity::{Algorithm, Key, PasswordAlgorithm};
use confer_turn_core::message::{Class, Message, Method, Writer, attribute, xor_address};
use confer_turn_net::{Transport, TurnHandle};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::secured::Secured;
use crate::support::{PATIENCE, REALM, SECRET, USER, connector};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) enum Way {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
    Dtls(Box<Secured>),
}

pub(crate) struct Client {
    pub(crate) way: Way,
    pub(crate) nonce: Vec<u8>,
    key: Key,
    requests: u8,
}

/// An answer or an indication.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Vec<u8>);

impl Client {
    pub(crate) fn new(way: Way) -> Self {
        let password = ephemeral_password(SECRET, USER);
        let key = PasswordAlgorithm::Md5.key(USER, REALM, &password, Algorithm::Sha1);
        Self { way, nonce: Vec::new(), key, requests: 0 }
    }

    /// To the first listener (IPv4).
    pub(crate) async fn connect(handle: &TurnHandle, transport: Transport) -> Self {
        Self::connect_to(handle.listening()[0], transport, &[]).await
    }

    pub(crate) async fn connect_to(
        server: SocketAddr,
        transport: Transport,
        trusted: &[&confer_turn_net::Certificate],
    ) -> Self {
        let tcp = || async { TcpStream::connect(server).await.expect("it listens") };
        Self::new(match transport {
            Transport::Dtls => Way::Dtls(Box::new(Secured::connect(server).await)),
            Transport::Udp => {
                let socket = UdpSocket::bind((server.ip(), 0)).await.expect("a free port");
                socket.connect(server).await.expect("loopback");
                Way::Datagrams(socket)
            }
            Transport::Tcp => Way::Stream(Box::new(tcp().await)),
            Transport::Tls => {
                let name = "localhost".try_into().expect("a name");
                let connecting = connector(trusted).connect(name, tcp().await);
                Way::Stream(Box::new(connecting.await.expect("a trusted certificate")))
            }
        })
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) {
        match &mut self.way {
            Way::Datagrams(socket) => {
                socket.send(frame).await.expect("connected");
            }
            Way::Stream(stream) => {
                stream.write_all(frame).await.expect("connected");
                stream.flush().await.expect("connected");
            }
            Way::Dtls(secured) => secured.send(frame).await,
        }
    }

    /// The next frame, whatever it is.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        let hearing = async {
            match &mut self.way {
                Way::Datagrams(socket) => {
                    let mut frame = vec![0; 65_535];
                    let length = socket.recv(&mut frame).await.expect("connected");
                    frame.truncate(length);
                    frame
                }
                Way::Stream(stream) => {
                    let mut frame = vec![0; 4];
                    stream.read_exact(&mut frame).await.expect("connected");
                    let length = stream_frame_length(&frame);
                    frame.resize(length.expect("TURN").expect("a whole header"), 0);
                    stream.read_exact(&mut frame[4..]).await.expect("connected");
                    frame
                }
                Way::Dtls(secured) => secured.hear().await.expect("connected"),
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.expect("something to hear")
    }

    /// Whether the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        match &mut self.way {
            Way::Datagrams(_) => false,
            Way::Stream(stream) => {
                let reading = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await;
                matches!(reading.expect("an end"), Ok(0) | Err(_))
            }
            Way::Dtls(secured) => {
                let hearing = tokio::time::timeout(PATIENCE, secured.hear()).await;
                hearing.expect("an end").is_none()
            }
        }
    }

    /// Sends a request as it is, with what proves who asks once there is a nonce.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Answer {
        let packet = self.written(method, fill);
        self.send(&packet).await;
        Answer(self.hear().await)
    }

    /// The request that [`Client::ask`] sends.
    pub(crate) fn written(
        &mut self,
        method: Method,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        self.requests = self.requests.wrapping_add(1);
        let mut packet = Vec::new();
        let transaction = [self.requests; 12];
        let mut writer = Writer::begin(&mut packet, Class::Request, method, &transaction);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            writer
                .bytes(attribute::USERNAME, USER.as_bytes())
                .bytes(attribute::REALM, REALM.as_bytes())
                .bytes(attribute::NONCE, &self.nonce)
                .integrity(&self.key);
        }
        packet
    }

    /// Asks, and asks again with the nonce of the challenge.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Answer {
        let answer = self.ask(method, &fill).await;
        if !matches!(answer.error(), Some(401 | 438)) {
            return answer;
        }
        self.nonce = answer.attribute(attribute::NONCE).expect("a challenge");
        self.ask(method, fill).await
    }

    /// Allocates and gives the relayed address.
    pub(crate) async fn allocate(&mut self) -> SocketAddr {
        let answer = self.request(Method::Allocate, udp).await;
        answer.address(attribute::XOR_RELAYED_ADDRESS)
    }

    pub(crate) async fn bind(&mut self, channel: u16, peer: SocketAddr) {
        let answer = self
            .request(Method::ChannelBind, |writer| {
                writer
                    .number(attribute::CHANNEL_NUMBER, u32::from(channel) << 16)
                    .address(attribute::XOR_PEER_ADDRESS, peer);
            })
            .await;
        assert_eq!(answer.error(), None);
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) {
        let permit = |writer: &mut Writer<'_>| {
            writer.address(attribute::XOR_PEER_ADDRESS, peer);
        };
        assert_eq!(self.request(Method::CreatePermission, permit).await.error(), None);
    }

    /// Sends through a channel to an echo, and hears it.
    pub(crate) async fn echoes(&mut self, channel: u16, payload: &[u8]) {
        let frame = channel_data(channel, payload);
        self.send(&frame).await;
        assert_eq!(self.hear().await, frame);
    }
}

/// A frame whose payload needs no padding.
pub(crate) fn channel_data(channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short");
    let mut frame = channel.to_be_bytes().to_vec();
    frame.extend(length.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) fn udp(writer: &mut Writer<'_>) {
    writer.number(attribute::REQUESTED_TRANSPORT, 17 << 24);
}

pub(crate) fn udp6(writer: &mut Writer<'_>) {
    udp(writer);
    writer.number(attribute::REQUESTED_ADDRESS_FAMILY, 2 << 24);
}

pub(crate) fn tcp(writer: &mut Writer<'_>) {
    writer.number(attribute::REQUESTED_TRANSPORT, 6 << 24);
}

impl Answer {
    pub(crate) fn attribute(&self, wanted: u16) -> Option<Vec<u8>> {
        let message = Message::read(&self.0).expect("whole messages");
        let found = message.attributes().find(|(_, kind, _)| *kind == wanted);
        found.map(|(_, _, value)| value.to_vec())
    }

    pub(crate) fn address(&self, wanted: u16) -> SocketAddr {
        let transaction = *Message::read(&self.0).expect("whole messages").transaction();
        let value = self.attribute(wanted);
        let value = value.unwrap_or_else(|| panic!("no {wanted:#x}, error {:?}", self.error()));
        xor_address(&value, &transaction).expect("an address")
    }

    pub(crate) fn number(&self, wanted: u16) -> u32 {
        let value = self.attribute(wanted).expect("it is there");
        u32::from_be_bytes(value.try_into().expect("four bytes"))
    }

    pub(crate) fn error(&self) -> Option<u16> {
        let value = self.attribute(attribute::ERROR_CODE)?;
        Some(u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub(crate) fn method(&self) -> Option<Method> {
        Message::read(&self.0).expect("whole messages").method()
    }
}
