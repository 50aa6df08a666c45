// Every kernel, exported one by one for tests and for the bench ladder. Never shipped.

export * from "./add";
export * from "./attention";
export * from "./attention3";
export * from "./divide";
export * from "./embed";
export * from "./matmul";
export * from "./matvec";
export * from "./quantize";
export * from "./rmsnorm";
export * from "./rope";
export * from "./softmax";
export * from "./swiglu";
export { exp, log, sinTurned } from "../math";
export { areSumsRight, chooseSums, isExact, sumBits } from "../sums";
