// A guest that uses all of taskhost.rs. Its siblings in other languages do the
// same, and one test is held against all of them.
#[path = "../../../guest-sdk/rust/taskhost.rs"]
mod taskhost;
use taskhost::{quote, Definition, Failure, Options, Outcome, Output, Task};

pub fn definitions() -> Vec<Definition> {
    vec![
        Definition { name: "echo", ..Definition::new(|task| Ok(Output::bytes(task.input(), &task.input_type()))) },
        Definition {
            name: "context",
            description: "Says \"all\" that it is told.",
            args: r#"{"type":"object"}"#,
            options: Options {
                retries: 3,
                delay_ms: 1500,
                backoff: 1.25,
                max_delay_ms: 60_000,
                priority: 7,
                timeout_ms: 30_000,
                requeue_on_interrupt: true,
                memory_bytes: 32 << 20,
            },
            ..Definition::new(context)
        },
        Definition { name: "logs", ..Definition::new(logs) },
        Definition { name: "string", ..Definition::new(|task| Ok(Output::json(quote(&task.text()?)))) },
        Definition { name: "fail", ..Definition::new(|task| Err(Failure::new(text(task)?))) },
        Definition { name: "fail.permanent", ..Definition::new(|task| Err(Failure::permanent(text(task)?))) },
        Definition { name: "panic", ..Definition::new(|task| panic!("{}", text(task)?)) },
        Definition { name: "deep", ..Definition::new(deep) },
    ]
}

fn text(task: &Task) -> Result<String, Failure> {
    Ok(String::from_utf8(task.input())?)
}

fn context(task: &Task) -> Outcome {
    let tags: Vec<String> = task.tags().iter().map(|(k, v)| format!("{}:{}", quote(k), quote(v))).collect();
    Ok(Output::json(format!(
        r#"{{"type":{},"id":{},"name":{},"attempt":{},"max_attempts":{},"deadline":{},"tags":{{{}}},"unknown":true}}"#,
        quote(&task.input_type()),
        quote(&task.id()),
        quote(&task.name()),
        task.attempt(),
        task.max_attempts(),
        task.deadline_ms(),
        tags.join(","),
    )))
}

fn logs(task: &Task) -> Outcome {
    task.debug("at debug");
    task.log(1, "at info", r#"{"n":1}"#);
    task.warn("at warn");
    task.error("ät error");
    Ok(Output::json(""))
}

static STEP: u32 = 1;

fn down(n: u32) -> u32 {
    if n == 0 {
        return 0;
    }
    let rest = down(n - 1);
    rest + unsafe { std::ptr::read_volatile(&STEP) } // or the compiler makes a loop of it
}

fn deep(task: &Task) -> Outcome {
    Ok(Output::json(down(text(task)?.parse()?).to_string()))
}
