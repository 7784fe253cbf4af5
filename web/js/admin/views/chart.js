// One chart: uPlot on a canvas, in the colours of the theme, with its figures as text for screen readers.

import { Component, createRef, html } from '../../dom.js';
import { clock } from '../../time.js';
import UPlot from '../../../vendor/uplot.js';
import { t } from '../strings.js';
import { time } from '../time.js';

/** Pixels. */
const HEIGHT = 170;
/** Length of an axis in seconds below which its labels show seconds. */
const SHORT = 300;

export class Chart extends Component {
  place = createRef();
  scheme = matchMedia('(prefers-color-scheme: dark)');

  componentDidMount() {
    const element = this.place.current;
    this.plot = new UPlot(options(element, this.props.lines), data(this.props), element);
    this.sizes = new ResizeObserver(() => this.plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    this.sizes.observe(element);
    this.scheme.addEventListener('change', this.redraw);
  }

  componentDidUpdate() {
    this.plot.setData(data(this.props));
  }

  componentWillUnmount() {
    this.scheme.removeEventListener('change', this.redraw);
    this.sizes.disconnect();
    this.plot.destroy();
  }

  redraw = () => this.plot.redraw(false, true);

  render({ title, lines }) {
    return html`
      <figure class="chart" role="img" aria-label=${inWords(title, lines[0].values)}>
        <figcaption><strong>${title}</strong>
          <span class="muted">${lines.map(({ label, values }) => `${label} ${figure(values.at(-1))}`).join(' · ')}</span>
        </figcaption>
        <div class="plot" ref=${this.place}><i class="axis"></i>${lines.map((_line, index) => html`
          <i class=${`line-${index}`}></i>`)}</div>
      </figure>`;
  }
}

function data({ times, lines }) {
  return [times, ...lines.map(({ values }) => values)];
}

/** Read the colours at each drawing from elements that the style sheet colours. */
function options(element, lines) {
  const colour = (name) => () => getComputedStyle(element.querySelector(`:scope > .${name}`)).color;
  const axis = { stroke: colour('axis'), grid: { stroke: colour('axis'), width: 0.25 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [{ ...axis, size: 30, space: 70, values: (_plot, moments) => onTheAxis(moments) }, { ...axis, size: 44 }],
    series: [
      { value: (_plot, moment) => (moment === null ? '–' : clock(moment * 1000)), label: t('when') },
      ...lines.map(({ label }, index) => ({
        label, stroke: colour(`line-${index}`), width: 1.5, value: (_plot, value) => figure(value),
        points: { filter: (plot, number, all) => (all ? null : alone(plot.data[number])) },
      })),
    ],
  };
}

/** Return the values without a neighbour, which have no visible line and are drawn as points. */
function alone(values) {
  return values.flatMap((value, index) => {
    const isAlone = (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
    return value !== null && isAlone ? [index] : [];
  });
}

function onTheAxis(moments) {
  const word = moments.at(-1) - moments[0] < SHORT ? time : clock;
  return moments.map((moment) => word(moment * 1000));
}

function figure(value) {
  if (value === null || value === undefined) return '–';
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

function inWords(title, values) {
  const most = values.reduce((found, value) => Math.max(found, value ?? 0), 0);
  return t('now_and_most', { title, now: figure(values.at(-1)), most: figure(most) });
}
