// Makes names of files safe to show. Pure.

// Characters that are invisible or change the direction of text: with U+202E a program looks like a picture.
const misleading = /[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]/gu;
const joiner = /[\u200c\u200d]/;
const selector = /\p{Variation_Selector}/u;
const visible = /^(?:\p{Variation_Selector}|[^\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{White_Space}])$/u;

/**
 * Returns `name` with U+FFFD for each misleading character. A joiner between two visible characters stays, and so does
 * a variation selector after one: emoji and Persian names need them.
 */
export function shown(name) {
  return name.replace(misleading, (letter, at) => {
    const before = [...name.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
    const after = String.fromCodePoint(name.codePointAt(at + letter.length) ?? 0);
    const isInside = visible.test(before) && (joiner.test(letter) ? visible.test(after) : selector.test(letter));
    return isInside ? letter : '\ufffd';
  });
}
