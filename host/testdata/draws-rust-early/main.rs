// Draws randomness before there is a task: what it declares goes through a HashMap,
// whose keys are drawn then, and not again for any map of an attempt.
#[path = "../../../guest-sdk/rust/taskhost.rs"]
mod taskhost;
use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use taskhost::{Definition, Outcome, Output, Task};

pub fn definitions() -> Vec<Definition> {
    let runs: HashMap<&'static str, fn(&Task) -> Outcome> = HashMap::from([("hash", hash as fn(&Task) -> Outcome)]);
    runs.into_iter().map(|(name, run)| Definition { name, ..Definition::new(run) }).collect()
}

// hash is that of a constant.
fn hash(_: &Task) -> Outcome {
    let mut hasher = RandomState::new().build_hasher();
    "a constant".hash(&mut hasher);
    Ok(Output::json(format!("\"{:016x}\"", hasher.finish())))
}
