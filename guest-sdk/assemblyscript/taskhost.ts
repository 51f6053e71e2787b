/**
 * Tasks in AssemblyScript. This one file is the SDK:
 *
 *     import { define, done, quote, Outcome, Task } from "../guest-sdk/assemblyscript/taskhost";
 *     export { taskhost_describe, taskhost_run } from "../guest-sdk/assemblyscript/taskhost";
 *
 *     define("text.shout", shout, { retries: 3, args: '{"type":"string"}' });
 *
 *     function shout(task: Task): Outcome {
 *       task.info("shouting");
 *       return done(quote(task.text().toUpperCase()));
 *     }
 *
 * From the folder that guest-sdk is in:
 *
 *     npx asc shout/main.ts -o shout.wasm -O3 --exportStart _initialize \
 *       --use abort=guest-sdk/assemblyscript/taskhost/abort --use seed=guest-sdk/assemblyscript/taskhost/seed
 *
 * What has a browser or Node.js behind it is not there: console, Date, crypto and
 * process. Math.random is. docs/abi.md is the contract that is wrapped here.
 */

@external("taskhost_v1", "value_len") declare function value_len(key: u32): i32;
@external("taskhost_v1", "value_read") declare function value_read(key: u32, ptr: usize, cap: u32): i32;
@external("taskhost_v1", "number") declare function number(key: u32): i64;
@external("taskhost_v1", "output") declare function output(ptr: usize, len: u32, type: usize, typeLen: u32): void;
@external("taskhost_v1", "fail")
declare function host_fail(kind: u32, message: usize, messageLen: u32, trace: usize, traceLen: u32): void;
@external("taskhost_v1", "log")
declare function host_log(level: u32, message: usize, messageLen: u32, fields: usize, fieldsLen: u32): void;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, pieces: usize, count: u32, written: usize): u32;
@external("wasi_snapshot_preview1", "random_get") declare function random_get(ptr: usize, len: u32): u32;
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(clock: u32, precision: u64, time: usize): u32;

/** A definition's own choices. 0, false and "" mean the host's default. */
export class Options {
  /** A sentence for people who browse definitions. */
  description: string = "";
  /** A JSON Schema for the arguments. */
  args: string = "";
  /** How many attempts may follow the first. */
  retries: i32 = 0;
  /** The wait before the first retry, in milliseconds. */
  delayMs: i64 = 0;
  /** Multiplies the wait. */
  backoff: f64 = 0;
  /** The longest wait. */
  maxDelayMs: i64 = 0;
  /** 1 (lowest) to 10 (highest). */
  priority: i32 = 0;
  /** Bounds one attempt. */
  timeoutMs: i64 = 0;
  requeueOnInterrupt: bool = false;
  /** Bounds the guest's memory. */
  memoryBytes: i64 = 0;
}

class Definition {
  constructor(
    public name: string,
    public run: (task: Task) => Outcome,
    public options: Options,
  ) {}
}

const definitions: Definition[] = [];

/** Declares a task. Call it outside of functions, below the variables that the task
 * uses: the compiler follows the order of the file. */
export function define(name: string, run: (task: Task) => Outcome, options: Options = {}): void {
  definitions.push(new Definition(name, run, options));
}

/** How an attempt ends. done, doneBytes, fail and failPermanent make one. */
export class Outcome {
  failed: bool = false;
  permanent: bool = false;
  message: string = "";
  data: ArrayBuffer = new ArrayBuffer(0);
  type: string = "";
}

/** A result that is text: JSON, or of another type. */
export function done(text: string, type: string = ""): Outcome {
  return { data: utf8(text), type };
}

/** A result that is bytes. */
export function doneBytes(data: ArrayBuffer, type: string): Outcome {
  return { data, type };
}

/** A failure after which another attempt may succeed. */
export function fail(message: string): Outcome {
  return { failed: true, message };
}

/** A failure that no further attempt would mend. */
export function failPermanent(message: string): Outcome {
  return { failed: true, permanent: true, message };
}

/** The task that is being run. It asks the host, each time. */
export class Task {
  input(): ArrayBuffer { return value(0); }
  inputType(): string { return text(1); }
  id(): string { return text(2); }
  name(): string { return text(3); }
  tags(): Map<string, string> {
    const tags = new Map<string, string>(), parts = text(4).split("\0");
    for (let i = 0; i + 1 < parts.length; i += 2) tags.set(parts[i], parts[i + 1]);
    return tags;
  }
  /** Which attempt this is, from 0. */
  attempt(): i64 { return number(0); }
  maxAttempts(): i64 { return number(1); }
  /** When the attempt will be stopped, in milliseconds since 1970. */
  deadlineMs(): i64 { return number(2); }
  /** The input as one JSON string, as the schema {"type":"string"} asks for. It
   * ends the attempt where the input is anything else. */
  text(): string {
    const text = unquote(String.UTF8.decode(this.input()));
    if (text === null) throw new Error("the input is no JSON string");
    return text;
  }

