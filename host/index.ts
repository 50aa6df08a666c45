// The public names, whatever the platform.

export type { ChooseOptions, Chosen } from "./choose";
export { NibbleError, type EngineErrorCode, type ErrorCode, type HostErrorCode } from "./errors";
export type { MetadataEntry, MetadataValue, ModelInfo, TensorInfo } from "./info";
export type { Completion, Model } from "./model";
export type {
  CacheType, FetchFunction, GenerateOptions, LikelyToken, LoadOptions, LoadProgress,
  TokenStep, TokenizeOptions, WeightType,
} from "./options";
export type { Question } from "./questions";
export type { RemoteModel } from "./remote";
export type { ScoreOptions, ScoreResult } from "./score";
export type { EvaluateOptions, FinishReason, GenerateResult, Session } from "./session";
export type { SourceInput, StoredObject } from "./source";
