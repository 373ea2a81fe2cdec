import { steadyKind } from '../../demo/outage.js';
import { equal, test } from './test.js';

test('the kind of an outage stays while files try again', () => {
  equal(steadyKind(null, ['offline', 'gone']), 'offline');
  equal(steadyKind('offline', []), 'offline', 'all files are trying');
  equal(steadyKind('offline', ['gone', 'offline']), 'offline');
  equal(steadyKind('offline', ['gone', 'gone']), 'gone');
  equal(steadyKind(null, []), 'gone');
});
