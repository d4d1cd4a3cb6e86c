//! The relay beside a plain model of it: both are given the same random operations through the
//! same messages, and must answer, relay, close and free the same.
//!
//! What follows from the model, and is checked beside it after every operation: nothing is relayed
//! to or from a peer without permission, nobody holds anything before proving who they are, quotas
//! hold, a retransmitted request gets the same answer, and when all has expired every socket is
//! free.

mod connection;
mod harness;
mod holdings;
mod operation;
mod outcome;
mod relay;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use harness::Harness;

/// Sequences of up to 100 operations each.
const CASES: u32 = 1_000;

#[test]
fn the_relay_does_what_its_model_does() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&operation::operations(), |operations| {
        let mut harness = Harness::new();
        for operation in &operations {
            harness.apply(operation);
        }
        harness.finish();
        Ok(())
    });
    outcome.expect("the relay and its model agree");
}
