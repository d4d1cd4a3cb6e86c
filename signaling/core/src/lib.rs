//! Who is in which room, and what they are told.

pub mod ports;
