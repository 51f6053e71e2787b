// A guest that uses all of taskhost.ts. Its siblings in other languages do the
// same, and one test is held against all of them.
import { define, done, doneBytes, fail, failPermanent, now, quote, Outcome, Task } from "../../../guest-sdk/assemblyscript/taskhost";
export { taskhost_describe, taskhost_run } from "../../../guest-sdk/assemblyscript/taskhost";

define("echo", (task: Task): Outcome => doneBytes(task.input(), task.inputType()));
define("context", context, {
  description: 'Says "all" that it is told.',
  args: '{"type":"object"}',
  retries: 3,
  delayMs: 1500,
  backoff: 1.25,
  maxDelayMs: 60000,
  priority: 7,
  timeoutMs: 30000,
  requeueOnInterrupt: true,
  memoryBytes: 33554432,
});
define("logs", logs);
define("string", (task: Task): Outcome => done(quote(task.text())));
define("fail", (task: Task): Outcome => fail(text(task)));
define("fail.permanent", (task: Task): Outcome => failPermanent(text(task)));
define("panic", (task: Task): Outcome => {
  if (task.input().byteLength > 0) throw new Error(text(task));
  return done("");
});
define("deep", (task: Task): Outcome => done(down(<i32>parseInt(text(task))).toString()));

function text(task: Task): string { return String.UTF8.decode(task.input()); }

function context(task: Task): Outcome {
  const tags = task.tags(), keys = tags.keys();
  let out = '{"type":' + quote(task.inputType()) + ',"id":' + quote(task.id()) + ',"name":' + quote(task.name());
  out += ',"attempt":' + task.attempt().toString() + ',"max_attempts":' + task.maxAttempts().toString();
  out += ',"deadline":' + task.deadlineMs().toString() + ',"tags":{';
  for (let i = 0; i < keys.length; i++) out += (i > 0 ? "," : "") + quote(keys[i]) + ":" + quote(tags.get(keys[i]));
  return done(out + '},"unknown":' + (now() < task.deadlineMs()).toString() + "}");
}

function logs(task: Task): Outcome {
  task.debug("at debug");
  task.log(1, "at info", '{"n":1}');
  task.warn("at warn");
  task.error("ät error");
  return done("");
}

function down(n: i32): i32 { return n == 0 ? 0 : down(n - 1) + 1; }
