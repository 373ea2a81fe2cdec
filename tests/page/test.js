// A test is a name and a function that throws when something is not as it should be.

const tests = new Map();

export function test(name, check) {
  if (tests.has(name)) throw Error(`two tests are called: ${name}`);
  tests.set(name, check);
}

export async function run() {
  const results = {};
  for (const [name, check] of tests) {
    try {
      await check();
      results[name] = null;
    } catch (error) {
      results[name] = error.stack;
    }
  }
  return results;
}

/** The same value, or the same JSON. */
export function equal(actual, expected, why = '') {
  const [is, should] = [actual, expected].map((value) => JSON.stringify(value));
  if (is !== should) throw Error(`${why} expected ${should}, not ${is}`);
}

export async function rejects(promise) {
  const rejected = await promise.then(() => false, () => true);
  if (!rejected) throw Error('expected a rejection');
}
