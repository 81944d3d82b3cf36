/** A timeline as bars of text and as a picture. */

/** One child: seconds since the first of its kind was asked for. */
export interface Span {
  readonly num: number;
  readonly began: number;
  readonly ended: number;
}

/** One way to run children. */
export interface Way {
  readonly name: string;
  readonly spans: readonly Span[];
  /** Bytes for each child. */
  readonly memoryEach: number;
}

const MEGABYTE = 2 ** 20;

function duration(seconds: number): string {
  return seconds < 0.001 ? `${(seconds * 1e6).toFixed(0)} µs` : `${(seconds * 1000).toFixed(1)} ms`;
}

/** Below this, pages that come and go hide what a child takes. */
const LEAST = 64 * 1024;

function size(bytes: number): string {
  if (bytes < LEAST) return 'under 64 KiB';
  return bytes < MEGABYTE ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / MEGABYTE).toFixed(1)} MiB`;
}

/** When the last child of the slowest way ended. */
function endOf(ways: readonly Way[]): number {
  return Math.max(...ways.flatMap(({ spans }) => spans.map(({ ended }) => ended)));
}

/** From the call that asks for it until a child runs: the mean of its kind. */
function startCost({ spans }: Way): number {
  return spans.reduce((sum, { began }) => sum + began, 0) / spans.length;
}

const WIDTH = 50;

/** Bars for a terminal: dots until a child runs, blocks while it does. */
export function textBars(ways: readonly Way[]): string {
  const end = endOf(ways);
  const column = (seconds: number): number => Math.round((seconds / end) * WIDTH);
  const lines: string[] = [];
  for (const way of ways) {
    const cost = `start ${duration(startCost(way))}, memory ${size(way.memoryEach)} each`;
    lines.push(`${way.name.padEnd(10)} ${cost}`);
    for (const { num, began, ended } of way.spans) {
      const start = column(began);
      const length = Math.max(1, column(ended) - start);
      lines.push(
        `  ${num} |${('·'.repeat(start) + '█'.repeat(length)).padEnd(WIDTH)}| ${ended.toFixed(2)} s`,
      );
    }
  }
  lines.push(`     0${`${end.toFixed(1)} s`.padStart(WIDTH)}`);
  return lines.join('\n');
}

const LEFT = 120;
const PLOT = 560;
const RIGHT = 190;
const ROW = 22;
const COLOURS: Readonly<Record<string, string>> = {
  processes: '#c0504d',
  threads: '#4f81bd',
  tasks: '#6a9a3b',
};

/** The same as a picture. */
export function toSvg(ways: readonly Way[]): string {
  const end = endOf(ways);
  const x = (seconds: number): number => LEFT + (seconds / end) * PLOT;
  const parts: string[] = [];
  let y = 46;
  for (const way of ways) {
    const colour = COLOURS[way.name] ?? '#777';
    const middle = y + (way.spans.length * ROW) / 2;
    parts.push(
      `<text x="16" y="${middle}" class="name" fill="${colour}">${way.name}</text>`,
      `<text x="${LEFT + PLOT + 14}" y="${middle - 8}">start ${duration(startCost(way))} each</text>`,
      `<text x="${LEFT + PLOT + 14}" y="${middle + 10}">memory ${size(way.memoryEach)} each</text>`,
    );
    for (const { num, began, ended } of way.spans) {
      parts.push(
        `<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${num}</text>`,
        `<line x1="${LEFT}" x2="${x(began).toFixed(1)}" y1="${y + 8}" y2="${y + 8}" class="wait"/>`,
        `<rect x="${x(began).toFixed(1)}" y="${y}" width="${Math.max(1, x(ended) - x(began)).toFixed(1)}" ` +
          `height="${ROW - 6}" rx="2" fill="${colour}"/>`,
      );
      y += ROW;
    }
    y += 18;
  }
  const step = end > 4 ? 1 : end > 1.5 ? 0.5 : 0.25;
  const ticks: string[] = [];
  for (let second = 0; second <= end; second += step) {
    ticks.push(
      `<line x1="${x(second).toFixed(1)}" x2="${x(second).toFixed(1)}" y1="36" y2="${y - 8}" class="grid"/>`,
      `<text x="${x(second).toFixed(1)}" y="${y + 8}" text-anchor="middle">${second} s</text>`,
    );
  }
  const width = LEFT + PLOT + RIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y + 22}" viewBox="0 0 ${width} ${y + 22}">
<style>
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .title { font-size: 15px; font-weight: 600 }
  .name { font-size: 14px; font-weight: 600 }
  .grid { stroke: #ddd }
  .wait { stroke: #999; stroke-dasharray: 2 3 }
</style>
<rect width="100%" height="100%" fill="white"/>
<text x="16" y="24" class="title">The same four children three ways: dashes until they run, bars while they do</text>
${[...ticks, ...parts].join('\n')}
</svg>
`;
}
