//! Which shard is a room's home.

use std::collections::{HashMap, HashSet};

use confer_protocol::id::{ParticipantId, RoomId};

/// Rooms by home shard. A room gets the shard with the fewest participants when the first of its
/// own joins, and keeps it until the last one leaves.
#[derive(Debug)]
pub(crate) struct Placement {
    rooms: HashMap<RoomId, Placed>,
    /// Participants by shard.
    load: Vec<usize>,
}

#[derive(Debug)]
struct Placed {
    shard: usize,
    participants: HashSet<ParticipantId>,
}

impl Placement {
    /// For `shards` shards, at least one.
    pub(crate) fn new(shards: usize) -> Self {
        assert!(shards > 0, "start refuses to run without shards");
        Self { rooms: HashMap::new(), load: vec![0; shards] }
    }

    /// The home of `room`, which `participant` joins. Joining twice counts once.
    pub(crate) fn join(&mut self, room: RoomId, participant: ParticipantId) -> usize {
        let load = &mut self.load;
        let placed = self.rooms.entry(room).or_insert_with(|| {
            let lightest = load.iter().enumerate().min_by_key(|(_, count)| **count);
            let (shard, _) = lightest.expect("there is at least one shard");
            Placed { shard, participants: HashSet::new() }
        });
        if placed.participants.insert(participant) {
            load[placed.shard] += 1;
        }
        placed.shard
    }

    /// Whether somebody has joined and not left.
    pub(crate) fn has(&self, room: RoomId, participant: ParticipantId) -> bool {
        self.rooms.get(&room).is_some_and(|placed| placed.participants.contains(&participant))
    }

    /// The home of a room in which somebody is.
    pub(crate) fn home(&self, room: RoomId) -> Option<usize> {
        self.rooms.get(&room).map(|placed| placed.shard)
    }

    /// Counts somebody out.
    pub(crate) fn leave(&mut self, room: RoomId, participant: ParticipantId) {
        let Some(placed) = self.rooms.get_mut(&room) else { return };
        if placed.participants.remove(&participant) {
            self.load[placed.shard] -= 1;
        }
        if placed.participants.is_empty() {
            self.rooms.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn room(number: u128) -> RoomId {
        RoomId(Uuid::from_u128(number))
    }

    fn participant(number: u128) -> ParticipantId {
        ParticipantId(Uuid::from_u128(number))
    }

    #[test]
    fn rooms_go_where_fewest_are_and_stay_there() {
        let mut placement = Placement::new(2);
        let first = placement.join(room(1), participant(1));
        assert_eq!(placement.join(room(1), participant(2)), first);
        let second = placement.join(room(2), participant(3));
        assert_ne!(first, second);
        for number in 10..20 {
            assert_eq!(placement.join(room(2), participant(number)), second);
        }
        assert_eq!(placement.join(room(3), participant(4)), first);
        assert_eq!(placement.home(room(2)), Some(second));
    }

    #[test]
    fn an_empty_room_is_forgotten() {
        let mut placement = Placement::new(1);
        placement.join(room(1), participant(1));
        placement.join(room(1), participant(1));
        placement.leave(room(1), participant(2));
        assert!(placement.has(room(1), participant(1)));
        placement.leave(room(1), participant(1));
        placement.leave(room(1), participant(1));
        assert_eq!(placement.home(room(1)), None);
        assert_eq!(placement.load, [0]);
    }
}
