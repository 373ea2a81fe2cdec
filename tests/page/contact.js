import { Contact } from '../../demo/contact.js';
import { equal, test } from './test.js';

test('an upload is silent when nothing arrives for five seconds', () => {
  const contact = new Contact();
  contact.enter('sending', null, 10);
  equal([contact.isSilent(100, 14), contact.isSilent(100, 15)], [false, true]);
  contact.move(40, 16);
  // The next request of the same file.
  contact.enter('sending', null, 19);
  equal([contact.isSilent(100, 20), contact.isSilent(100, 21)], [false, true]);
  contact.move(100, 22);
  equal(contact.isSilent(100, 90), false, 'the server has all and publishes it');
  contact.enter('paused', null, 91);
  equal(contact.isSilent(100, 99), false);
});

test('contact is lost until the next answer', () => {
  const contact = new Contact();
  contact.enter('checking', null, 0);
  equal(contact.isLost, false);
  for (const kind of ['gone', 'offline']) {
    contact.enter('retrying', { kind }, 1);
    contact.enter('checking', null, 2);
    equal([contact.isLost, contact.hasSent], [true, kind === 'offline'], kind);
    contact.enter('sending', null, 3);
    equal([contact.isLost, contact.hasSent], [false, true]);
  }
  contact.enter('retrying', { kind: 'busy' }, 4);
  equal(contact.isLost, false);
  contact.enter('retrying', { kind: 'gone' }, 5);
  contact.enter('paused', null, 6);
  equal(contact.isLost, false);
});
