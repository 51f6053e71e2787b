// A guest that does nothing but take its input and give it back, for measuring
// what the host adds to that.
import { define, doneBytes, Outcome, Task } from "../../../guest-sdk/assemblyscript/taskhost";
export { taskhost_describe, taskhost_run } from "../../../guest-sdk/assemblyscript/taskhost";

define("raw", raw);

function raw(task: Task): Outcome {
  return doneBytes(task.input(), "");
}
