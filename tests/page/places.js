import { Places } from '../../demo/places.js';
import { equal, test } from './test.js';

/** An upload that counts how often it is woken. */
const upload = () => ({ woken: 0, wake() { this.woken++; } });

const soon = () => new Promise((resolve) => { setTimeout(resolve); });

/** Takes a place for each of `number` uploads. Returns a list that gets the functions that return the places. */
function takeMany(places, number) {
  const taken = [];
  for (let n = 0; n < number; n++) places.take(undefined, 5).then((leave) => taken.push(leave));
  return taken;
}

test('a refusal lowers the number of places, and a complete upload raises it', async () => {
  const places = new Places(5);
  const taken = takeMany(places, 9);
  await soon();
  equal(taken.length, 5);
  const refused = [upload(), upload()];
  refused.forEach((one) => places.refuse(one));
  // Three uploads run, and two wait with a place.
  taken[0]();
  places.complete();
  await soon();
  equal([taken.length, refused.map(({ woken }) => woken)], [5, [1, 1]]);
  places.leave(refused[0]);
  places.refuse(refused[1]);
  taken[1]();
  places.complete();
  await soon();
  equal([taken.length, refused.map(({ woken }) => woken)], [6, [1, 2]]);
});

test('one upload is always left to ask again', async () => {
  const places = new Places(5);
  const taken = takeMany(places, 1);
  await soon();
  for (let n = 0; n < 3; n++) places.refuse(upload());
  taken[0]();
  const next = takeMany(places, 2);
  await soon();
  equal(next.length, 1);
});

test('a deletion leaves a place', () => {
  const places = new Places(5);
  const one = upload();
  places.refuse(one);
  const { ended } = places;
  places.end();
  equal([one.woken, places.ended], [1, ended + 1]);
});
