// Times as people read them, in the browser's zone.

import { language, t } from './strings.js';

const CLOCK = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const DAY = new Intl.DateTimeFormat(language, { weekday: 'short', day: 'numeric', month: 'long' });
const DATE = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });

export function clock(moment) {
  return CLOCK.format(new Date(moment));
}

export function full(moment) {
  return FULL.format(new Date(moment));
}

/** The day as a heading: today, yesterday or its date. */
export function day(moment) {
  const age = daysAgo(moment);
  if (age === 0) return t('today');
  return age === 1 ? t('yesterday') : DAY.format(new Date(moment));
}

/** Short: the time of today, else the day. */
export function brief(moment) {
  const age = daysAgo(moment);
  if (age === 0) return clock(moment);
  return age === 1 ? t('yesterday') : DATE.format(new Date(moment));
}

export function sameDay(one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

function daysAgo(moment) {
  const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(moment)) / 86_400_000);
}
