// Every diagram of a folder through the real Mermaid: it parses, and what Mermaid understood is what was written, that is
// as many boxes, nodes and lines as the text has. Ends with a line for all of them; non-zero when one is not understood.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { JSDOM } from "jsdom";

// labels are sanitised with the DOM of a browser
const { window } = new JSDOM("<!doctype html><body></body>");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import("mermaid");
mermaid.initialize({ startOnLoad: false });

const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => name.endsWith(".mmd")).sort();
let failed = 0;
for (const name of files) {
  const text = readFileSync(join(folder, name), "utf8");
  const count = (pattern) => text.split("\n").filter((line) => pattern.test(line)).length;
  const written = {
    boxes: count(/^ +subgraph /),
    nodes: count(/^ +[ne][0-9]*[[({]/),
    lines: count(/ -->\|/),
  };
  try {
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
    const boxes = db.getSubGraphs().map((box) => box.id);
    const understood = {
      boxes: boxes.length,
      // a box that a line or a class names is listed among the nodes, too
      nodes: [...db.getVertices().keys()].filter((id) => !boxes.includes(id)).length,
      lines: db.getEdges().length,
    };
    if (JSON.stringify(understood) !== JSON.stringify(written)) {
      throw new Error(`written ${JSON.stringify(written)}, understood ${JSON.stringify(understood)}`);
    }
  } catch (error) {
    failed += 1;
    console.log(`mermaid, ${name}: FAILED: ${String(error.message).split("\n").slice(0, 4).join(" / ")}`);
  }
}
console.log(`mermaid: ${files.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 || files.length === 0 ? 1 : 0);
