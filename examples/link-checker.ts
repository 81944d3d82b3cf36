/**
 * A link checker: reads the pages of a site from one address on, and tells which of their links are broken.
 *
 * Shows a client that has to be polite and patient with others: so many connections in all and to one host, time between
 * requests, robots.txt, limits for an answer and for the whole, and an end at any moment that keeps what was found.
 *
 *   node build/examples/link-checker.js           a demonstration, on a site that the program brings with it
 *   node build/examples/link-checker.js URL       checks the site at URL
 *   node build/examples/link-checker.js --help    what else there is
 */
import { CancelledError, TimeoutError, timeout } from 'asyncio-ts';
import { startLinkSite } from './embedded/link-site.ts';
import { crawl } from './link-checker/crawl.ts';
import { Findings } from './link-checker/links.ts';
import { type Options, parseOptions, USAGE } from './link-checker/options.ts';
import { type Ending, Report } from './link-checker/report.ts';
import { runProgram } from './support/program.ts';
import { ProgressLine } from './support/terminal.ts';

async function check(start: URL, options: Options): Promise<Report> {
  const begin = performance.now();
  const findings = new Findings(start);
  const progress = new ProgressLine(
    () => `${findings.checked} of ${findings.known} checked, ${findings.broken} broken`,
  );
  const show = (ending: Ending): Report => {
    const report = new Report(findings, ending, (performance.now() - begin) / 1000);
    const lines = options.isJson ? [JSON.stringify(report, null, 2)] : report.toLines(options.isVerbose);
    console.log(lines.join('\n'));
    return report;
  };
  try {
    await timeout(options.deadline).run(() => progress.during(() => crawl(start, options, findings)));
    return show('complete');
  } catch (error) {
    if (error instanceof TimeoutError) return show('out of time');
    if (error instanceof CancelledError) show('interrupted');
    throw error;
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  if (options.start === null) {
    await using site = await startLinkSite();
    await check(new URL(site.url), options);
    return 0;
  }
  const { counts, isComplete } = await check(options.start, options);
  if (counts.broken > 0) return 1;
  return isComplete ? 0 : 3;
}

await runProgram('link-checker', USAGE, main);
