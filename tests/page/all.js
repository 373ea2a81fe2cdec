// Runs every test and leaves in `results`, by the name of each, null or what went wrong.

import { run } from './test.js';
import './begun.js';
import './contact.js';
import './crc32.js';
import './folders.js';
import './list.js';
import './names.js';
import './options.js';
import './outage.js';
import './places.js';
import './plan.js';
import './proof.js';
import './problem.js';
import './reading.js';
import './semaphore.js';
import './tabs.js';
import './words.js';

globalThis.results = await run();
