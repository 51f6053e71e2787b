//! Tasks in Rust. This one file is the SDK: a guest has it as a module, and a
//! function `definitions` at the root of its crate.
//!
//! ```ignore
//! #[path = "../guest-sdk/rust/taskhost.rs"]
//! mod taskhost;
//! use taskhost::{Definition, Options, Output, Outcome, Task};
//!
//! pub fn definitions() -> Vec<Definition> {
//!     vec![Definition {
//!         name: "text.shout",
//!         options: Options { retries: 3, ..Options::default() },
//!         ..Definition::new(shout)
//!     }]
//! }
//!
//! fn shout(task: &Task) -> Outcome {
//!     task.info("shouting");
//!     Ok(Output::json(taskhost::quote(&task.text()?.to_uppercase())))
//! }
//! ```
//!
//! ```sh
//! rustc -O -C strip=debuginfo --crate-type cdylib --target wasm32-wasi -o shout.wasm shout.rs
//! ```
//! It needs nothing but the standard library, and Rust 1.63 or later; the target is
//! called wasm32-wasip1 since 1.78. Built for wasm32-unknown-unknown it works too,
//! without clocks and randomness: there, what a panic says is an error in the log.
//! docs/abi.md is the contract that is wrapped here.
#![allow(dead_code)] // a guest uses what it uses

use std::fmt::Write;

#[link(wasm_import_module = "taskhost_v1")]
extern "C" {
    fn value_len(key: u32) -> i32;
    fn value_read(key: u32, ptr: *mut u8, cap: u32) -> i32;
    fn number(key: u32) -> i64;
    fn output(ptr: *const u8, len: u32, type_ptr: *const u8, type_len: u32);
    fn fail(kind: u32, message: *const u8, message_len: u32, trace: *const u8, trace_len: u32);
    fn log(level: u32, message: *const u8, message_len: u32, fields: *const u8, fields_len: u32);
}

/// Declares one task.
pub struct Definition {
    /// What is enqueued, such as `text.shout`.
    pub name: &'static str,
    /// A sentence, or empty.
    pub description: &'static str,
    /// A JSON Schema for the arguments, or empty.
    pub args: &'static str,
    pub options: Options,
    pub run: fn(&Task) -> Outcome,
}

impl Definition {
    /// A definition that has no name yet, and the default for everything else.
    pub fn new(run: fn(&Task) -> Outcome) -> Definition {
        Definition { name: "", description: "", args: "", options: Options::default(), run }
    }
}

/// A definition's own choices. 0 and false mean the host's default.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// How many attempts may follow the first.
    pub retries: u32,
    /// The wait before the first retry.
    pub delay_ms: u64,
    /// Multiplies the wait.
    pub backoff: f64,
    /// The longest wait.
    pub max_delay_ms: u64,
    /// 1 (lowest) to 10 (highest).
    pub priority: u32,
    /// Bounds one attempt.
    pub timeout_ms: u64,
    pub requeue_on_interrupt: bool,
    /// Bounds the guest's memory.
    pub memory_bytes: u64,
}

/// How an attempt ends.
pub type Outcome = Result<Output, Failure>;

/// A result, and its content type.
pub struct Output {
    pub data: Vec<u8>,
    pub content_type: String,
}

impl Output {
    pub fn json(text: impl Into<String>) -> Output {
        Output::bytes(text.into(), "application/json")
    }
    pub fn bytes(data: impl Into<Vec<u8>>, content_type: &str) -> Output {
        Output { data: data.into(), content_type: content_type.into() }
    }
}

/// Why an attempt failed. `?` makes one from any error: another attempt may follow.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    /// No further attempt is made.
    pub permanent: bool,
    /// Where it was, for people.
    pub trace: String,
}

impl Failure {
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), permanent: false, trace: std::panic::Location::caller().to_string() }
    }
    #[track_caller]
    pub fn permanent(message: impl Into<String>) -> Failure {
        Failure { permanent: true, ..Failure::new(message) }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(err: E) -> Failure {
        Failure::new(err.to_string())
    }
}

/// The task that is being run. It asks the host, each time.
pub struct Task(());

