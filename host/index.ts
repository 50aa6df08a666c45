// The public names, whatever the platform.

export type { ChatMessage, ChatRole, TextPart } from "./chat";
export type { ChooseOptions, Chosen } from "./choose";
export type { ClassifyOptions, Label } from "./classify";
export type { Completion, FinishReason, GenerateResult, Writing } from "./completion";
export { NibbleError, type EngineErrorCode, type ErrorCode, type HostErrorCode } from "./errors";
export type { ExtractOptions } from "./extract";
export type { MetadataEntry, MetadataValue, ModelInfo, TensorInfo } from "./info";
export type { Activity, EmbedOptions, Embedding, Model } from "./model";
export type {
  CacheType, EvaluateOptions, FetchFunction, GenerateOptions, LikelyToken, LoadOptions,
  LoadProgress, Simd, TokenStep, TokenizeOptions, WeightType,
} from "./options";
export type { Question } from "./questions";
export type { RemoteModel } from "./remote";
export type {
  CompletionOf, JsonSchema, Schema, Shaped, ShapeOptions, StandardSchema, ValueOf,
} from "./schema";
export type { ScoreOptions, ScoreResult } from "./score";
export type { Prompt, Session } from "./session";
export type { SourceInput, StoredObject } from "./source";
