// onnxruntime as WebAssembly in a page. Does not know: what is timed.

import { env, InferenceSession, Tensor } from
  "/bench/peers/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
import { contestant, sessionOptions } from "../adapters/onnxruntime.mjs";

export async function open({ onnx, threads, shape }) {
  env.wasm.wasmPaths = "/bench/peers/node_modules/onnxruntime-web/dist/";
  env.wasm.numThreads = threads;
  const bytes = new Uint8Array(await (await fetch(onnx)).arrayBuffer());
  const session = await InferenceSession.create(bytes,
    { ...sessionOptions(threads), executionProviders: ["wasm"] });
  return contestant(session, Tensor, shape);
}
