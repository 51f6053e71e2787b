// A guest that does nothing but take its input and give it back, for measuring
// what the host adds to that.
#[path = "../../../guest-sdk/rust/taskhost.rs"]
mod taskhost;
use taskhost::{Definition, Outcome, Output, Task};

pub fn definitions() -> Vec<Definition> {
    vec![Definition { name: "raw", ..Definition::new(raw) }]
}

fn raw(task: &Task) -> Outcome {
    Ok(Output::bytes(task.input(), ""))
}
