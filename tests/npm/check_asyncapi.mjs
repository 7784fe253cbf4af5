// Check an AsyncAPI document with the parser of AsyncAPI itself: node check_asyncapi.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
for (const { code, message, path } of diagnostics) console.log(`${code}: ${message} (${path.join('.')})`);
process.exit(diagnostics.length ? 1 : 0);
