// @google/genai, from npm.
import { GoogleGenAI } from "@google/genai";

const URL = process.env.EMULATOR_URL;
const MODEL = "gemini-3.5-flash";
const QUESTION = "Why do arches stand?";
const SENTENCE = "Arches stand by their keystone.";
const client = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: URL, apiVersion: "v1beta" } });

async function flow(name, run) {
  try {
    const result = await run();
    console.log(JSON.stringify({ flow: name, result: "yes" }));
    return result;
  } catch (error) {
    const note = `${error.name}: ${String(error.message).replace(/\s+/g, " ").slice(0, 160)}`;
    console.log(JSON.stringify({ flow: name, result: "no", note }));
    return undefined;
  }
}

function must(condition, said = "") {
  if (!condition) throw new Error(`not as expected: ${JSON.stringify(said)}`);
}

async function done(operation) {
  for (let n = 0; n < 50; n++) {
    operation = await client.operations.get({ operation });
    if (operation.done) return operation;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the operation is not done");
}

async function ask(search = {}) {
  const fileSearch = { fileSearchStoreNames: [store], ...search };
  const config = { tools: [{ fileSearch }] };
  const answer = await client.models.generateContent({ model: MODEL, contents: QUESTION, config });
  return answer.candidates[0];
}

const text = () => new Blob([SENTENCE], { type: "text/plain" });

const made = await flow("create store", () =>
  client.fileSearchStores.create({ config: { displayName: "a b" } }),
);
const store = made?.name;
await flow("upload", async () => {
  const operation = await client.fileSearchStores.uploadToFileSearchStore({
    fileSearchStoreName: store,
    file: text(),
    config: { displayName: "arches one", mimeType: "text/plain" },
  });
  await done(operation);
});
await flow("import", async () => {
  const file = await client.files.upload({ file: text(), config: { mimeType: "text/plain" } });
  const customMetadata = [{ key: "year", numericValue: 1934 }];
  const operation = await client.fileSearchStores.importFile({
    fileSearchStoreName: store,
    fileName: file.name,
    config: { customMetadata },
  });
  await done(operation);
  await client.files.delete({ name: file.name });
});
await flow("ask", async () => must((await ask()).content.parts[0].text.includes(SENTENCE)));
await flow("cite", async () => {
  const grounding = (await ask()).groundingMetadata;
  must(grounding.groundingChunks[0].retrievedContext.text === SENTENCE, grounding);
  must(grounding.groundingSupports[0].segment.endIndex === SENTENCE.length, grounding);
});
await flow("filter", async () => {
  const one = await ask({ metadataFilter: "year = 1934" });
  must(one.groundingMetadata.groundingChunks.length === 1, one);
  must(!(await ask({ metadataFilter: "year = 1" })).groundingMetadata);
});
await flow("JSON", async () => {
  const config = {
    tools: [{ fileSearch: { fileSearchStoreNames: [store] } }],
    responseMimeType: "application/json",
    responseJsonSchema: { type: "object", properties: { reason: { type: "string" } }, required: ["reason"] },
  };
  const answer = await client.models.generateContent({ model: MODEL, contents: QUESTION, config });
  must(JSON.parse(answer.text).reason.includes(SENTENCE), answer.text);
});
await flow("delete", async () => {
  const documents = [];
  for await (const one of await client.fileSearchStores.documents.list({ parent: store })) documents.push(one);
  must(documents.length === 2, documents);
  await client.fileSearchStores.documents.delete({ name: documents[0].name, config: { force: true } });
  await client.fileSearchStores.delete({ name: store, config: { force: true } });
});
await flow("models", async () => {
  const names = [];
  for await (const model of await client.models.list()) names.push(model.name);
  must(names.length > 5, names);
  must((await client.models.get({ model: MODEL })).inputTokenLimit);
});
await flow("count tokens", async () => {
  const counted = await client.models.countTokens({ model: MODEL, contents: QUESTION });
  must(counted.totalTokens === 4, counted);
});
await flow("embed", async () => {
  const answer = await client.models.embedContent({ model: "gemini-embedding-001", contents: QUESTION });
  must(answer.embeddings[0].values.length === 3072);
});
