// Which of several labels fits a text: the model says how likely each label is behind the text, and
// how likely it is behind no text at all, and the quotient decides. Knows nothing of what labels
// mean.

import { forkOf, roomOf } from "./choose";
import { logLikelihoods, type Fork, type Readers } from "./continuations";
import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { checkFlag, checkNames, checkSignal, checkText } from "./options";

export interface ClassifyOptions {
  /**
   * What stands around the text, with `{text}` in its place; the label follows behind one space.
   * Default "{text}\n\nLabel:". Say what is asked: "Review: {text}\nThis review is".
   */
  prompt?: string | undefined;
  /** Weigh each label against its likelihood without a text; default true. */
  isCalibrated?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** A label and how well it fits, in comparison with the others. */
export interface Label<Name extends string = string> {
  readonly label: Name;
  /** Of all labels these make 1. They order labels; nobody has checked them against reality. */
  readonly probability: number;
}

const NAMES = ["prompt", "isCalibrated", "signal"] as const satisfies
  readonly (keyof ClassifyOptions)[];
const PLACE = "{text}";
/** As many labels as people could tell apart; with each the work grows. */
const LABELS_MAX = 256;

/** What `classify` is given, checked. Throws BAD_OPTION. */
export function checkClassify(
  text: string, labels: readonly string[], options: ClassifyOptions,
): { prompt: string; isCalibrated: boolean } {
  checkNames(options, NAMES);
  checkText(text);
  checkSignal(options.signal);
  const { prompt = `${PLACE}\n\nLabel:`, isCalibrated = true } = options;
  checkFlag("isCalibrated", isCalibrated);
  if (typeof prompt !== "string" || prompt.split(PLACE).length !== 2 || prompt === PLACE) {
    throw new NibbleError("BAD_OPTION",
      `Option prompt takes a text with ${PLACE} in it once, and more than that.`);
  }
  if (!Array.isArray(labels) || labels.length < 2 || labels.length > LABELS_MAX
    // Half a surrogate pair has no spelling of its own: two of them would be one label.
    || [...labels].some((label) => typeof label !== "string" || !/^\P{Surrogate}+$/u.test(label))
    || new Set(labels).size < labels.length) {
    throw new NibbleError("BAD_OPTION", `Labels come as a list of 2 to ${LABELS_MAX} different `
      + "texts of at least one character, without half surrogate pairs.");
  }
  return { prompt, isCalibrated };
}

/** How likely labels are without a text, by prompt and labels: the same for all texts. */
export type Priors = Map<string, readonly number[]>;
/** A program has few tasks; the oldest is forgotten. */
const PRIORS_MAX = 16;

/**
 * The labels, best first. Their score is log p(label | prompt with text) - log p(label | prompt
 * without text), which takes away what the model says of a label whatever the text is ("surface
 * form competition", arXiv 2104.08315; "contextual calibration", arXiv 2102.09690); the softmax of
 * the scores are the probabilities. Throws PROMPT_TOO_LONG and as `checkClassify`.
 */
export async function classify<Name extends string>(
  engine: Engine, readers: Readers, text: string, labels: readonly Name[],
  options: ClassifyOptions, priors: Priors,
): Promise<Label<Name>[]> {
  const { prompt, isCalibrated } = checkClassify(text, labels, options);
  const key = JSON.stringify([prompt, labels]);
  const known = isCalibrated ? priors.get(key) : labels.map(() => 0);
  // By a function: a text may have $& in it.
  const forks = [text, ...(known ? [] : [""])].map((content) => (
    forkOf(engine, prompt.replace(PLACE, () => content), " ", labels)));
  for (const fork of forks) checkRoom(engine, fork);
  const [values = [], prior = known ?? []] = await logLikelihoods(readers, forks, options.signal);
  if (isCalibrated) keep(priors, key, prior);
  const scores = values.map((value, i) => value - (prior[i] as number));
  const most = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - most));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return labels.map((label, i) => ({ label, probability: (weights[i] as number) / total }))
    .sort((a, b) => b.probability - a.probability);
}

/** Without its beginning a prompt would ask something else. Throws PROMPT_TOO_LONG. */
function checkRoom(engine: Engine, fork: Fork): void {
  const room = roomOf(engine, fork);
  if (fork.head.length <= room) return;
  throw new NibbleError("PROMPT_TOO_LONG", `The prompt with the text has ${fork.head.length} `
    + `tokens, but only ${room} of the context's positions are free beside the longest label; `
    + "shorten the text or load with a larger context.");
}

function keep(priors: Priors, key: string, prior: readonly number[]): void {
  priors.delete(key);
  priors.set(key, prior);
  const [oldest] = priors.keys();
  if (priors.size > PRIORS_MAX && oldest !== undefined) priors.delete(oldest);
}
