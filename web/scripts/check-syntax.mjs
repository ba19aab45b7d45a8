// The buyer's page must run in WebViews of Chrome 78 and Safari 12.1. The build lowers syntax to them; this reads what
// came out, because one dependency shipped unlowered is a white page for its users. Parsed with TypeScript's parser.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { dist, fail, firstLoad, needDist } from "./dist.mjs";

needDist();
const K = ts.SyntaxKind;

function tooNew(node) {
  if (node.questionDotToken && node.kind !== K.Parameter) return "?.";
  if (node.kind === K.BinaryExpression) {
    const operator = node.operatorToken.kind;
    if (operator === K.QuestionQuestionToken) return "??";
    if ([K.QuestionQuestionEqualsToken, K.BarBarEqualsToken, K.AmpersandAmpersandEqualsToken].includes(operator)) return "??= ||= &&=";
  }
  if (node.kind === K.PropertyDeclaration) return "class field";
  if (node.kind === K.PrivateIdentifier) return "#private";
  if (node.kind === K.ClassStaticBlockDeclaration) return "static block";
  if (node.kind === K.BigIntLiteral) return "BigInt";
  if (node.kind === K.AwaitExpression && !inFunction(node)) return "top-level await";
  if (node.kind === K.NumericLiteral && node.getText().includes("_")) return "numeric separator";
  if (node.kind === K.RegularExpressionLiteral) {
    const text = node.getText();
    if (/\(\?<[=!]/.test(text)) return "regular expression with lookbehind";
    if (/\/[a-z]*[dv][a-z]*$/.test(text.slice(text.lastIndexOf("/")))) return "regular expression flag";
  }
  // Methods younger than the oldest WebView; nothing in the page brings them along. (Vue wraps toSorted and its like
  // only for callers that have them, and our board has an `at` of its own: those names prove nothing.)
  if (node.kind === K.CallExpression && node.expression.kind === K.PropertyAccessExpression) {
    const name = node.expression.name.text;
    if (["replaceAll", "hasOwn", "allSettled", "structuredClone", "randomUUID", "replaceChildren"].includes(name)) return `.${name}()`;
  }
  return null;
}

function inFunction(node) {
  for (let up = node.parent; up; up = up.parent) if (ts.isFunctionLike(up)) return true;
  return false;
}

/** CSS that the oldest WebViews drop silently, and that the page would look broken without. */
const CSS = [
  [/:(?:is|where|has)\(/, ":is() :where() :has()"],
  [/\binset\s*:/, "inset"],
  [/\baspect-ratio\s*:/, "aspect-ratio"],
  [/\b(?:clamp|min|max)\([^)]*\)/, "clamp() min() max()"],
  [/\b\d+(?:dvh|svh|lvh)\b/, "dvh"],
  [/\bcolor-mix\(|\boklch\(/, "color-mix()"],
  [/@layer\b|@container\b/, "@layer @container"],
];

for (const file of firstLoad("buyer/index.html")) {
  const text = readFileSync(join(dist, file), "utf8");
  if (file.endsWith(".js")) {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
    const walk = (node) => {
      const what = tooNew(node);
      if (what) fail(`${file}:${node.getStart()} ${what}: ${node.getText().slice(0, 80)}`);
      ts.forEachChild(node, walk);
    };
    walk(source);
  } else if (file.endsWith(".css")) {
    for (const [pattern, name] of CSS) {
      const hit = pattern.exec(text);
      if (hit) fail(`${file}: ${name}: ${text.slice(Math.max(0, hit.index - 30), hit.index + 50)}`);
    }
    // Flex containers have no gap before Chrome 84: only grids may use one, and they say grid-gap in our sources.
    for (const [rule] of text.matchAll(/[^{}]*\{[^{}]*\}/g)) {
      if (/display:\s*(?:inline-)?flex/.test(rule) && /[;{]\s*gap\s*:/.test(rule)) fail(`${file}: gap in a flex container: ${rule.slice(0, 100)}`);
    }
  }
}
if (!process.exitCode) console.log("The buyer's first load uses nothing newer than Chrome 78 and Safari 12.1.");
