// Times for operators: to the second, with the day if it is not today.

import { language } from '../strings.js';

const TIME = new Intl.DateTimeFormat(language, { timeStyle: 'medium', hourCycle: 'h23' });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });

export function time(moment) {
  return TIME.format(new Date(moment));
}

export function moment(value) {
  if (!value) return '–';
  const date = new Date(value);
  return date.toDateString() === new Date().toDateString() ? TIME.format(date) : FULL.format(date);
}
