// slug is a task in AssemblyScript. text.slug makes of a title what can stand in the
// address of a page. To see here is how little a small task takes, and what is not
// to be had: no regular expressions, and no exceptions to catch. By hand, in the
// folder above examples:
//
//	npm install assemblyscript
//	npx asc examples/wasm-tasks/slug/main.ts -o slug.wasm -O3 --exportStart _initialize \
//		--use abort=guest-sdk/assemblyscript/taskhost/abort --use seed=guest-sdk/assemblyscript/taskhost/seed
//	taskhost run slug.wasm --args '"Crème brûlée, twice"'
import { define, done, failPermanent, quote, Outcome, Task } from "../../../guest-sdk/assemblyscript/taskhost";
export { taskhost_describe, taskhost_run } from "../../../guest-sdk/assemblyscript/taskhost";

// Each letter of the first is written as the one at its place in the second.
const accented = "àáâãåāçćčèéêëēęìíîïīñńòóôõøōùúûūýÿśšźżžł";
const plain = "aaaaaaccceeeeeeiiiiinnoooooouuuuyysszzzl";
const others = ["ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "œ", "oe"];

define("text.slug", slug, {
  description: "Makes of a title what can stand in the address of a page.",
  args: '{"type":"string"}',
});

function slug(task: Task): Outcome {
  const title = task.text().toLowerCase();
  let out = "", gap = false;
  for (let i = 0; i < title.length; i++) {
    const letters = written(title.charAt(i));
    if (letters == "") {
      gap = out != "";
      continue;
    }
    if (gap) out += "-";
    gap = false;
    out += letters;
  }
  if (out == "") return failPermanent("nothing of the title can stand in an address");
  return done(quote(out));
}

/** What a letter or digit is written as; nothing for anything else. */
function written(char: string): string {
  if ((char >= "a" && char <= "z") || (char >= "0" && char <= "9")) return char;
  const at = accented.indexOf(char);
  if (at >= 0) return plain.charAt(at);
  const other = others.indexOf(char);
  return other >= 0 ? others[other + 1] : "";
}
