// Times formatted for people, in the browser's time zone.

import { language, t } from './strings.js';

const CLOCK = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const DAY = new Intl.DateTimeFormat(language, { weekday: 'short', day: 'numeric', month: 'long' });
const DATE = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'long', year: 'numeric' });
const DATE_OF_YEAR = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', year: 'numeric' });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });

export function clock(moment) {
  return format(CLOCK, moment);
}

export function full(moment) {
  return format(FULL, moment);
}

/** Return milliseconds since 1970 of a time on the wire or of Date.now(); NaN for anything else. */
export function millis(moment) {
  return typeof moment === 'string' || typeof moment === 'number' ? new Date(moment).getTime() : NaN;
}

/** Return an empty text for an invalid time, for which formatters throw. */
function format(formatter, moment) {
  const date = millis(moment);
  return Number.isNaN(date) ? '' : formatter.format(date);
}

/** Return the day as a heading: today, yesterday or its date. */
export function day(moment) {
  const age = daysAgo(moment);
  if (age === 0) return t('today');
  return age === 1 ? t('yesterday') : format(isThisYear(moment) ? DAY : DAY_OF_YEAR, moment);
}

/** Return a short form: the time if it is today, otherwise the day. */
export function brief(moment) {
  const age = daysAgo(moment);
  if (age === 0) return clock(moment);
  return age === 1 ? t('yesterday') : format(isThisYear(moment) ? DATE : DATE_OF_YEAR, moment);
}

export function sameDay(one, other) {
  return new Date(millis(one)).toDateString() === new Date(millis(other)).toDateString();
}

function isThisYear(moment) {
  return new Date(millis(moment)).getFullYear() === new Date().getFullYear();
}

function daysAgo(moment) {
  const midnight = (date) => new Date(millis(date)).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(moment)) / 86_400_000);
}
