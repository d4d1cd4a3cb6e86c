//! Who asks (RFC 8489, section 9.2.4), and what strangers are told.

use super::{FiveTuple, Now, Server, code};
use crate::credentials::{Expiry, Proof, User, Verified};
use crate::integrity::{Algorithm, PASSWORD_ALGORITHMS, PasswordAlgorithm};
use crate::message::{Attributes, Class, Message, Writer, attribute};

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproved {
    /// The code of the challenge it gets.
    Told(u16),
    /// Its network has proved wrong as often as it may: no proof of its is looked at now.
    Unheard,
}

impl From<u16> for Unproved {
    fn from(code: u16) -> Self {
        Self::Told(code)
    }
}

impl Server {
    /// Proves the caller, or says what it gets instead.
    pub(super) fn authenticate(
        &self,
        tuple: FiveTuple,
        message: &Message<'_>,
        attributes: &Attributes<'_>,
        expiry: Expiry,
        now: Now,
    ) -> Result<Verified, Unproved> {
        // The stronger proof counts; the other was for servers that do not know it.
        let (algorithm, (offset, tag)) = match (attributes.integrity_sha256, attributes.integrity) {
            (Some(integrity), _) => (Algorithm::Sha256, integrity),
            (None, Some(integrity)) => (Algorithm::Sha1, integrity),
            (None, None) => return Err(code::UNAUTHENTICATED.into()),
        };
        let (Some(realm), Some(nonce)) = (attributes.realm, attributes.nonce) else {
            return Err(code::BAD_REQUEST.into());
        };
        let user = match (attributes.username, attributes.userhash) {
            (Some(name), None) => {
                User::Name(std::str::from_utf8(name).map_err(|_| code::UNAUTHENTICATED)?)
            }
            (None, Some(hash)) => User::Hash(hash),
            (None, None) | (Some(_), Some(_)) => return Err(code::BAD_REQUEST.into()),
        };
        self.nonces.check(nonce, tuple.client, now.unix).map_err(|_| code::STALE_NONCE)?;
        let ip = tuple.client.ip();
        let wrong = |code| {
            self.challenges.heard_wrong_proof(ip, now.steady);
            Unproved::Told(code)
        };
        let password_algorithm = password_algorithm(attributes).map_err(wrong)?;
        let realm = std::str::from_utf8(realm).map_err(|_| wrong(code::UNAUTHENTICATED))?;
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
        // From here on guessing would cost us more than the guesser. Its nonce has shown that it is
        // there, so nobody else can spend its budget; the owner of an allocation needs none.
        if !self.names_owner(tuple, user) && !self.challenges.hears_proofs(ip, now.steady) {
            return Err(Unproved::Unheard);
        }
        let verified = self.config.credentials.verify(proof, expiry, now.unix);
        verified.ok_or_else(|| wrong(code::UNAUTHENTICATED))
    }

    /// Whether a request is made in the name of who has the allocation on its five-tuple.
    fn names_owner(&self, tuple: FiveTuple, user: User<'_>) -> bool {
        let owner = self.allocations.get(&tuple).map(|allocation| allocation.username.as_str());
        matches!(user, User::Name(name) if Some(name) == owner)
    }

    /// The owner of the allocation on this five-tuple, if it is who asks: proved by the key that made
    /// it, so that an allocation outlives the secret its credential was derived with. One that ends
    /// with its credential needs a good one: a fresh token (RFC 7635, section 9), a name whose secret
    /// still counts.
    fn owner_of(&self, tuple: FiveTuple, proof: &Proof<'_>) -> Option<Verified> {
        let allocation = self.allocations.get(&tuple)?;
        if !self.names_owner(tuple, proof.user)
            || allocation.until.is_some()
            || proof.access_token.is_some()
        {
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
        attributes: &Attributes<'_>,
        code: u16,
        out: &mut Vec<u8>,
        now: Now,
    ) {
        let Some(method) = message.method() else { return };
        let mut writer = Writer::begin(out, Class::Error, method, message.transaction());
        writer.error(code);
        if code == code::BAD_REQUEST {
            return;
        }
        let nonce = self.nonces.make(tuple.client, now.unix);
        let credentials = &self.config.credentials;
        // Clients take the realm of the last challenge: a tenant's own are to stay in theirs.
        let realm = attributes.realm.filter(|realm| credentials.knows_realm(realm));
        writer
            .bytes(attribute::REALM, realm.unwrap_or(credentials.default_realm().as_bytes()))
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
