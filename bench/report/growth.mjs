// How speed goes with size, context, sessions and threads, as tables and charts.
// Does not know: how it was measured.

import { shapeOf } from "../models/shapes.mjs";
import { lineChart, short } from "./chart.mjs";
import { table } from "./markdown.mjs";

const percent = (share) => (share === undefined ? undefined : `${short(share * 100)} %`);
const titleOf = (name) => shapeOf(name).title;

export function growthParts(growth) {
  const { sizes, contexts, batches, threads, costs } = growth;
  const note = `${growth.engine}, ${growth.node}, one thread. ${growth.machine}.`;
  const charts = {};
  const sections = [`${growth.engine}, Node ${growth.node}; ${growth.machine}; ${growth.date}; `
    + `medians of ${growth.rounds} rounds at most. ${growth.noisyRuns > 0
      ? `The machine was not quiet before ${growth.noisyRuns} of the runs.` : ""}`.trim()];
  if (sizes.length > 0) {
    charts["growth-size.svg"] = sizeChart(sizes, note);
    sections.push(sizeSection(sizes));
  }
  if (contexts.length > 0) {
    charts["growth-context.svg"] = lineChart({
      title: "Tokens a second by context", note, xTitle: "positions in the cache",
      marks: contexts[0].points.map(({ position }) => position),
      series: contexts.map(({ shape, points }) => ({
        name: titleOf(shape), points: points.map(({ position, ms }) => [position, 1000 / ms]),
      })),
    });
    sections.push(pointsSection("Context", "context", contexts, ({ position }) => position,
      ({ ms }) => 1000 / ms));
  }
  if (batches.length > 0) {
    charts["growth-batch.svg"] = lineChart({
      title: "Tokens a second of all sessions together", note,
      xTitle: "sessions, a row of each in every pass",
      marks: batches[0].points.map(({ sessions }) => sessions),
      series: batches.map(({ shape, points }) => ({
        name: titleOf(shape),
        points: points.map(({ sessions, perSecond }) => [sessions, perSecond]),
      })),
    });
    sections.push(pointsSection("Sessions in one pass", "batch", batches,
      ({ sessions }) => sessions, ({ perSecond }) => perSecond,
      { name: "to single passes, in turns", of: ({ ratio }) => ratio && `${ratio.toFixed(2)} x` }));
  }
  if (threads.length > 0) sections.push(threadsSection(threads, growth.skipped));
  if (costs) sections.push(costSection(costs, contexts));
  return { name: "growth", charts, markdown: sections.join("\n\n") };
}

function sizeChart(sizes, note) {
  const points = (architecture) => sizes
    .filter(({ shape }) => shapeOf(shape).architecture === architecture)
    .map(({ weightsMegabytes, ms }) => [weightsMegabytes, ms])
    .sort(([a], [b]) => a - b);
  return lineChart({
    title: "Milliseconds a token by megabytes of weights that it reads", note,
    xTitle: "megabytes of weights a token", marks: [2, 5, 10, 20, 50, 100, 200],
    series: [{ name: "Llama", points: points("llama") },
      { name: "bytepool", points: points("bytepool") }].filter((each) => each.points.length > 0),
  });
}

function sizeSection(sizes) {
  const hasJoules = sizes.some(({ joulesPerThousand }) => joulesPerThousand !== undefined);
  const energy = hasJoules ? ["joules per 1,000 bytes"] : [];
  return `### Size and energy\n\n![Size](charts/growth-size.svg)\n\n${table(
    ["shape", "load ms", "prompt tokens/s", "decode tokens/s", "bytes a token",
      "MB of weights a token", "read limit GB/s", "share of the limit",
      "CPU seconds per 1,000 bytes", ...energy],
    sizes.map((size) => [titleOf(size.shape), short(size.loadMs), short(size.promptPerSecond),
      short(size.perSecond), size.tokenBytes, short(size.weightsMegabytes),
      size.gigabytesPerSecond && short(size.gigabytesPerSecond), percent(size.shareOfLimit),
      short(size.cpuSecondsPerThousand),
      ...(hasJoules ? [size.joulesPerThousand && short(size.joulesPerThousand)] : [])]))}${hasJoules
    ? "" : "\n\nThis machine tells no watts: CPU seconds stand for energy."}`;
}

/** `besides`: another number of each point, in a row of its own. */
function pointsSection(title, chart, rows, at, value, besides) {
  const columns = rows.map(({ points }) => points.map(at))
    .reduce((most, each) => (each.length > most.length ? each : most));
  return `### ${title}\n\n![${title}](charts/growth-${chart}.svg)\n\n${table(
    ["tokens/s", ...columns.map((column) => column.toLocaleString("en-US"))],
    rows.flatMap(({ shape, points }) => [
      [titleOf(shape), ...columns.map((_, i) => points[i] && short(value(points[i])))],
      ...(besides ? [[besides.name, ...columns.map((_, i) => points[i] && besides.of(points[i]))]]
        : [])]))}`;
}

function threadsSection(threads, skipped) {
  const reasons = skipped.filter(({ kind }) => kind === "threads")
    .map(({ shape, threads: count, reason }) => `${titleOf(shape)}, ${count}: ${reason}`);
  return `### Threads\n\n${table(["shape", "threads", "decode tokens/s"], threads.map(
    ({ shape, threads: count, ms }) => [titleOf(shape), count, short(1000 / ms)]))}${reasons.length
    ? `\n\nLeft out: ${reasons.join("; ")}.` : ""}`;
}

function costSection(costs, contexts) {
  const each = costs.perThousandPositions.map(({ shape, ms }) =>
    `${titleOf(shape)} ${short(ms)} ms`);
  const [fixed, perWeights, perCache] = [costs.fixed, costs.perWeights, costs.perCache].map(short);
  return `### What a token costs\n\n\`ms = ${fixed} + ${perWeights} · MB of weights + `
    + `${perCache} · MB of cache\`, fitted over ${costs.points} points; the root of the mean `
    + `square error is ${percent(costs.error)}.${contexts.length > 0
      ? ` In positions, 1,000 of them cost: ${each.join(", ")}.` : ""}`;
}
