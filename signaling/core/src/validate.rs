use confer_protocol::client::Request;
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::Mid;

use crate::Limits;

/// Checks what can be checked of a request without knowing anything else: its sizes.
///
/// Chat bodies are the chat plane's to judge, behind the limit on frames.
pub(crate) fn validate(request: &Request, limits: &Limits) -> Result<(), ErrorBody> {
    match request {
        Request::Auth { token } => at_most("token", token.len(), limits.token_bytes, "bytes"),
        Request::Offer { offer_id: _, sdp, publish } => {
            at_most("sdp", sdp.len(), limits.sdp_bytes, "bytes")?;
            let entries = limits.tracks_per_participant;
            at_most("publish", publish.len(), entries, "entries")?;
            publish.iter().try_for_each(|intent| mid(&intent.mid, "publish", limits))
        }
        Request::Candidate { candidate, mid: line } => {
            let length = candidate.as_ref().map_or(0, String::len);
            at_most("candidate", length, limits.candidate_bytes, "bytes")?;
            line.as_ref().map_or(Ok(()), |line| mid(line, "mid", limits))
        }
        Request::Subscribe { wishes, layout } => {
            at_most("wishes", wishes.len(), limits.wishes, "entries")?;
            let slots = usize::from(layout.audio.max(layout.video));
            at_most("layout", slots, limits.layout_slots.into(), "slots of a kind")
        }
        Request::ChatSync { chat_epoch: _, cursors } => {
            at_most("cursors", cursors.len(), limits.chat_cursors, "entries")
        }
        Request::Ping
        | Request::Join { .. }
        | Request::Resume { .. }
        | Request::Leave
        | Request::Mute { .. }
        | Request::Unpublish { .. }
        | Request::IceServers
        | Request::Remove { .. }
        | Request::ChatSend { .. }
        | Request::ChatHistory { .. }
        | Request::ChatMark { .. }
        | Request::ChatTyping { .. } => Ok(()),
    }
}

fn at_most(field: &str, length: usize, limit: usize, unit: &str) -> Result<(), ErrorBody> {
    if length <= limit {
        return Ok(());
    }
    let problem = format!("{length} {unit}, at most {limit} are allowed");
    Err(invalid(field, problem))
}

/// A `mid` is a token of RFC 8866, section 9.
fn mid(mid: &Mid, field: &str, limits: &Limits) -> Result<(), ErrorBody> {
    let text = mid.0.as_bytes();
    let printable = text.iter().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > limits.mid_bytes || !printable {
        let limit = limits.mid_bytes;
        let problem = format!("a mid is 1 to {limit} printable ASCII characters");
        return Err(invalid(field, problem));
    }
    Ok(())
}

fn invalid(field: &str, problem: String) -> ErrorBody {
    let message = format!("The field `{field}` is not allowed: {problem}.");
    ErrorBody::new(ErrorCode::Invalid, message).with_field(field, problem)
}
