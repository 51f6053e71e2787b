// Draws randomness in an attempt, as every HashMap does: the keys of its hash are
// drawn once in a thread, with the first map.
#[path = "../../../guest-sdk/rust/taskhost.rs"]
mod taskhost;
use std::collections::hash_map::RandomState;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use taskhost::{Definition, Outcome, Output, Task};

pub fn definitions() -> Vec<Definition> {
    vec![
        Definition { name: "hash", ..Definition::new(hash) },
        Definition { name: "order", ..Definition::new(order) },
    ]
}

// hash is that of a constant.
fn hash(_: &Task) -> Outcome {
    let mut hasher = RandomState::new().build_hasher();
    "a constant".hash(&mut hasher);
    Ok(Output::json(format!("\"{:016x}\"", hasher.finish())))
}

// order is that of 32 numbers in a set.
fn order(_: &Task) -> Outcome {
    let set: HashSet<u32> = (0..32).collect();
    Ok(Output::json(format!("{:?}", set.iter().collect::<Vec<_>>())))
}