  debug(message: string): void { this.log(0, message); }
  info(message: string): void { this.log(1, message); }
  warn(message: string): void { this.log(2, message); }
  error(message: string): void { this.log(3, message); }
  /** Logs at a level from 0 (debug) to 3 (error). fields is a JSON object, or "". */
  log(level: u32, message: string, fields: string = ""): void {
    const m = utf8(message), f = utf8(fields);
    host_log(level, changetype<usize>(m), m.byteLength, changetype<usize>(f), f.byteLength);
  }
}

/** The time, in milliseconds since 1970. */
export function now(): i64 {
  clock_time_get(0, 1_000_000, room);
  return load<i64>(room) / 1_000_000;
}

// Memory for what WASI reads and writes.
const room = memory.data(16, 8);

function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

function text(key: u32): string { return String.UTF8.decode(value(key)); }

function value(key: u32): ArrayBuffer {
  const data = new ArrayBuffer(max(value_len(key), 0)); // an older host may not know it
  value_read(key, changetype<usize>(data), data.byteLength);
  return data;
}

/** Writes text as a JSON string, with its quotes. */
export function quote(text: string): string {
  let out = '"', from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(from, i) + (c < 0x20 ? "\\u00" + c.toString(16).padStart(2, "0") : "\\" + text.charAt(i));
    from = i + 1;
  }
  return out + text.substring(from) + '"';
}

/** Reads JSON that is one string, and gives null for anything else. */
export function unquote(json: string): string | null {
  let from = 0, to = json.length - 1;
  while (from < to && isSpace(json.charCodeAt(from))) from++;
  while (to > from && isSpace(json.charCodeAt(to))) to--;
  if (from >= to || json.charCodeAt(from) != 0x22 || json.charCodeAt(to) != 0x22) return null;
  let out = "";
  for (let i = ++from; i <= to; i++) {
    const c = json.charCodeAt(i);
    if (i == to) return out + json.substring(from, i);
    if (c < 0x20 || c == 0x22) return null;
    if (c != 0x5c) continue;
    out += json.substring(from, i);
    const at = '"\\/bfnrtu'.indexOf(json.charAt(++i));
    if (at < 0 || i == to) return null;
    if (at < 8) {
      out += '"\\/\b\f\n\r\t'.charAt(at);
    } else {
      let unit = 0;
      for (let end = i + 4; i < end; ) {
        const digit = "0123456789abcdef0123456789ABCDEF".indexOf(json.charAt(++i));
        if (digit < 0 || i >= to) return null;
        unit = (unit << 4) | (digit & 15);
      }
      out += String.fromCharCode(unit);
    }
    from = i + 1;
  }
  return null;
}

function isSpace(c: i32): bool { return c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d; }

function manifest(): string {
  let out = '{"sdk":"assemblyscript/1","definitions":[';
  for (let i = 0; i < definitions.length; i++) {
    const d = definitions[i], o = d.options;
    out += (i > 0 ? ',{"name":' : '{"name":') + quote(d.name) + ',"description":' + quote(o.description);
    if (o.args != "") out += ',"args":' + o.args;
    out += ',"options":{"retries":' + o.retries.toString() + ',"delay_ms":' + o.delayMs.toString();
    out += ',"backoff":' + o.backoff.toString() + ',"max_delay_ms":' + o.maxDelayMs.toString();
    out += ',"priority":' + o.priority.toString() + ',"timeout_ms":' + o.timeoutMs.toString();
    out += ',"requeue_on_interrupt":' + o.requeueOnInterrupt.toString();
    out += ',"memory_bytes":' + o.memoryBytes.toString() + "}}";
  }
  return out + "]}";
}

/** For the host: a guest exports it again. */
export function taskhost_describe(): void {
  const text = utf8(manifest());
  output(changetype<usize>(text), text.byteLength, 0, 0);
}

/** For the host: a guest exports it again. */
export function taskhost_run(index: i32): i32 {
  const outcome = definitions[index].run(new Task());
  if (outcome.failed) {
    const message = utf8(outcome.message);
    host_fail(outcome.permanent, changetype<usize>(message), message.byteLength, 0, 0);
    return 1;
  }
  const data = outcome.data, type = utf8(outcome.type);
  output(changetype<usize>(data), data.byteLength, changetype<usize>(type), type.byteLength);
  return 0;
}

/** For the compiler, which calls it for what is thrown: the host looks for this
 * line, and takes the rest for the trace. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (!aborting) {
    aborting = true; // memory may have run out, and end what follows too
    const said = message === null ? "no message" : message, place = file === null ? "" : file;
    const text = utf8("panic: " + said + "\n\tat " + place + ":" + line.toString() + ":" + column.toString() + "\n");
    store<u32>(room, changetype<usize>(text));
    store<u32>(room, text.byteLength, 4);
    fd_write(2, room, 1, room + 8);
  }
  unreachable();
}

let aborting = false;

/** For the compiler: what Math.random starts from. */
export function seed(): f64 {
  random_get(room, 8);
  return load<f64>(room);
}