impl Task {
    pub fn input(&self) -> Vec<u8> {
        value(0)
    }
    pub fn input_type(&self) -> String {
        string(value(1))
    }
    pub fn id(&self) -> String {
        string(value(2))
    }
    pub fn name(&self) -> String {
        string(value(3))
    }
    /// Keys and values, sorted by key.
    pub fn tags(&self) -> Vec<(String, String)> {
        let text = string(value(4));
        let mut parts = text.split_terminator('\0').map(String::from);
        std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect()
    }
    /// Which attempt this is, from 0.
    pub fn attempt(&self) -> i64 {
        unsafe { number(0) }
    }
    pub fn max_attempts(&self) -> i64 {
        unsafe { number(1) }
    }
    /// When the attempt will be stopped, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> i64 {
        unsafe { number(2) }
    }
    /// The input as one JSON string, as the schema `{"type":"string"}` asks for.
    pub fn text(&self) -> Result<String, Failure> {
        unquote(&string(self.input())).ok_or_else(|| Failure::permanent("the input is no JSON string"))
    }

    pub fn debug(&self, message: &str) {
        self.log(0, message, "");
    }
    pub fn info(&self, message: &str) {
        self.log(1, message, "");
    }
    pub fn warn(&self, message: &str) {
        self.log(2, message, "");
    }
    pub fn error(&self, message: &str) {
        self.log(3, message, "");
    }
    /// Logs at a level from 0 (debug) to 3 (error). `fields` is a JSON object, or
    /// empty.
    pub fn log(&self, level: u32, message: &str, fields: &str) {
        unsafe { log(level, message.as_ptr(), message.len() as u32, fields.as_ptr(), fields.len() as u32) }
    }
}

fn value(key: u32) -> Vec<u8> {
    let len = unsafe { value_len(key) }.max(0) as usize; // an older host may not know it
    let mut data = Vec::with_capacity(len);
    unsafe {
        let read = value_read(key, data.as_mut_ptr(), len as u32);
        data.set_len(read.max(0) as usize); // the host has written as many
    }
    data
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

/// Writes text as a JSON string, with its quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", c as u32)), // a String takes everything
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Reads JSON that is one string.
pub fn unquote(json: &str) -> Option<String> {
    let space = [' ', '\t', '\r', '\n'];
    let inner = json.trim_matches(&space[..]).strip_prefix('"')?.strip_suffix('"')?;
    let mut units = Vec::with_capacity(inner.len()); // of UTF-16, as escapes have them
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\0'..='\x1f' => return None,
            '\\' => units.push(match chars.next()? {
                'b' => 8,
                'f' => 12,
                'n' => 10,
                'r' => 13,
                't' => 9,
                'u' => {
                    let digits = chars.as_str().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    chars = chars.as_str()[4..].chars();
                    u16::from_str_radix(digits, 16).ok()?
                }
                c @ ('"' | '\\' | '/') => c as u16,
                _ => return None,
            }),
            _ => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

fn manifest(definitions: &[Definition]) -> String {
    let all: Vec<String> = definitions.iter().map(Definition::json).collect();
    format!("{{\"sdk\":\"rust/1\",\"definitions\":[{}]}}", all.join(","))
}

impl Definition {
    fn json(&self) -> String {
        let mut out = format!("{{\"name\":{},\"description\":{}", quote(self.name), quote(self.description));
        if !self.args.is_empty() {
            out += &format!(",\"args\":{}", self.args);
        }
        let o = &self.options;
        out += &format!(",\"options\":{{\"retries\":{},\"delay_ms\":{},\"backoff\":{}", o.retries, o.delay_ms, o.backoff);
        out += &format!(",\"max_delay_ms\":{},\"priority\":{},\"timeout_ms\":{}", o.max_delay_ms, o.priority, o.timeout_ms);
        out + &format!(",\"requeue_on_interrupt\":{},\"memory_bytes\":{}}}}}", o.requeue_on_interrupt, o.memory_bytes)
    }
}

/// Has a panic say what the host looks for, with file and line.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let message = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|s| s.as_str()));
        let place = info.location().map(|l| l.to_string()).unwrap_or_default();
        let text = format!("panic: {}\n\tat {}", message.unwrap_or("of another type than a string"), place);
        if cfg!(target_os = "wasi") {
            eprintln!("{}", text);
        } else {
            Task(()).error(&text);
        }
    }));
}

#[no_mangle]
extern "C" fn taskhost_describe() {
    report_panics(); // for all attempts, which start from here
    let text = manifest(&crate::definitions());
    unsafe { output(text.as_ptr(), text.len() as u32, std::ptr::null(), 0) }
}

#[no_mangle]
extern "C" fn taskhost_run(index: u32) -> i32 {
    report_panics();
    let outcome = match crate::definitions().get(index as usize) {
        Some(definition) => (definition.run)(&Task(())),
        None => Err(Failure::permanent("there is no such definition")),
    };
    match outcome {
        Ok(Output { data, content_type: kind }) => unsafe { output(data.as_ptr(), data.len() as u32, kind.as_ptr(), kind.len() as u32) },
        Err(Failure { message, permanent, trace }) => {
            unsafe { fail(permanent as u32, message.as_ptr(), message.len() as u32, trace.as_ptr(), trace.len() as u32) }
            return 1;
        }
    }
    0
}
