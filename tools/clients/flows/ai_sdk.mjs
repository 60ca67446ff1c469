// The AI SDK of Vercel with its provider for Google.
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { embed, generateObject, generateText } from "ai";
import { z } from "zod";

const URL = process.env.EMULATOR_URL;
const STORE = process.env.EMULATOR_STORE;
const QUESTION = "Why do arches stand?";
const SENTENCE = "Arches stand by their keystone.";
const google = createGoogleGenerativeAI({ apiKey: "any", baseURL: `${URL}/v1beta` });
const model = google("gemini-3.5-flash");

async function flow(name, run) {
  try {
    await run();
    console.log(JSON.stringify({ flow: name, result: "yes" }));
  } catch (error) {
    const note = `${error.name}: ${String(error.message).replace(/\s+/g, " ").slice(0, 160)}`;
    console.log(JSON.stringify({ flow: name, result: "no", note }));
  }
}

function must(condition, said = "") {
  if (!condition) throw new Error(`not as expected: ${JSON.stringify(said)}`);
}

function ask(search = {}) {
  const tool = google.tools.fileSearch({ fileSearchStoreNames: [STORE], ...search });
  return generateText({ model, prompt: QUESTION, tools: { file_search: tool }, maxRetries: 0 });
}

await flow("ask", async () => must((await ask()).text.includes(SENTENCE)));
await flow("cite", async () => {
  const { sources, providerMetadata } = await ask();
  must(sources.length > 0, sources);
  const chunks = providerMetadata.google.groundingMetadata.groundingChunks;
  must(chunks[0].retrievedContext.text === SENTENCE, chunks);
});
await flow("filter", async () => must(!(await ask({ metadataFilter: 'year = "none"' })).text.includes(SENTENCE)));
await flow("JSON", async () => {
  const { object } = await generateObject({ model, prompt: QUESTION, schema: z.object({ reason: z.string() }), maxRetries: 0 });
  must(typeof object.reason === "string", object);
});
await flow("embed", async () => {
  const { embedding } = await embed({ model: google.textEmbeddingModel("gemini-embedding-001"), value: QUESTION, maxRetries: 0 });
  must(embedding.length === 3072);
});
