// Converts the history's points to the data of the charts.

import { t } from './strings.js';

/** Return the charts of a history, each with title and lines, all over the same times. */
export function series({ points, step_seconds: step }) {
  const filled = withGaps(points, step * 1000);
  const times = filled.map(({ at }) => Date.parse(at) / 1000);
  const line = (label, value) => ({ label, values: filled.map((point) => (point.nodes ? value(point) : null)) });
  return [
    { title: t('connections_chart'), times, lines: [
      line(t('connections'), (point) => point.connections), line(t('users_online'), (point) => point.users),
    ] },
    { title: t('messages_chart'), times, lines: [line(t('messages'), (point) => point.messages / step)] },
    { title: t('latency_chart'), times, lines: [
      line(t('mean'), (point) => point.latency_ms), line(t('p99'), (point) => point.p99_ms),
    ] },
  ];
}

/** Return a point without values for a step that no node reported, so that the line breaks there. */
function withGaps(points, step) {
  return points.flatMap((point, index) => {
    const before = index ? Date.parse(points[index - 1].at) : Infinity;
    const isGap = Date.parse(point.at) - before > 1.5 * step;
    return isGap ? [{ at: new Date(before + step).toISOString(), nodes: 0 }, point] : [point];
  });
}
