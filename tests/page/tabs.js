import { Tabs } from '../../demo/tabs.js';
import { equal, test } from './test.js';

test('a tab that is silent for minutes no longer hides its files', async () => {
  let now = 0;
  let heard = () => {};
  const clock = () => now;
  const next = () => new Promise((resolve) => { heard = resolve; });
  const one = new Tabs('http://tabs/', () => heard(), clock);
  // Its first message is a question.
  let news = next();
  const other = new Tabs('http://tabs/', () => {}, clock);
  await news;
  news = next();
  other.set(['a']);
  await news;
  equal([one.send('a'), one.send('b')], [true, false]);
  for (let minute = 0; minute < 10; minute++) {
    now += 60_000;
    news = next();
    other.set(['a']);
    await news;
  }
  equal(one.send('a'), true, 'repeated');
  now += 150_000;
  equal(one.send('a'), false, 'expired');
});
