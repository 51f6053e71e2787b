// Draws randomness when it is initialised: Math.random has its seed then, and takes
// none in an attempt.
import { define, done, Outcome, Task } from "../../../guest-sdk/assemblyscript/taskhost";
export { taskhost_describe, taskhost_run } from "../../../guest-sdk/assemblyscript/taskhost";

const token = Math.random();

define("token", (_: Task): Outcome => done(token.toString()));
define("random", (_: Task): Outcome => done(Math.random().toString()));
