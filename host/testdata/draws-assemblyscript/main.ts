// Draws randomness in an attempt: Math.random takes a seed when it is first called.
import { define, done, Outcome, Task } from "../../../guest-sdk/assemblyscript/taskhost";
export { taskhost_describe, taskhost_run } from "../../../guest-sdk/assemblyscript/taskhost";

define("random", (_: Task): Outcome => done(Math.random().toString()));
