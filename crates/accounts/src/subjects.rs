use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use confer_auth::KeyId;
use confer_protocol::id::UserId;

/// How many applications' users are remembered in each of two generations.
const GENERATION_CAPACITY: usize = 50_000;

/// Who applications' users are here, so that checking their tokens asks no database. An entry
/// never becomes wrong: a subject stays the user it once became.
#[derive(Debug, Default)]
pub(crate) struct Subjects(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(KeyId, String), Known>,
    old: HashMap<(KeyId, String), Known>,
}

/// A user and the name it was last seen with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) name: String,
}

impl Subjects {
    pub(crate) fn find(&self, key: &KeyId, subject: &str) -> Option<Known> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (key.clone(), subject.to_owned());
        if let Some(known) = generations.young.get(&name) {
            return Some(known.clone());
        }
        let known = generations.old.remove(&name)?;
        generations.insert(name, known.clone());
        Some(known)
    }

    pub(crate) fn remember(&self, key: &KeyId, subject: &str, known: Known) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert((key.clone(), subject.to_owned()), known);
    }
}

impl Generations {
    fn insert(&mut self, name: (KeyId, String), known: Known) {
        if self.young.len() >= GENERATION_CAPACITY {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, known);
    }
}
