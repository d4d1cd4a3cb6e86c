//! Who asks (RFC 8489, section 9.2.4), and what strangers are told.

use super::{FiveTuple, Now, Server, code};
use crate::credentials::{Expiry, Proof, User, Verified};
use crate::integrity::{Algorithm, PASSWORD_ALGORITHMS, PasswordAlgorithm};
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};

impl Server {
    /// Proves the caller, or gives the code of the challenge it gets.
    pub(super) fn authenticate(
        &self,
        tuple: FiveTuple,
        message: &Message<'_>,
        attributes: &Attributes<'_>,
        expiry: Expiry,
        now: Now,
    ) -> Result<Verified, u16> {
        // The stronger proof counts; the other was for servers that do not know it.
        let (algorithm, (offset, tag)) = match (attributes.integrity_sha256, attributes.integrity) {
            (Some(integrity), _) => (Algorithm::Sha256, integrity),
            (None, Some(integrity)) => (Algorithm::Sha1, integrity),
            (None, None) => return Err(code::UNAUTHENTICATED),
        };
        let (Some(realm), Some(nonce)) = (attributes.realm, attributes.nonce) else {
            return Err(code::BAD_REQUEST);
        };
        let user = match (attributes.username, attributes.userhash) {
            (Some(name), None) => {
                User::Name(std::str::from_utf8(name).map_err(|_| code::UNAUTHENTICATED)?)
            }
            (None, Some(hash)) => User::Hash(hash),
            (None, None) | (Some(_), Some(_)) => return Err(code::BAD_REQUEST),
        };
        self.nonces.check(nonce, tuple.client, now.unix).map_err(|_| code::STALE_NONCE)?;
        let password_algorithm = password_algorithm(attributes)?;
        let realm = std::str::from_utf8(realm).map_err(|_| code::UNAUTHENTICATED)?;
        let proof = Proof {
            user,
            realm,
            access_token: attributes.access_token,
            password_algorithm,
            algorithm,
            message: message.bytes(),
            offset,
            tag,
        };
        if expiry == Expiry::Ignored
            && let Some(owner) = self.owner_of(tuple, &proof)
        {
            return Ok(owner);
        }
        let verified = self.config.credentials.verify(proof, expiry, now.unix);
        verified.ok_or(code::UNAUTHENTICATED)
    }

    /// The owner of the allocation on this five-tuple, if it is who asks: proved by the key that made
    /// it, so that an allocation outlives the secret its credential was derived with. One that ends
    /// with its credential needs a good one: a fresh token (RFC 7635, section 9), a name whose secret
    /// still counts.
    fn owner_of(&self, tuple: FiveTuple, proof: &Proof<'_>) -> Option<Verified> {
        let allocation = self.allocations.get(&tuple)?;
        let named = matches!(proof.user, User::Name(name) if name == allocation.username);
        if !named || allocation.until.is_some() || proof.access_token.is_some() {
            return None;
        }
        let key = allocation.key.unpack(proof.algorithm)?;
        key.verify(proof.message, proof.offset, proof.tag).then(|| Verified {
            tenant: allocation.tenant,
            username: allocation.username.clone(),
            key,
            ends: None,
        })
    }

    /// 401 and 438 carry all that a client needs to try again; 400 carries nothing.
    pub(super) fn write_challenge(
        &self,
        tuple: FiveTuple,
        message: &Message<'_>,
        method: Method,
        code: u16,
        out: &mut Vec<u8>,
        now: Now,
    ) {
        let mut writer = Writer::begin(out, Class::Error, method, message.transaction());
        writer.error(code);
        if code == code::BAD_REQUEST {
            return;
        }
        let nonce = self.nonces.make(tuple.client, now.unix);
        let credentials = &self.config.credentials;
        writer
            .bytes(attribute::REALM, credentials.default_realm().as_bytes())
            .bytes(attribute::NONCE, &nonce)
            .bytes(attribute::PASSWORD_ALGORITHMS, &PASSWORD_ALGORITHMS);
        if credentials.takes_access_tokens() {
            let name = credentials.default_realm().as_bytes();
            writer.bytes(attribute::THIRD_PARTY_AUTHORIZATION, name);
        }
    }
}

/// Protects the choice against somebody in between who removed the stronger algorithm: clients
/// repeat the list they were given, and it must be the one we give (RFC 8489, section 9.2.4).
fn password_algorithm(attributes: &Attributes<'_>) -> Result<PasswordAlgorithm, u16> {
    match (attributes.password_algorithms, attributes.password_algorithm) {
        (None, None) => Ok(PasswordAlgorithm::Md5),
        (Some(list), Some(chosen)) if list == PASSWORD_ALGORITHMS => {
            PasswordAlgorithm::read(chosen).ok_or(code::BAD_REQUEST)
        }
        (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => Err(code::BAD_REQUEST),
    }
}
