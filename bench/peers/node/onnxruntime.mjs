// onnxruntime's native addon. Does not know: what is timed.

import { InferenceSession, Tensor } from "onnxruntime-node";
import { contestant, sessionOptions } from "../adapters/onnxruntime.mjs";

export const open = async ({ onnx, threads, shape }) =>
  contestant(await InferenceSession.create(onnx, sessionOptions(threads)), Tensor, shape);
