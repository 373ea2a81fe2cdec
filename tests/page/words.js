import { english } from '../../demo/problem.js';
import { chooseLanguage, wordsIn } from '../../demo/words.js';
import { equal, test } from './test.js';

test('both languages say everything', () => {
  const [en, ko] = [wordsIn('en'), wordsIn('ko')];
  const keys = (object) => Object.entries(object).flatMap(([key, value]) =>
    value && typeof value === 'object' && !Array.isArray(value) ? keys(value).map((k) => `${key}.${k}`) : [key]).sort();
  equal(keys(ko), keys(en));
  equal(Object.keys(ko.problems).sort(), Object.keys(english).sort());
});

test('languages, sizes and times', () => {
  equal(chooseLanguage(['fr-FR', 'ko-KR', 'en']), 'ko');
  equal(chooseLanguage(['fr']), 'en');
  const { size, time } = wordsIn('en');
  equal([0, 999, 1000, 1234567, 999_960].map(size), ['0 B', '999 B', '1.0 kB', '1.2 MB', '1.0 MB']);
  equal([0.2, 59.5, 3599, 7260, 300_000].map(time), ['1 s', '1 min', '1 h 0 min', '2 h 1 min', '3 d 11 h']);
});
