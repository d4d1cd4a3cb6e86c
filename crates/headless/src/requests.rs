use std::collections::BTreeMap;

use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::error::ErrorBody;
use confer_protocol::server::{Reply, ServerFrame};

/// Numbers requests and matches answers to what the caller attached to them.
#[derive(Debug)]
pub struct Requests<T> {
    next: u32,
    open: BTreeMap<u32, T>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self { next: 1, open: BTreeMap::new() }
    }
}

impl<T> Requests<T> {
    /// Makes the frame for a request; `tag` comes back with its answer.
    pub fn frame(&mut self, request: Request, tag: T) -> ClientFrame {
        let id = self.next;
        self.next += 1;
        self.open.insert(id, tag);
        ClientFrame { id, request }
    }

    /// The tag and the answer, if the frame answers one of ours.
    pub fn answer(&mut self, frame: &ServerFrame) -> Option<(T, Result<Reply, ErrorBody>)> {
        match frame {
            ServerFrame::Result { re, result } => Some((self.open.remove(re)?, Ok(result.clone()))),
            ServerFrame::Error { re: Some(re), error } => {
                Some((self.open.remove(re)?, Err(error.clone())))
            }
            ServerFrame::Error { re: None, .. }
            | ServerFrame::Welcome(_)
            | ServerFrame::Event { .. }
            | ServerFrame::Notice { .. } => None,
        }
    }

    /// What was asked and not yet answered; after a lost socket it must be asked again.
    pub fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.open.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_request_once() {
        let mut requests = Requests::default();
        let first = requests.frame(Request::Ping, "first");
        let second = requests.frame(Request::Leave, "second");
        assert_ne!(first.id, second.id);

        let answer = ServerFrame::Result { re: second.id, result: Reply::Leave };
        assert_eq!(requests.answer(&answer), Some(("second", Ok(Reply::Leave))));
        assert_eq!(requests.answer(&answer), None);
        assert_eq!(requests.unanswered().collect::<Vec<_>>(), [&"first"]);
    }
}
