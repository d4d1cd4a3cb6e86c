//! The hub in simulated time: no socket, no clock, the same ids in every run.

mod desk;
mod model;
mod offers;
mod seats;
