//! duplicates is a task in Rust. lines.duplicates finds the lines of a text that are
//! there more than once. To see here is that the standard library is all there, with
//! the random keys of a HashMap: each attempt has its own, so what must not depend on
//! them is sorted. By hand, in the folder above examples (wasm32-wasip1 from Rust 1.78
//! on):
//!
//!     rustc -O -C strip=debuginfo --edition 2021 --crate-type cdylib --target wasm32-wasi \
//!         -o duplicates.wasm examples/wasm-tasks/duplicates/main.rs
//!     taskhost run duplicates.wasm --args '"ann\nbob\nann"'
//!
//! docs/guests.md says what to install for it.
#[path = "../../../guest-sdk/rust/taskhost.rs"]
mod taskhost;

use std::collections::HashMap;

use taskhost::{quote, Definition, Options, Outcome, Output, Task};

pub fn definitions() -> Vec<Definition> {
    vec![Definition {
        name: "lines.duplicates",
        description: "Finds the lines of a text that are there more than once.",
        args: r#"{"type":"string"}"#,
        options: Options { retries: 1, timeout_ms: 10_000, ..Options::default() },
        ..Definition::new(duplicates)
    }]
}

fn duplicates(task: &Task) -> Outcome {
    let text = task.text()?;
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        places.entry(line).or_default().push(i + 1);
    }
    task.log(1, "looked", &format!(r#"{{"lines":{},"different":{}}}"#, text.lines().count(), places.len()));

    let mut found: Vec<_> = places.into_iter().filter(|(_, at)| at.len() > 1).collect();
    found.sort_by_key(|(_, at)| at[0]);
    let found: Vec<_> = found.iter().map(|(line, at)| format!(r#"{{"line":{},"at":{:?}}}"#, quote(line), at)).collect();
    Ok(Output::json(format!("[{}]", found.join(","))))
}
