// A task in a Worker: a PUT names an address whose bytes become an object of R2, a POST is a task
// for the model of that name.

import { load } from "nibble-lm";
import { answer } from "./program.mjs";

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname;
    if (request.method === "PUT") {
      const { body } = await fetch(await request.text());
      await env.MODELS.put(name, body);
      return new Response();
    }
    const { userAgent } = navigator;
    const object = await env.MODELS.get(name);
    return Response.json({ userAgent, ...await answer(load, object, await request.json()) });
  },
};
