//! OpenSSL's client over DTLS, which says what it reads and shows what it hears.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use confer_turn_core::Transport;
use confer_turn_core::message::{Class, Message, Method, Writer};

use crate::lab::{Lab, PATIENCE, Settings, free_port};

const INSTALL: &str = "openssl is missing; type: \
                       sudo apt-get install -y --no-install-recommends openssl";
/// A Binding's answer over IPv4.
const ANSWER: usize = 32;

struct Openssl(Child);

impl Openssl {
    /// Connects from a port of its own.
    fn connect(server: SocketAddr, port: u16) -> Self {
        let child = Command::new("openssl")
            .args(["s_client", "-dtls1_2", "-quiet", "-connect", &server.to_string()])
            .args(["-bind", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect(INSTALL))
    }

    /// Asks the relay where it is seen, and hears.
    fn is_answered(&mut self) {
        let mut request = Vec::new();
        Writer::begin(&mut request, Class::Request, Method::Binding, &[9; 12]);
        let input = self.0.stdin.as_mut().expect("it is piped");
        input.write_all(&request).expect("it reads");
        input.flush().expect("it reads");
        let mut output = self.0.stdout.take().expect("it is piped, and asked once");
        let (heard, answers) = mpsc::channel();
        std::thread::spawn(move || {
            let mut answer = [0; ANSWER];
            let read = output.read_exact(&mut answer);
            // Nobody waits any more when that took too long.
            let _ = heard.send(read.map(|()| answer));
        });
        let answer = answers.recv_timeout(PATIENCE).expect("an answer").expect("a whole one");
        let message = Message::read(&answer).expect("STUN");
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.transaction(), &[9; 12]);
    }
}

impl Drop for Openssl {
    /// It has no time to say goodbye.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn openssl_speaks_dtls_and_does_so_again_from_the_same_port() {
    let lab = Lab::start(Settings::default());
    let (server, port) = (lab.server(), free_port());
    for _ in 0..3 {
        Openssl::connect(server, port).is_answered();
        assert_eq!(lab.stats().connected.get(&Transport::Dtls), Some(&1));
    }
}
