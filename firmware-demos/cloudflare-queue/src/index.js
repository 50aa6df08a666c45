// A Worker for work that may wait: POST /v1/jobs puts requests into a queue, the consumer answers
// them one after the other, and the answers lie in R2.

import { load, shareModel } from "nibble-lm";
import { createJobs, createServer } from "nibble-lm/server";

const getModel = shareModel(async (env) => (
  load(await env.ASSETS.fetch("https://assets/bytepool-10m.gguf"))
));
let server;

const jobsOf = ({ JOBS, DEAD_JOBS, RESULTS, API_KEY }) => (
  createJobs({ queue: JOBS, dead: DEAD_JOBS, results: RESULTS, apiKey: API_KEY,
    log: (error) => console.error(error) }));

export default {
  fetch: (request, env) => jobsOf(env).fetch(request),

  async queue(batch, env, ctx) {
    if (batch.queue === "nibble-jobs-dead") return jobsOf(env).bury(batch);
    const model = await getModel(env, ctx);
    server ??= createServer(model);
    await jobsOf(env).consume(batch, (request) => server.fetch(request));
  },
};
